"""``train``: from measurements, a reconstructor and a loss to a run."""

import time
from collections.abc import Sequence
from pathlib import Path

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.losses.base import Loss, check_levels
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.backend import Backend
from nullsight.training.checkpoint import Checkpoints
from nullsight.training.evidence import check_truth
from nullsight.training.folders import only_here
from nullsight.training.held_out import Observer
from nullsight.training.job import Job
from nullsight.training.metrics_file import read_metrics
from nullsight.training.plan import Plan
from nullsight.training.progress import Display
from nullsight.training.run import Interrupted, Run, chosen_weights
from nullsight.training.settings import Settings
from nullsight.training.signals import forward_to_children
from nullsight.training.weights import load_weights
from nullsight.types import InputError


def train(
    reconstructor: Reconstructor,
    data: MeasurementSet,
    loss: Loss,
    settings: Settings,
    *,
    out: Path | None = None,
    truth: TruthSet | None = None,
    held_out: MeasurementSet | None = None,
    held_out_truth: TruthSet | None = None,
    observers: Sequence[Observer] = (),
    initial: Path | None = None,
    resume: bool = False,
    display: Display | None = None,
) -> Run:
    """Train a reconstructor on measurements alone (or, if the loss says so, with truth).

    Args:
        reconstructor: f; its weights are changed.
        data: measurements with their physics.
        loss: the objective.
        settings: how long and how.
        out: the run folder; None: nothing is written, and nothing can be resumed.
        truth: only for a loss that ``needs_truth``; one image a sample.
        held_out: measurements that are scored and not trained on; the settings' chooser looks at them.
        held_out_truth: their truth, only for a loss that ``needs_truth``.
        observers: who looks at the run at every evaluation; their scores are written down and change nothing.
        initial: a checkpoint folder, a run folder or a weights file to start from (its intensity scale included).
        resume: go on with the run in ``out``. The same budget ends where the unbroken run would have, bit for bit on
            the same machine and threads; another budget counts from the run's beginning and lengthens it, with the
            schedule evaluated over the new plan.
        display: shows progress; None: a bar on a terminal, else one line a minute on standard error.

    Raises:
        InputError: parts that do not fit each other, a folder that holds another run or that another process trains
            in, or files that cannot be read or written.
        Interrupted: Ctrl-C or SIGTERM came; the last step is in a checkpoint, and the error carries the run.
    """
    check_levels(loss)
    check_truth(loss, data, truth, "training measurements")
    if held_out is not None:
        check_truth(loss, held_out, held_out_truth, "held-out measurements")
    if settings.patience is not None:
        settings.chooser.check_patience(loss, held_out)
    _check_folder(out, settings, resume=resume)
    job = Job(
        reconstructor, data, loss, settings, out, truth, held_out, held_out_truth, tuple(observers), initial, resume,
        display, time.monotonic(),
    )  # fmt: skip
    backend = Backend(settings.precision, settings.accelerator, settings.processes)
    run: Run
    with only_here(out):
        if settings.processes == 1:
            run, caught = backend.launch(job.alone)
        else:
            assert out is not None
            with forward_to_children():
                done, caught = backend.launch(job.together)
            reconstructor.to(dtype=backend.dtype)  # the processes trained copies of it
            load_weights(chosen_weights(_best(out)), reconstructor)
            plan, history = Plan.read(out), read_metrics(out)
            assert plan is not None
            run = Run(reconstructor.eval(), data.physics, settings, plan, done["step"], done["finished"], out, history)
    if caught is not None:
        raise Interrupted(run, caught)
    return run


def _best(out: Path) -> Path:
    best = Checkpoints(out / "checkpoints").best
    if best is None:
        raise InputError(f"expected a checkpoint in {out} after training, but none is there: was the folder changed?")
    return best


def _check_folder(out: Path | None, settings: Settings, *, resume: bool) -> None:
    if out is None:
        if resume or settings.processes > 1:
            raise InputError("expected a run folder to resume or to train with several processes, but none came")
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"expected a run folder at {out}, but it cannot be made ({error.strerror})") from None
    if not resume and ((out / "plan.json").exists() or Checkpoints(out / "checkpoints").last is not None):
        raise InputError(f"expected a new run folder, but {out} holds a run: resume it or choose another")
