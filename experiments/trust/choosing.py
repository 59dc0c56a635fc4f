"""How far below the best of its looks a run is that keeps the weights that were chosen without ground truth.

    python -m experiments.trust.choosing [--out results/trust/choosing.json]

Small trainings are looked at many times. Every look is scored by the held-out total, by the predicted error and, for
this comparison alone, with truth; one training serves all three, as looking changes nothing. What a run loses by
keeping the weights of the smallest number, in place of those of the best PSNR, is its regret, dB. Some of the trainings
are made to go wrong on the way: a weight of the equivariance that is too large, few measurements and much noise.
Finished rows are kept in the file and not computed again; a minute or two each on two cores::

    {"task", "command", "date", "commit", "plan", "within",
     "rows": [{"case", "seed", "looks", "best", "last", "regret": {"last", "held-out total", "predicted error"}}],
     "regret_mean": {...}, "within_share": {...}}
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nullsight as ns
from experiments.forecast.pairs import images
from nullsight.app.prepare import peak_psnr
from nullsight.app.results_file import commit
from nullsight.draws import Draws
from nullsight.groups.base import FiniteGroup
from nullsight.noise import Gaussian, Noise
from nullsight.physics.base import Physics
from nullsight.storage import write_atomically
from nullsight.training.chooser import TOTAL, Looking
from nullsight.training.held_out import See
from nullsight.trust.choosing import KEY

WITHIN = 0.3  # dB
OUT = Path("results") / "trust" / "choosing.json"
PSNR, LAST, BY = "observed/PSNR", "last", {"held-out total": TOTAL, "predicted error": f"observed/{KEY}"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What all rows share.

    Attributes:
        size: pixels of an edge, divisible by 4.
        held_out: measurements that are not trained on.
        test: images to score on.
        steps: weight updates.
        looks: at them.
        seeds: each case is trained with so many.
    """

    size: int = 24
    held_out: int = 20
    test: int = 50
    steps: int = 1500
    looks: int = 30
    seeds: int = 3


@dataclass(frozen=True)
class Case:
    """One kind of training.

    Attributes:
        physics: by the size.
        group: by the size.
        sigma: of the noise; images have about unit contrast.
        weight: of the equivariance.
        train: how many measurements.
        rate: learning rate.
    """

    physics: Callable[[int], Physics]
    group: Callable[[int], FiniteGroup]
    sigma: float
    weight: float
    train: int
    rate: float = 2e-3


def _mask(n: int) -> Physics:
    return ns.physics.Inpainting((1, n, n), ns.physics.bernoulli_mask((n, n), 0.5, seed=1))


