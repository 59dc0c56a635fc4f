"""Predicted errors calibrated on chest CT with truth, and checked on brain MR images measured as CT.

``python experiments/uncertainty/calibrated_on_ct.py RUN`` takes a run folder of experiments/ct100, and the measurements
that ``nullsight table`` (or ``nullsight simulate``) made of experiments/ct100 and experiments/mr_as_ct in runs/data.
The equivariant bootstrap of every image is kept in runs/uncertainty, so that an interrupted study goes on where it was.
It writes results/trust/uncertainty.json::

    {"task", "run", "commit", "date", "command", "copies", "level",
     "calibration": {"data", "images", "shift", "low", "high", "scale"},
     "rows": [{"data", "claim", "images", "pixels_covered", "pixels_covered_ci95", "least_covered",
               "psnr_error_db", "psnr_bias_db", "psnr_within"}]}

One row each for the calibrated intervals on the new data, for the bootstrap as it is, and for the measured part alone.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import nullsight as ns
from nullsight.app.results_file import commit
from nullsight.data import MeasurementSet, TruthSet, read_measurements, read_truth
from nullsight.evaluation import Reconstruct
from nullsight.groups.base import Family
from nullsight.metrics import reference_peak
from nullsight.noise import Noise, Noiseless
from nullsight.storage import write_atomically
from nullsight.trust.bootstrap import Bootstrap, bootstrap, join
from nullsight.trust.conformal import Calibration, calibrate
from nullsight.trust.uncertainty import Coverage, Uncertainty, coverage, measured_only

ROOT = Path(__file__).parents[2]
COPIES, LEVEL, TOGETHER = 50, 0.9, 6


@dataclass(frozen=True)
class Known:
    """A data set with truth.

    Attributes:
        name: of it.
        data: measurements.
        truth: their images.
    """

    name: str
    data: MeasurementSet
    truth: TruthSet


def errors(
    reconstruct: Reconstruct, known: Known, group: Family, noise: Noise, folder: Path, *, copies: int, together: int
) -> Bootstrap:
    """Return the bootstrap of a data set; a few images at a time are computed, unless their file is in ``folder``."""
    parts = []
    for first in range(0, len(known.data), together):
        path = folder / f"{copies}-copies-from-{first:04d}.safetensors"
        if not path.exists():
            batch = known.data.batch(range(first, min(first + together, len(known.data))))
            draws = ns.Draws(0, 0, tuple(batch.ids.tolist()))
            found = bootstrap(reconstruct, batch.y, batch.physics, group, noise, draws, copies=copies)
            keep = {name: value.contiguous() for name, value in vars(found).items() if isinstance(value, torch.Tensor)}
            folder.mkdir(parents=True, exist_ok=True)
            # a name of its own until all is written
            save_file(keep | {"covered": torch.tensor(found.covered, dtype=torch.float64)}, path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
            print(f"{known.name}: {min(first + together, len(known.data))} of {len(known.data)} images", flush=True)
        kept = load_file(path)
        tensors = (kept[name] for name in ("x1", "mean_square", "spread", "seen", "seen_spread"))
        parts.append(Bootstrap(*tensors, copies, float(kept["covered"])))
    return join(parts)


def study(
    reconstruct: Reconstruct,
    known: Known,
    new: Known,
    group: Family,
    noise: Noise,
    folder: Path,
    *,
    copies: int = COPIES,
    together: int = TOGETHER,
    level: float = LEVEL,
) -> dict[str, Any]:
    """Calibrate on one data set and return what holds on both."""
    found = {
        one.name: errors(reconstruct, one, group, noise, folder / one.name, copies=copies, together=together)
        for one in (known, new)
    }
    calibration = calibrate(found[known.name], known.truth, known.name, level=level)
    rows = []
    raw = replace(
        calibration, shift=0.0, low=None, high=None, scale=_normal(level)
    )  # no calibration: the spread of a normal law
    claims: dict[str, Callable[[Bootstrap, torch.Tensor], Uncertainty]] = {
        "calibrated": calibration.apply,
        "bootstrap as it is": raw.apply,
        "measured part only": lambda one, peak: measured_only(one, peak, level),
    }
    for one in (known, new):
        peak = reference_peak(one.truth.x)
        for claim, apply in claims.items():
            told = coverage(apply(found[one.name], peak), one.truth, peak, one.data.physics)
            print(f"{one.name}, {claim}: {told}", flush=True)
            rows.append({"data": one.name, "claim": claim, **_row(told)})
    return {"copies": copies, "level": level, "calibration": _calibration(calibration), "rows": rows}


def main(run: Path, out: Path = ROOT / "results" / "trust" / "uncertainty.json") -> None:
    """Write the results of a run of experiments/ct100."""
    opened = ns.load(run)
    sets = []
    for name, file in (("CT100, training part", "ct100_train"), ("MR as CT, test part", "mr_as_ct_test")):
        y = read_measurements(ROOT / "runs" / "data" / f"{file}.h5").y
        truth = read_truth(ROOT / "runs" / "data" / f"{file}_truth.h5")
        sets.append(Known(name, MeasurementSet(y, opened.physics), TruthSet(truth.x, truth.has_x)))
    folder = ROOT / "runs" / "uncertainty" / run.resolve().name
    found = study(opened.reconstruct, sets[0], sets[1], ns.groups.Rotations(360), Noiseless(), folder)
    head = {
        "task": "predicted PSNR and 90 % intervals, calibrated on CT, on MR images measured as CT",
        "run": str(run),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "command": f"python experiments/uncertainty/calibrated_on_ct.py {run}",
    }
    write_atomically(out, json.dumps(head | found, indent=1, allow_nan=False) + "\n")
    print(f"wrote {out}")


def _normal(level: float) -> float:
    return math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64)))


def _calibration(found: Calibration) -> dict[str, Any]:
    return {key: value for key, value in asdict(found).items() if key not in ("level",)}


def _row(told: Coverage) -> dict[str, Any]:
    numbers = {
        "pixels_covered": told.pixels.mean,
        "pixels_covered_ci95": [_finite(told.pixels.low), _finite(told.pixels.high)],
        "least_covered": told.least,
        "psnr_error_db": _finite(told.psnr_error),
        "psnr_bias_db": _finite(told.psnr_bias),
        "psnr_within": _finite(told.psnr_within),
    }
    return {"images": told.pixels.count, **numbers}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    try:
        torch.set_num_threads(2)
        main(Path(sys.argv[1]), *[Path(word) for word in sys.argv[2:3]])
    except IndexError:
        sys.exit("expected a run folder of experiments/ct100: python experiments/uncertainty/calibrated_on_ct.py RUN")
    except ns.InputError as error:
        sys.exit(str(error))
