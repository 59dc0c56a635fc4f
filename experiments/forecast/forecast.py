"""Does the diagnosis before training forecast what is learned? Small pairs of an operator and a group, one row each.

Before training, from the operator and the group alone: the share of the null space that comes into view, weighed with
how much the images have there, and 0 where the ranges of the operators share no direction, however much they see
together: then nothing links what one measurement sees to what it does not. After training by equivariant imaging, with
the truth of test images: the share of the images' energy in the null space that the reconstruction misses,
``|P (f(y) - x)|^2 / |P x|^2``, P the projection on the null space; 1 is what zeros reach. Beside it the same error of
the untrained network, and of the best linear estimate from the second moments of the measurements and the invariance
alone.

Run ``python -m experiments.forecast.forecast``: one to two minutes a row on two cores, an hour at most in all. Rows are
written to ``experiments/forecast/rows.json`` as they are done; run it again to go on.
"""

import argparse
import json
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from scipy.stats import spearmanr
from torch import Tensor

import nullsight as ns
from experiments.forecast.pairs import GROUPS, PAIRS, images, operator
from nullsight.diagnosis import Budget
from nullsight.diagnosis.build import average, matrix
from nullsight.linalg import conjugate_gradient
from nullsight.storage import write_atomically

ROWS = Path(__file__).parent / "rows.json"
QUICK = Budget(suggestions=0, pictures=0)
RIDGE = 1e-3  # of second moments, relative: what a few hundred images leave uncertain of them


@dataclass(frozen=True)
class Plan:
    """What is trained on what: the same for all rows of a file.

    Attributes:
        size: pixels of an edge.
        train: images to measure and train on.
        test: images to score on.
        steps: weight updates of every training.
        seed: of images, weights and draws.
    """

    size: int = 16
    train: int = 600
    test: int = 100
    steps: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One pair.

    Attributes:
        operator: its name.
        group: its name.
        verdict: of the diagnosis.
        share: of the null space that comes into view, 0 .. 1.
        energy: of the images' energy in the null space that comes into view, 0 .. 1.
        predicted: ``energy``, or 0 where the ranges of the operators share no direction.
        error: share of the images' energy in the null space that the trained network misses.
        untrained: the same before training.
        linear: the same of the linear estimate from second moments.
        minutes: of the training.
    """

    operator: str
    group: str
    verdict: str
    share: float
    energy: float
    predicted: float
    error: float
    untrained: float
    linear: float
    minutes: float


@dataclass(frozen=True)
class Forecast:
    """What is known before training: the verdict, and shares as in :class:`Row`."""

    verdict: str
    share: float
    energy: float
    predicted: float


def forecast(physics: ns.physics.MatrixOperator, group: ns.groups.FiniteGroup, x: Tensor) -> Forecast:
    """Return the forecast of a pair for images like ``x``."""
    found = ns.diagnose(physics, group, budget=QUICK)
    exact = ns.physics.MatrixOperator(physics.image_shape, physics.matrix.double())
    values, vectors = torch.linalg.eigh(matrix(average(exact, group, QUICK)))
    hidden = vectors[:, values <= found.threshold.value * values[-1]]
    missing = unseen(exact, x.double()).flatten(1)
    energy = 1 - float((missing @ hidden).square().sum() / missing.square().sum())
    share = (found.sight.visible - found.sight.alone) / (1 - found.sight.alone)
    linked = found.sight.distinct > 1 and found.sight.overlap > found.sight.slack
    return Forecast(found.verdict.words, share, energy, energy if linked else 0.0)


def unseen(physics: ns.physics.LinearPhysics, x: Tensor) -> Tensor:
    """Return the projection of images on the null space of an operator with orthonormal rows."""
    return x - physics.A_adjoint(physics.A(x))


def missed(physics: ns.physics.LinearPhysics, found: Tensor, x: Tensor) -> float:
    """Return the share of the images' energy in the null space that reconstructions miss; 1 for zeros."""
    return float(unseen(physics, found - x).square().sum() / unseen(physics, x).square().sum())


def moments(physics: ns.physics.MatrixOperator, group: ns.groups.FiniteGroup, y: Tensor) -> Tensor:
    """Return the linear estimate ``C A^T (A C A^T)^-1`` for the invariant C whose measurements have y's moments.

    C is the one of least norm with ``A C A^T = mean of y y^T`` among those with ``T_g C T_g^T = C`` for every g: what
    second moments and the invariance say, and zero where they say nothing.

    Args:
        physics: with orthonormal rows.
        group: whose elements move pixels.
        y: measurements, ``(count, m)``.
    """
    A, n = physics.matrix.double(), physics.matrix.shape[1]
    pixels = torch.arange(float(n)).reshape(1, *physics.image_shape)
    places = torch.cat(list(group.each(pixels))).flatten(1).long()

    def invariant(C: Tensor) -> Tensor:
        return sum((C[at][:, at] for at in places), torch.zeros_like(C)) / len(places)

    measured = y.double().T @ y.double() / len(y)
    level = RIDGE * float(measured.diagonal().mean())
    found = conjugate_gradient(
        lambda z: (A @ invariant(A.T @ z[0] @ A) @ A.T)[None] + RIDGE * z, measured[None], iterations=60
    )
    values, vectors = torch.linalg.eigh(invariant(A.T @ found[0] @ A))
    C = vectors * values.clamp_min(0) @ vectors.T
    return C @ A.T @ torch.linalg.inv(A @ C @ A.T + level * torch.eye(len(A), dtype=C.dtype))


