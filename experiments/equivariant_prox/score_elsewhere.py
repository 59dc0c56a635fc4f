"""The runs of ``nullsight table experiments/equivariant_prox`` on images unlike those that they learned from.

Run it with ``python experiments/equivariant_prox/score_elsewhere.py`` once some rows are trained (a minute for all of
them; rows that are not finished are left out and can be scored later). It scores every run on the test images turned by
90 and by 45 degrees and on MR slices of heads, measured by the same operator, into
``results/equivariant_prox_{turned_90,turned_45,mr}.json``; and writes how far each is from equivariant, as a system and
as a reconstructor, into ``results/curves/equivariant_prox_equivariance.json``. NULLSIGHT_DATA is the folder of images.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.results_file import circumstances, method_notes, minutes_of
from nullsight.app.runs import rebuild
from nullsight.app.table import read_rows
from nullsight.assemble import place
from nullsight.evaluation import Axes, CurveRow, dagger, first_of_each, to_result, write_curve, write_result
from nullsight.groups import Bicubic, Family, QuarterTurns, Rotations
from nullsight.physics.base import LinearPhysics
from nullsight.training import Run

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COMMAND = "python experiments/equivariant_prox/score_elsewhere.py"
TEST, HEADS = slice(90, 100), slice(170, 196)  # slices of chests as ../ct100 has them, of heads as ../mr_as_ct has them
TITLES = {
    "turned_90": "CT100, 50 views, equivariant and ordinary proximal networks, test images turned by 90 degrees",
    "turned_45": "CT100, 50 views, equivariant and ordinary proximal networks, test images turned by 45 degrees",
    "mr": "CT100, 50 views, equivariant and ordinary proximal networks, tested on MR images of heads",
}
TURNS: dict[str, Family] = {"quarter turns": QuarterTurns(), "turns by whole degrees": Rotations(360)}
EQUIVARIANCE = Axes(
    "what turns, and by how much",
    tuple(f"{kind}, {turns}" for kind in ("system", "reconstructor") for turns in TURNS),
    "relative error of equivariance in % (on the inscribed disk where turning interpolates)",
)


def other_images(chests: Tensor, heads: Tensor) -> dict[str, Tensor]:
    """Return the images of every test set, ``(images, 1, n, n)``."""
    one = torch.ones(len(chests), dtype=torch.int64)
    return {
        "turned_90": QuarterTurns().act(one, chests),
        # cubic interpolation overshoots a little below black
        "turned_45": Rotations(8, Bicubic()).act(one, chests).clamp_min(0),
        "mr": heads,
    }


def finished(runs: Path, names: list[str]) -> dict[str, tuple[Path, Run]]:
    """Return the folders and runs that are done, by the names of their rows."""
    found = {}
    for name in names:
        folder = runs / name
        if (folder / "checkpoints").exists():
            run = ns.load(folder)
            if run.finished:
                found[name.replace("_", " ")] = folder, run
    return found


def score(
    known: Mapping[str, tuple[Path, Run]],
    sets: Mapping[str, Tensor],
    physics: LinearPhysics,
    results: Path,
    threads: int,
) -> None:
    """Write the scores of all runs on all sets.

    Args:
        known: folders and runs by name.
        sets: images by the name of the set.
        physics: what measures them, without noise.
        results: the folder of results.
        threads: of the processor.
    """
    for name, x in sets.items():
        data, truth = ns.data.MeasurementSet(physics.A(x), physics), ns.data.TruthSet(x)
        first, *others = known
        beside = {**{other: known[other][1].reconstruct for other in others}, "A_dagger y": dagger}
        found = ns.evaluate(known[first][1].reconstruct, data, truth, name=first, baselines=beside)
        notes = {
            row: method_notes(run, folder, None, recipe=os.path.relpath(HERE / f"{folder.name}.toml", ROOT))
            for row, (folder, run) in known.items()
        }
        setting = circumstances(TITLES[name], "ct100_128.npy, mr_256.npz", threads, COMMAND)
        write_result(results / f"equivariant_prox_{name}.json", to_result(found, setting, notes))
        means = {row: found.mean(row, "psnr").mean for row in known}
        print(f"{name}: {', '.join(f'{row} {mean:.2f} dB' for row, mean in means.items())}", flush=True)


def equivariance(
    known: Mapping[str, tuple[Path, Run]], x: Tensor, physics: LinearPhysics, results: Path, threads: int
) -> None:
    """Write how far from equivariant every run is, on the images ``x``."""
    y = physics.A(x)
    for row, (folder, run) in known.items():
        errors = [ns.contracts.system_equivariance(run.reconstruct, x, physics, turns) for turns in TURNS.values()]
        errors += [
            ns.contracts.reconstructor_equivariance(run.reconstruct, y, physics, turns) for turns in TURNS.values()
        ]
        curve = CurveRow(
            row,
            tuple(tuple((100 * one).tolist()) for one in errors),
            bool(rebuild(folder)[0].loss.needs_truth),
            round(minutes_of(run), 2),
            (run.settings.seed,),
        )
        setting = circumstances(
            "Equivariance of proximal gradient on CT100, 50 views", "ct100_128.npy", threads, COMMAND
        )
        write_curve(results / "curves" / "equivariant_prox_equivariance.json", setting, EQUIVARIANCE, curve)


def main(runs: Path = ROOT / "runs" / "equivariant_prox", results: Path = ROOT / "results") -> None:
    """Score what is trained; InputError where the images are not there."""
    threads = 2
    torch.set_num_threads(threads)
    known = finished(runs, [path.stem for path in read_rows(HERE, [])])
    if not known:
        sys.exit("nothing is trained yet: nullsight table experiments/equivariant_prox")
    physics = next(iter(known.values()))[1].physics
    assert isinstance(physics, LinearPhysics)
    chests = ns.data.read_images(place("$NULLSIGHT_DATA/ct100_128.npy", ROOT), None, "NHW").values[TEST].float()
    heads = ns.data.read_images(place("$NULLSIGHT_DATA/mr_256.npz", ROOT), "images", "NHW").values[HEADS].float()
    score(known, other_images(chests, ns.data.block_means(heads, 2)), physics, results, threads)
    once = torch.tensor(first_of_each(chests))  # exact duplicates
    equivariance(known, chests[once], physics, results, threads)


if __name__ == "__main__":
    main()
