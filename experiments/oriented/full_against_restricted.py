"""Images with a preferred direction: all rotations against those within a range that is learned from the measurements.

Leaves that lie along one direction but for a tilt of up to 20 degrees, seen by sparse-view tomography. The test of
invariance looks at the measurements, the range of angles is learned from them, and one network is trained with each
family of transformations: none, the learned range, the planted one, all rotations. Run it with
``python experiments/oriented/full_against_restricted.py [leaves | mr]``; ``mr`` takes the upright brain slices of the
folder NULLSIGHT_DATA in place of leaves. Finished rows are kept in the results file and not computed again::

    {"task", "commit", "date", "command", "size", "views", "train", "steps", "psnr_unit",
     "invariance": {"p_value", "strength", "direction", "words"},
     "range": {"degrees", "low", "high", "direction", "planted"},
     "rows": [{"family", "psnr_mean", "psnr_ci95", "psnr", "minutes"}]}

in results/trust/oriented_leaves.json or oriented_mr.json.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.results_file import commit
from nullsight.assemble import place
from nullsight.data.canvas import Canvas, Dice
from nullsight.evaluation import FixedRange, dagger, t_interval
from nullsight.groups import Rotations, RotationsWithin
from nullsight.groups.base import Family
from nullsight.metrics import psnr
from nullsight.storage import write_atomically
from nullsight.trust.invariance import invariance
from nullsight.trust.range_of_angles import range_of_angles

ROOT = Path(__file__).parents[2]
NUMBERS = 512  # random numbers set aside for one image
TILT, DIRECTION = 20.0, 60.0  # degrees


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        x: images, the training ones first.
        train: how many of them are trained on.
        views: of the scanner.
        steps: weight updates a family.
        width: of the network.
        seed: of weights and draws.
        planted: range of the images' tilts, degrees; None: not known.
    """

    x: Tensor
    train: int
    views: int
    steps: int
    width: int
    seed: int
    planted: float | None


def leaves(count: int, size: int, seed: int, tilt: float = TILT, direction: float = DIRECTION) -> Tensor:
    """Return images of long leaves along one direction, each image tilted by up to ``tilt`` degrees either way."""
    images = []
    for number in range(count):
        one = Dice(ns.Draws(seed, 0, (number,)).of("upright leaves").uniform((NUMBERS,))[0].numpy())
        canvas = Canvas(size, direction + one.between(-tilt, tilt))
        canvas.ellipse((0, 0), (0.92, 0.92), 0.25)
        for _ in range(14):
            radius, angle = 0.75 * one.between(0, 1) ** 0.5, one.between(0, 2 * np.pi)
            center = (float(radius * np.cos(angle)), float(radius * np.sin(angle)))
            long = one.between(0.15, 0.4) * (1 - 0.7 * radius)
            canvas.ellipse(center, (long, long * one.between(0.15, 0.35)), one.between(0.3, 1.0))
        images.append(canvas.values)
    return torch.from_numpy(np.stack(images).astype(np.float32))


def look(study: Study) -> dict[str, Any]:
    """Return what the training measurements say, before any training: invariance, and the range of angles."""
    physics = scanner(study)
    y = physics.A(study.x[: study.train])
    draws = ns.Draws(study.seed, 0, tuple(range(study.train)))
    test = invariance(dagger, y, physics, Rotations(360), ns.noise.Noiseless(), draws)
    found = range_of_angles(physics.A_dagger(y))
    print(test, found, sep="\n", flush=True)
    return {
        "invariance": {
            "p_value": test.p_value, "strength": test.strength, "direction": test.direction, "words": test.words,
        },
        "range": {
            "degrees": found.family.limit, "low": found.low, "high": found.high, "direction": found.direction,
            "planted": study.planted,
        },
    }  # fmt: skip


