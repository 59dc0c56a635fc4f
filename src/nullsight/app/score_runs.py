"""Score runs side by side: ``nullsight evaluate``; reconstruct a file: ``nullsight reconstruct``."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nullsight.app.inputs import read_inputs, read_references
from nullsight.app.runs import load, processor, rebuild
from nullsight.assemble import place
from nullsight.data import MeasurementSet, TruthSet, write_images
from nullsight.evaluation import Evaluation, Method, Setting, dagger, evaluate, to_result, write_result
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.schema import Recipe
from nullsight.training import Run
from nullsight.types import InputError


@dataclass(frozen=True)
class Scored:
    """Runs, what they were scored on and what came of it.

    Attributes:
        runs: by name, the evaluated one first.
        recipe: of the first run.
        data: the measurements they were scored on.
        truth: their references, or None.
        evaluation: the scores of all of them and of ``A_dagger y``.
    """

    runs: dict[str, Run]
    recipe: Recipe
    data: MeasurementSet
    truth: TruthSet | None
    evaluation: Evaluation


def reconstruct_file(
    run: Path, measurements: Path, out: Path, *, other: tuple[Recipe, Path] | None = None, overwrite: bool = False
) -> Outcome:
    """Reconstruct the measurements in a file or folder and write images in the format that ``out`` asks for.

    Args:
        run: the trained run's folder.
        measurements: a container, an array or a folder of images.
        out: ``.npy``, ``.npz``, ``.h5`` or a folder for pictures.
        other: a recipe and its folder, whose [physics] made these measurements; None: the container's or the run's.
        overwrite: whether ``out`` may be replaced.
    """
    trained = load(run)
    _, recipe, arrays = rebuild(run)
    own = recipe.physics
    root = run
    if other is not None:
        own, root, arrays = other[0].physics, other[1], {}
        if own is None:
            raise InputError("expected [physics] in the recipe after --physics, but it has none: add it")
    inputs = read_inputs(str(measurements.resolve()), recipe.data, own, root, arrays, container_first=other is None)
    images = trained.reconstruct(inputs.data)
    write_images(out, images, overwrite=overwrite)
    return Outcome((f"wrote {len(images)} images of shape {tuple(images.shape[1:])} to {out}",))


def score(runs: Mapping[str, Path], *, measurements: Path | None = None, truth: Path | None = None) -> Scored:
    """Score runs on the first one's test measurements (else its training measurements) or on the files named.

    Args:
        runs: folders, at least one, by the names that the runs go by (see :func:`named`).
        measurements: a container, an array or a folder of images; None: as the first run's recipe has it.
        truth: its references; None: the recipe's, where the measurements are.

    Raises:
        InputError: no run, no measurements, or truth of another shape.
    """
    opened = {name: load(path) for name, path in runs.items()}
    folder = next(iter(runs.values()))
    _, recipe, arrays = rebuild(folder)
    section = recipe.data
    test = section.test_measurements
    chosen = str(measurements.resolve()) if measurements is not None else (test or section.measurements)
    if chosen is None:
        raise InputError(f"expected measurements to score {folder} on, but its recipe names none: add --measurements")
    data = read_inputs(chosen, section, recipe.physics, folder, arrays, container_first=True).data
    reference_name = str(truth.resolve()) if truth is not None else None
    if reference_name is None and measurements is None:
        reference_name = section.test_truth if test is not None else section.truth
    reference = None if reference_name is None else read_references(reference_name, section, folder, data)
    methods = {name: _method(run) for name, run in opened.items()}
    first = next(iter(methods))
    baselines = {**{name: method for name, method in methods.items() if name != first}, "A_dagger y": dagger}
    found = evaluate(methods[first], data, reference, name=first, baselines=baselines)
    return Scored(opened, recipe, data, reference, found)


def evaluate_runs(
    runs: Sequence[Path], *, measurements: Path | None = None, truth: Path | None = None, out: Path | None = None
) -> Outcome:
    """Score runs, print a table and, where ``out`` is given, write or extend a results file."""
    folders = named(runs)
    scored = score(folders, measurements=measurements, truth=truth)
    lines = list(table_lines(scored.evaluation))
    if out is not None:
        if scored.truth is None:
            raise InputError("expected ground truth for a results file, but there is none: add --truth")
        notes = {
            name: method_notes(run, folders[name], training_psnr(folders[name])) for name, run in scored.runs.items()
        }
        command = "nullsight evaluate " + " ".join(str(path) for path in runs)
        write_result(out, to_result(scored.evaluation, setting(scored.recipe, command), notes))
        lines.append(f"wrote {out}")
    return Outcome(tuple(lines))


def table_lines(evaluation: Evaluation) -> list[str]:
    """Return the scores as lines of text: means with 95 % intervals, and the paired gain of the first method."""
    formats = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 4), "nmse": ("NMSE", 5), "residual": ("residual", 5)}
    first = evaluation.methods[0].name
    wide = max(len(one.name) for one in evaluation.methods) + 2
    lines = []
    for one in evaluation.methods:
        cells = []
        for metric in (m for m in formats if m in evaluation.metrics):
            label, digits = formats[metric]
            mean = evaluation.mean(one.name, metric)
            cells.append(f"{label} {mean.mean:.{digits}f} [{mean.low:.{digits}f}, {mean.high:.{digits}f}]")
        if one.name != first and "psnr" in evaluation.metrics:
            gain = evaluation.difference(first, one.name, "psnr")
            cells.append(f"{first} is {gain.mean:+.2f} dB [{gain.low:+.2f}, {gain.high:+.2f}] against it")
        lines.append(f"{one.name:{wide}}" + "   ".join(cells))
    counted = f"{sum(evaluation.counted)} of {len(evaluation.counted)} images counted"
    lines.append(f"{counted}; {evaluation.range_statement}; brackets: 95 % t intervals; residual = |A f(y) - y| / |y|")
    return lines


def training_psnr(folder: Path) -> float | None:
    """Return a run's mean PSNR on its own training measurements, where their truth is known."""
    _, recipe, _ = rebuild(folder)
    section = recipe.data
    if section.truth is None or section.measurements is None:
        return None
    places = place(section.measurements, folder), place(section.truth, folder)
    scored = score({"f(y)": folder}, measurements=places[0], truth=places[1])
    return scored.evaluation.mean("f(y)", "psnr").mean


