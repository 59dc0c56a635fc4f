"""The demonstration: sparse-view CT of made-up anatomy, learned from sinograms alone, beside what else one could do."""

import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nullsight import groups, losses, networks, physics, reconstructors
from nullsight.app.fitting import fit
from nullsight.app.report_runs import content
from nullsight.app.runs import about
from nullsight.app.score_runs import Scored, table_lines
from nullsight.data import MeasurementSet, TruthSet, simulate
from nullsight.data.phantoms import anatomy_phantoms
from nullsight.evaluation import dagger, evaluate
from nullsight.losses.base import Loss
from nullsight.metrics import psnr, reference_peak
from nullsight.noise import Noiseless
from nullsight.outcome import Outcome
from nullsight.report import write_report
from nullsight.schema import Recipe
from nullsight.training import Adam, Cosine, Run, Settings, TruthScore
from nullsight.types import InputError

SIZE = 64  # pixels
VIEWS = 24  # over 180 degrees; 64-pixel images would need about 100
TRAIN, TEST = 300, 30  # phantoms


@dataclass(frozen=True)
class Job:
    """One training of the demonstration."""

    name: str
    loss: Loss
    minutes: float


def demo(out: Path) -> Outcome:
    """Make phantoms and their sinograms, train three ways, score, and write a report into ``out``.

    Raises:
        InputError: there is a demonstration in ``out`` already.
    """
    if (out / "report.html").exists():
        raise InputError(f"expected a new folder for the demonstration, but {out} holds one: remove it or use --out")
    begun = time.monotonic()
    A = physics.ParallelBeamCT((1, SIZE, SIZE), VIEWS)
    phantoms = anatomy_phantoms(TRAIN + TEST, SIZE, seed=0)
    y = simulate(phantoms, A, Noiseless(), seed=0)
    train = MeasurementSet(y[:TRAIN], A)
    test, truth = MeasurementSet(y[TRAIN:], A), TruthSet(phantoms[TRAIN:])
    print(f"{TRAIN} sinograms of {VIEWS} views, {SIZE} x {SIZE} pixels; three trainings follow, about 3.5 minutes")
    rotations = groups.Rotations(360)
    jobs = (
        Job("equivariant imaging", losses.PreconditionedConsistency() + 10 * losses.Equivariance(rotations), 1.9),
        Job("measurement consistency", losses.PreconditionedConsistency(), 0.6),
        Job("supervised", losses.Supervised(), 0.8),
    )
    watch = TruthScore("test PSNR", _score, test, truth)
    runs = {}
    for job in jobs:
        print(f"{job.name}, {job.minutes} minutes:")
        reference = TruthSet(phantoms[:TRAIN]) if job.loss.needs_truth else None
        runs[job.name] = _train(job, train, A, out, reference, watch)
    first = jobs[0].name
    methods = {name: run.reconstruct for name, run in runs.items()}
    baselines = {**{n: m for n, m in methods.items() if n != first}, "A_dagger y": dagger}
    found = evaluate(methods[first], test, truth, name=first, baselines=baselines)
    scored = Scored(runs, Recipe(title="Sparse-view CT, learned from sinograms alone"), test, truth, found)
    page = out / "report.html"
    write_report(page, content(scored, [out / name.replace(" ", "-") for name in runs]))
    machine = about({})["machine"]
    spent = (time.monotonic() - begun) / 60
    return Outcome((*table_lines(found), f"{spent:.1f} minutes on {machine}; the report: {page.resolve()}"))


def _train(
    job: Job, data: MeasurementSet, A: physics.Physics, out: Path, truth: TruthSet | None, watch: TruthScore
) -> Run:
    stages = networks.copies(networks.Shuffled(1, width=24, depth=3, seed=0), 5)
    f = reconstructors.UnrolledUntied(stages, data=reconstructors.Preconditioned(), closing=3)
    settings = Settings(
        seed=0,
        minutes=job.minutes,
        batch_size=4,
        optimiser=Adam(learning_rate=5e-3),
        schedule=Cosine(),
        averaging=0.99,
    )
    folder = out / job.name.replace(" ", "-")
    return fit(f, data, A, job.loss, settings=settings, out=folder, truth=truth, observers=(watch,))


def _score(image: Tensor, reference: Tensor) -> Tensor:
    return psnr(image, reference, data_range=reference_peak(reference))