def families(study: Study, learned: float) -> dict[str, Family | None]:
    """Return the families to compare, by name."""
    chosen: dict[str, Family | None] = {"none": None, f"within {learned:g} degrees, learned": RotationsWithin(learned)}
    if study.planted is not None:
        chosen[f"within {study.planted:g} degrees, planted"] = RotationsWithin(study.planted)
    return chosen | {"all rotations": Rotations(360)}


def scanner(study: Study) -> ns.physics.ParallelBeamCT:
    return ns.physics.ParallelBeamCT(tuple(study.x.shape[1:]), study.views)


def train(study: Study, family: Family | None) -> dict[str, Any]:
    """Train with one family and return its row."""
    physics = scanner(study)
    y = physics.A(study.x)
    loss: ns.losses.Loss = ns.losses.MeasurementConsistency()
    if family is not None:
        loss = loss + 10 * ns.losses.Equivariance(family)
    f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(1, width=study.width, depth=3, seed=study.seed))
    settings = ns.training.Settings(seed=study.seed, steps=study.steps, batch_size=4)
    start = time.perf_counter()
    run = ns.fit(f, y[: study.train], physics, loss, settings=settings, display=ns.training.Silent())
    minutes = (time.perf_counter() - start) / 60
    found = run.reconstruct(y[study.train :])
    values = psnr(found, study.x[study.train :], data_range=1.0).tolist()
    mean = t_interval(values)
    return {"psnr_mean": mean.mean, "psnr_ci95": [mean.low, mean.high], "psnr": values, "minutes": round(minutes, 2)}


def main(study: Study, out: Path, task: str, command: str) -> dict[str, Any]:
    """Compute the rows that the results file does not have and return all of it."""
    shape = {"size": study.x.shape[-1], "views": study.views, "train": study.train, "steps": study.steps}
    kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    if any(kept.get(key, value) != value for key, value in (shape | {"task": task}).items()):
        raise ns.InputError(f"expected results of the same study in {out}, but another was made: name another file")
    head = {
        "task": task, "commit": commit(), "date": time.strftime("%Y-%m-%d"), "command": command, **shape,
        "psnr_unit": f"dB, {FixedRange(1.0).statement}",
    }  # fmt: skip
    found = kept if "range" in kept else {**head, **look(study), "rows": []}
    for name, family in families(study, found["range"]["degrees"]).items():
        if name not in [row["family"] for row in found["rows"]]:
            found["rows"].append({"family": name, **train(study, family)})
            write_atomically(out, json.dumps(found, indent=1, allow_nan=False) + "\n")
        row = next(row for row in found["rows"] if row["family"] == name)
        print(f"{name:32}{row['psnr_mean']:8.2f} dB  {row['minutes']:.1f} min", flush=True)
    return found


def of_leaves(out: Path, *, size: int = 64, train: int = 150, test: int = 30, steps: int = 3000) -> dict[str, Any]:
    """Compare on leaves."""
    study = Study(leaves(train + test, size, 0), train, max(6, size // 4), steps, 16, 0, TILT)
    return main(study, out, "leaves along one direction, by tomography", f"python {sys.argv[0]} leaves")


def of_mr(out: Path, *, steps: int = 3000) -> dict[str, Any]:
    """Compare on upright brain slices, 64 x 64."""
    with np.load(place("$NULLSIGHT_DATA/mr_256.npz", Path())) as file:
        images = torch.from_numpy(file["images"].astype(np.float32))[:, None]
    study = Study(ns.data.block_means(images, 4), 170, 16, steps, 16, 0, None)
    return main(study, out, "upright brain slices, by tomography", f"python {sys.argv[0]} mr")


STUDIES = {"leaves": of_leaves, "mr": of_mr}

if __name__ == "__main__":
    torch.set_num_threads(2)
    chosen = sys.argv[1] if len(sys.argv) > 1 else "leaves"
    try:
        STUDIES[chosen](ROOT / "results" / "trust" / f"oriented_{chosen}.json")
    except KeyError:
        sys.exit(f"expected leaves or mr, but {chosen!r} came")
    except (ns.InputError, OSError) as error:
        sys.exit(str(error))