def method_notes(run: Run, folder: Path, train_psnr: float | None, *, recipe: str | None = None) -> Method:
    """Return what a results file says of a run; ``recipe`` is the path of its recipe, None: the one in its folder."""
    experiment, _, _ = rebuild(folder)
    return Method(
        uses_truth=bool(experiment.loss.needs_truth),
        minutes=round(minutes_of(run), 2),
        seeds=(run.settings.seed,),
        recipe=recipe or os.path.relpath(folder / "recipe.toml"),
        psnr_train_mean=train_psnr,
    )


def minutes_of(run: Run) -> float:
    """Return the wall minutes that a training took, preparation included."""
    return float(next((line["minutes"] for line in reversed(run.history) if "minutes" in line), 0.0))


def setting(recipe: Recipe, command: str) -> Setting:
    """Return what a results file says of the circumstances."""
    return Setting(
        task=recipe.title,
        dataset=Path(recipe.simulate.images if recipe.simulate else recipe.data.measurements or "").name,
        machine=f"{processor()}, {os.cpu_count()} cores",
        threads=recipe.training.threads or torch.get_num_threads(),
        commit=_commit(),
        date=time.strftime("%Y-%m-%d"),
        command=command,
    )


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _method(run: Run) -> Callable[[Tensor, Physics], Tensor]:
    return lambda y, physics: run.reconstruct(y, physics)


def named(runs: Sequence[Path]) -> dict[str, Path]:
    """Return run folders by their names, with the parent's name in front where two are called the same.

    Raises:
        InputError: a run came twice.
    """
    places = [path.resolve() for path in runs]
    for path in places:
        if places.count(path) > 1:
            raise InputError(f"expected different runs, but {path} came twice: name each once")
    last = [path.name for path in places]
    return {
        path.name if last.count(path.name) == 1 else f"{path.parent.name}/{path.name}": given
        for path, given in zip(places, runs, strict=True)
    }