def _views(n: int) -> Physics:
    return ns.physics.ParallelBeamCT((1, n, n), n // 2 - 1)


def _shifts(n: int) -> FiniteGroup:
    return ns.groups.Shifts((n, n))


def _dihedral(n: int) -> FiniteGroup:
    return ns.groups.Dihedral(4)


CASES = {
    "mask": Case(_mask, _shifts, 0.02, 1.0, 300),
    "mask, too much equivariance": Case(_mask, _shifts, 0.02, 100.0, 300),
    "mask, few and noisy": Case(_mask, _shifts, 0.3, 1.0, 30),
    "mask, no equivariance": Case(_mask, _shifts, 0.1, 0.0, 100),
    "views": Case(_views, _dihedral, 0.1, 1.0, 300),
    "views, too much equivariance": Case(_views, _dihedral, 0.1, 100.0, 300),
    "views, few and noisy": Case(_views, _dihedral, 1.0, 1.0, 30),
    "views, large steps": Case(_views, _dihedral, 0.1, 10.0, 100, 2e-2),
}


@dataclass(frozen=True)
class Predicts:
    """The chooser as an observer, so that one training tells what either choice would have kept."""

    looking: Looking

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        """Return its numbers after a step."""
        return self.looking(reconstruct)


def trained(case: Case, plan: Plan, seed: int) -> list[dict[str, float]]:
    """Train a case and return the scores of its looks, the first before any step left out."""
    physics, group = case.physics(plan.size), case.group(plan.size)
    noise: Noise = Gaussian(case.sigma)
    count = case.train + plan.held_out + plan.test
    x = images(count, plan.size, seed)
    y = noise.observe(physics.A(x), physics.measured, Draws(seed, 0, tuple(range(count))).of("noise"))
    data = ns.data.MeasurementSet(y, physics)
    parts = [case.train, case.train + plan.held_out, count]
    train, kept, test = (data.take(range(a, b)) for a, b in zip([0, *parts[:2]], parts, strict=True))
    chooser = ns.trust.PredictedError(group, noise, seed=seed)
    truth = ns.training.TruthScore("PSNR", peak_psnr, test, ns.data.TruthSet(x[parts[1] :]))
    loss = ns.losses.MeasurementConsistency() + case.weight * ns.losses.Equivariance(group, noise)
    f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(channels=1, width=16, depth=2, seed=seed))
    settings = ns.training.Settings(
        seed=seed, steps=plan.steps, batch_size=8, optimiser=ns.training.Adam(case.rate),
        schedule=ns.training.Constant(), evaluate_every=max(1, plan.steps // plan.looks),
    )  # fmt: skip
    run = ns.fit(
        f, train, None, loss, settings=settings, held_out=kept, noise=noise,
        observers=[truth, Predicts(chooser.begin(train, kept))], display=ns.training.Silent(),
    )  # fmt: skip
    return [line for line in run.history if PSNR in line and line["step"] > 0]


def judged(looks: Sequence[dict[str, float]]) -> Row:
    """Return the PSNR of the best look and of the last, and what each way to choose loses against the best, dB."""
    best = max(look[PSNR] for look in looks)
    chosen = {name: min(looks, key=lambda look, key=key: look[key])[PSNR] for name, key in BY.items()}
    regret = {name: round(best - psnr, 4) for name, psnr in {LAST: looks[-1][PSNR], **chosen}.items()}
    return {"looks": len(looks), "best": round(best, 4), "last": round(looks[-1][PSNR], 4), "regret": regret}


def summary(rows: Sequence[Row]) -> Row:
    """Return the mean regret of every way to choose, and how often it is at most 0.3 dB."""
    ways = [LAST, *BY]
    return {
        "regret_mean": {way: sum(row["regret"][way] for row in rows) / len(rows) for way in ways},
        "within_share": {way: sum(row["regret"][way] <= WITHIN for row in rows) / len(rows) for way in ways},
    }


def study(plan: Plan, out: Path, cases: Sequence[str] = tuple(CASES)) -> Row:
    """Return all rows, those that are missing trained now and written one by one."""
    found = json.loads(out.read_text()) if out.exists() else {"plan": asdict(plan), "rows": []}
    if found["plan"] != asdict(plan):
        raise ns.InputError(f"expected rows of one plan in {out}, but they have {found['plan']}: name another --out")
    rows = found["rows"]
    for case in cases:
        for seed in range(plan.seeds):
            if (case, seed) in {(row["case"], row["seed"]) for row in rows}:
                continue
            rows.append({"case": case, "seed": seed, **judged(trained(CASES[case], plan, seed))})
            found = {
                "task": "keeping weights that were chosen without ground truth",
                "command": "python -m experiments.trust.choosing",
                "date": time.strftime("%Y-%m-%d"),
                "commit": commit(),
                "plan": asdict(plan),
                "within": WITHIN,
                "rows": rows,
                **summary(rows),
            }
            write_atomically(out, json.dumps(found, indent=1, allow_nan=False) + "\n")
            print(f"{case}, seed {seed}: best {rows[-1]['best']:.2f} dB, regret {rows[-1]['regret']}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    study(Plan(), parser.parse_args().out)
