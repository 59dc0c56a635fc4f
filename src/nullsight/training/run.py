"""What a training leaves: a reconstructor, its settings, its metrics and, mostly, a folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nullsight.data.datasets import MeasurementSet
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.checkpoint import AVERAGED, WEIGHTS, Checkpoints
from nullsight.training.evidence import place_physics
from nullsight.training.metrics_file import read_metrics
from nullsight.training.plan import Plan
from nullsight.training.settings import Settings
from nullsight.training.weights import load_weights
from nullsight.types import InputError


@dataclass(frozen=True)
class Run:
    """A training and what came of it.

    Attributes:
        reconstructor: with the weights to use: averaged ones where the run averages, those that the settings' chooser
            found best (by held-out measurements unless they say otherwise), else the last.
        physics: the operator of the training data.
        settings: of the training.
        plan: what was decided before the first step.
        step: how many steps are done.
        finished: whether all planned steps are done or the run stopped early.
        out: the run folder; None where nothing was written.
        history: the lines of ``metrics.jsonl``.
    """

    reconstructor: Reconstructor
    physics: Physics
    settings: Settings
    plan: Plan
    step: int
    finished: bool
    out: Path | None = None
    history: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def reconstruct(self, y: Tensor | MeasurementSet, physics: Physics | None = None, *, batch_size: int = 8) -> Tensor:
        """Reconstruct measurements in blocks, in evaluation mode and without gradients.

        Args:
            y: measurements ``(batch, *physics.measurement_shape)``, or a set with its own physics.
            physics: the operator that made them; None: the set's, or the training's.
            batch_size: how many at once.

        Returns:
            Images ``(batch, *image_shape)`` on the CPU.
        """
        return reconstruct_all(self.reconstructor, y, physics or self.physics, batch_size, own=physics is not None)

    @property
    def kept(self) -> str:
        """Which weights a run in a folder was left with, and why, in words."""
        chosen = None if self.out is None else Checkpoints(self.out / "checkpoints").chosen
        if chosen is None:
            return "after the last step"
        return f"of step {step_of(chosen)}, with the smallest {self.settings.chooser.words}"

    @property
    def resume_line(self) -> str:
        """The command that goes on with this run; empty where it has no folder."""
        return "" if self.out is None else f"nullsight fit --resume {self.out}"


class Interrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C or SIGTERM; its ``last`` checkpoint is written.

    Attributes:
        run: as far as it came; ``run.resume_line`` says how to go on.
        signal: which one, as a number.
    """

    def __init__(self, run: Run, signal: int) -> None:
        super().__init__(run.resume_line)
        self.run, self.signal = run, signal


def open_run(out: Path, reconstructor: Reconstructor, physics: Physics, settings: Settings) -> Run:
    """Open a run folder: load its weights into ``reconstructor``, built as it was then.

    Args:
        out: the run folder.
        reconstructor: with the architecture of the trained one; its weights are replaced.
        physics: the operator of the run.
        settings: of its training.

    Raises:
        InputError: no run or no checkpoint there, or one that cannot be read or is another network's.
    """
    plan, checkpoints = Plan.read(out), Checkpoints(out / "checkpoints")
    last, best = checkpoints.last, checkpoints.best
    if plan is None or last is None or best is None:
        raise InputError(f"expected a run with a checkpoint in {out}, but none is there: check the path")
    load_weights(chosen_weights(best), reconstructor)
    step = step_of(last)
    history = read_metrics(out)
    stopped = any(line.get("stopped_early") and line["step"] == step for line in history)
    return Run(reconstructor.eval(), physics, settings, plan, step, stopped or step >= plan.steps, out, history)


def step_of(checkpoint: Path) -> int:
    """Return after which step a checkpoint was written."""
    return int(checkpoint.name.split("-")[1])


def chosen_weights(checkpoint: Path) -> Path:
    """Return the weights to use of a checkpoint: the averaged ones where it has them."""
    averaged = checkpoint / AVERAGED
    return averaged if averaged.exists() else checkpoint / WEIGHTS


@torch.no_grad()
def reconstruct_all(
    reconstructor: Reconstructor, y: Tensor | MeasurementSet, physics: Physics, batch_size: int, *, own: bool
) -> Tensor:
    """Reconstruct in blocks; ``own`` says that ``physics`` was chosen for ``y`` and stands before a set's own."""
    data = y if isinstance(y, MeasurementSet) and not own else MeasurementSet(_values(y), physics)
    like = next((p for p in reconstructor.parameters()), reconstructor.scale)
    data = MeasurementSet(data.y, place_physics(data.physics, like.device, like.dtype), data.names)
    training = reconstructor.training
    reconstructor.eval()
    try:
        images = []
        for first in range(0, len(data), batch_size):
            batch = data.batch(range(first, min(first + batch_size, len(data))))
            images.append(reconstructor(batch.y.to(like), batch.physics).cpu())
    finally:
        reconstructor.train(training)
    return torch.cat(images)


def _values(y: Tensor | MeasurementSet) -> Tensor:
    return y.y if isinstance(y, MeasurementSet) else y
