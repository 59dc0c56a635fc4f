"""Errors of the polyphase and the plain U-Net by the distance to the border, where images are not periodic.

Run it with ``python experiments/polyphase_edges.py`` after ``nullsight table experiments/polyphase_deblurring``, and
those of super-resolution and MRI (a minute; rows whose run is not finished are left out and can be added later). The
polyphase network takes the images for cyclic, the plain one continues them by zeros; ``A_dagger y`` is the image that
both see. Curves go to ``results/curves/polyphase_{deblurring,super_resolution,mri}.json``.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.inputs import read_inputs, read_references
from nullsight.app.results_file import circumstances, minutes_of
from nullsight.evaluation import Axes, CurveRow, dagger, write_curve
from nullsight.physics.base import Physics
from nullsight.recipe import load_recipe

ROOT = Path(__file__).parents[1]
COMMAND = "python experiments/polyphase_edges.py"
TASKS = ("polyphase_deblurring", "polyphase_super_resolution", "polyphase_mri")
ROWS = ("polyphase_unet", "unet")
RINGS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 32)  # where each ring of pixels begins; the last one reaches to the middle


def axes() -> Axes:
    """Return the axes of the curves: one place a ring."""
    names = [f"{a}" if b == a + 1 else f"{a} to {b - 1}" for a, b in pairwise(RINGS)]
    return Axes(
        "distance to the border, pixels",
        (*names, f"{RINGS[-1]} and more"),
        "root mean square error, % of the peak of each image",
    )


def rings(height: int, width: int) -> list[Tensor]:
    """Return the pixels of every ring, bool ``(height, width)``, from the border inwards."""
    rows, columns = torch.arange(height), torch.arange(width)
    apart = torch.minimum(
        torch.minimum(rows, height - 1 - rows)[:, None], torch.minimum(columns, width - 1 - columns)[None]
    )
    ends = (*RINGS[1:], max(height, width))
    return [(apart >= first) & (apart < end) for first, end in zip(RINGS, ends, strict=True)]


def errors(x: Tensor, reference: Tensor) -> tuple[tuple[float, ...], ...]:
    """Return for every ring the root mean square error of each image, in % of its peak.

    Args:
        x: reconstructions, ``(images, channels, height, width)``.
        reference: the images.
    """
    square = (x - reference).double().square().mean(1)
    peaks = ns.metrics.reference_peak(reference).double()
    found = [100 * square[:, ring].mean(1).sqrt() / peaks for ring in rings(*x.shape[2:]) if bool(ring.any())]
    return tuple(tuple(one.tolist()) for one in found)


def compare(task: str, runs: Path, results: Path, rows: tuple[str, ...] = ROWS) -> None:
    """Write the curves of the finished runs of a task, and of ``A_dagger y``.

    Args:
        task: the name of the folder of its runs.
        runs: where that is.
        results: the folder of curves.
        rows: the names of the runs.
    """
    for name in rows:
        folder = runs / task / name
        if not (folder / "checkpoints").exists() or not (run := ns.load(folder)).finished:
            print(f"{task}, {name}: not trained yet")
            continue
        recipe, arrays = load_recipe(folder)
        section = recipe.data
        assert section.test_measurements is not None and section.test_truth is not None
        data = read_inputs(
            section.test_measurements, section, recipe.physics, folder, arrays, container_first=True
        ).data
        reference = read_references(section.test_truth, section, folder, data).x
        setting = circumstances(recipe.title, Path(section.test_truth).name, recipe.training.threads or 1, COMMAND)
        minutes, seeds = round(minutes_of(run), 2), (run.settings.seed,)
        methods: dict[str, tuple[Callable[[Tensor, Physics], Tensor], bool, float, tuple[int, ...]]] = {
            name.replace("_", " "): (run.reconstruct, True, minutes, seeds),
            "A_dagger y": (dagger, False, 0.0, ()),
        }
        for label, (f, truth, took, drawn) in methods.items():
            values = errors(f(data.y, data.physics), reference)
            write_curve(results / f"{task}.json", setting, axes(), CurveRow(label, values, truth, took, drawn))
            print(f"{task}, {label}: {', '.join(f'{sum(few) / len(few):.2f}' for few in values)} %", flush=True)


if __name__ == "__main__":
    for each in TASKS:
        compare(each, ROOT / "runs", ROOT / "results" / "curves")