def row(operator_name: str, group_name: str, plan: Plan) -> Row:
    """Diagnose a pair, train on its measurements by equivariant imaging, and score the null space."""
    physics, group = operator(operator_name, plan.size), GROUPS[group_name](plan.size)
    x = images(plan.train + plan.test, plan.size, plan.seed)
    y, test = physics.A(x[: plan.train]), x[plan.train :]
    expected = forecast(physics, group, test)
    L = moments(physics, group, y)
    stages = ns.networks.copies(ns.networks.Shuffled(1, width=32, depth=4, seed=plan.seed), 4)
    f = ns.reconstructors.UnrolledUntied(stages, closing=1)
    with torch.no_grad():
        before = f(physics.A(test), physics)
    loss = ns.losses.MeasurementConsistency() + ns.losses.Equivariance(group)
    settings = ns.training.Settings(seed=plan.seed, steps=plan.steps, batch_size=16, optimiser=ns.training.Adam(4e-3))
    begun = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nothing can be learned is what is put to the test
        run = ns.fit(f, y, physics, loss, settings=settings, display=ns.training.Silent())
    minutes = (time.monotonic() - begun) / 60
    after = run.reconstruct(physics.A(test), batch_size=plan.test)
    linear = (physics.A(test).double() @ L.T).reshape(test.shape).float()
    errors = [missed(physics, one, test) for one in (after, before, linear)]
    numbers = [expected.share, expected.energy, expected.predicted, *errors, minutes]
    return Row(operator_name, group_name, expected.verdict, *(round(one, 4) for one in numbers))


def rows_of(path: Path, plan: Plan) -> list[Row]:
    """Return the rows that are done; those of another plan are refused."""
    if not path.exists():
        return []
    known = json.loads(path.read_text(encoding="utf-8"))
    if known["plan"] != asdict(plan):
        raise SystemExit(f"{path} has rows of another plan, {known['plan']}: remove it, or name another file by --rows")
    return [Row(**one) for one in known["rows"]]


def complete(path: Path, plan: Plan, pairs: tuple[tuple[str, str], ...] = PAIRS) -> list[Row]:
    """Return the rows of all pairs, those that are missing made now and written one by one."""
    done = rows_of(path, plan)
    for pair in pairs:
        if pair in {(one.operator, one.group) for one in done}:
            continue
        done.append(row(*pair, plan))
        print(line(done[-1]), flush=True)
        text = json.dumps(
            {"plan": asdict(plan), "spearman": correlations(done), "rows": [asdict(one) for one in done]}, indent=1
        )
        write_atomically(path, text + "\n")
    return done


def correlations(rows: list[Row]) -> dict[str, float | None]:
    """Return rank correlations (Spearman, ties by their mean rank) of what is learned with what was predicted."""
    learned = [1 - one.error for one in rows]
    named = {
        "predicted": [one.predicted for one in rows],
        "share": [one.share for one in rows],
        "energy": [one.energy for one in rows],
        "linear estimate": [1 - one.linear for one in rows],
    }
    found: dict[str, float | None] = {}
    for name, values in named.items():
        varied = len(set(values)) > 1 and len(set(learned)) > 1
        found[name] = round(float(spearmanr(values, learned).statistic), 4) if varied else None
    return found


def line(of: Row) -> str:
    """Return a row as text."""
    numbers = (of.share, of.energy, of.predicted, of.error, of.untrained, of.linear, of.minutes)
    return f"{of.operator:28}{of.group:16}{of.verdict:26}" + "".join(f"{one:10.3f}" for one in numbers)


def main() -> None:
    """Make what is missing and print all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=Path, default=ROWS)
    options.add_argument("--steps", type=int, default=Plan.steps)
    chosen = options.parse_args()
    names = ("share", "energy", "predicted", "error", "untrained", "linear", "minutes")
    print(f"{'operator':28}{'group':16}{'verdict':26}" + "".join(f"{one:>10}" for one in names))
    rows = complete(chosen.rows, Plan(steps=chosen.steps))
    print(f"rank correlation with 1 - error over {len(rows)} pairs: {correlations(rows)}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    sys.exit(main())
