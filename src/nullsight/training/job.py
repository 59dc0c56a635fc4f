"""What one process of a training does: prepare, plan or resume, go through the steps, choose the weights."""

import math
import sys
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.losses.base import Loss, WeightedSum
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.backend import Backend, computing_with
from nullsight.training.checkpoint import Checkpoints
from nullsight.training.chooser import Looking, nothing
from nullsight.training.evidence import Samples
from nullsight.training.held_out import Observer
from nullsight.training.loop import Loop, go_through, stopped_early
from nullsight.training.metrics_file import Metrics
from nullsight.training.order import Order
from nullsight.training.plan import Plan, check_continuation
from nullsight.training.progress import Display, Silent, display_for
from nullsight.training.run import Run, chosen_weights
from nullsight.training.settings import Settings
from nullsight.training.signals import Catcher
from nullsight.training.state import State
from nullsight.training.timing import lengthened_plan, plan_for, tell_pace
from nullsight.training.weights import load_state, load_weights, read_weights

_SCALE_SAMPLES = 64  # enough for a percentile of intensities, and quick for an iterative A_dagger


@dataclass(frozen=True)
class Job:
    """All that a process needs to take part in a training."""

    reconstructor: Reconstructor
    data: MeasurementSet
    loss: Loss
    settings: Settings
    out: Path | None
    truth: TruthSet | None
    held_out: MeasurementSet | None
    held_out_truth: TruthSet | None
    observers: tuple[Observer, ...]
    initial: Path | None
    resume: bool
    display: Display | None
    began: float

    def together(self, backend: Backend) -> tuple[dict[str, Any], int | None]:
        """Take part as one of several processes; only plain values can be handed back."""
        run, caught = self.alone(backend)
        return {"step": run.step, "finished": run.finished}, caught

    def alone(self, backend: Backend) -> tuple[Run, int | None]:
        """Train and return the run and the signal that ended it, if one did."""
        devices = [backend.device.index or 0] if backend.device.type == "cuda" else []
        with computing_with(self.settings.threads), torch.random.fork_rng(devices=devices):
            return self._train(backend)

    def _train(self, backend: Backend) -> tuple[Run, int | None]:
        settings, out = self.settings, self.out
        loop = self._prepare(backend)
        state = loop.state
        plan = None if out is None or not self.resume else Plan.read(out)
        trajectory = {**settings.trajectory(), "measurements": _fingerprint(self.data)}
        last = Checkpoints(out / "checkpoints").last if plan is not None and out is not None else None
        if plan is not None:
            check_continuation(plan, trajectory)
        if last is not None:
            state.read(last)
        else:
            loop.prepare()
        first_look: dict[str, float] | None = None
        before = plan
        if plan is None:
            plan, first_look = plan_for(loop, trajectory)
        elif plan.budget != settings.budget:
            plan = lengthened_plan(loop, plan)
        metrics = Metrics(out if backend.rank == 0 else None, state.step)
        if out is not None and backend.rank == 0:
            Checkpoints(out / "checkpoints").clean()
            if plan is not before:
                plan.write(out)
        with Catcher() as catcher:  # from the first line of metrics on, as a run that can be seen can be interrupted
            if state.step == 0 and backend.rank == 0:
                scores = loop.evaluate() if first_look is None else first_look
                if scores:
                    metrics.add({"step": 0, "minutes": round(loop.minutes(), 4), **scores})
            loop.display.begin(state.step, plan.steps)
            first, before_steps = state.step, loop.minutes()
            try:
                kept = go_through(loop, plan, out, metrics, catcher)
            finally:
                loop.display.end()
            tell_pace(loop, plan, state.step - first, loop.minutes() - before_steps)
        finished = state.step >= plan.steps or stopped_early(state, settings)
        self._take_chosen(loop, kept)
        run = Run(
            self.reconstructor.eval(), self.data.physics, settings, plan, state.step, finished, out, metrics.lines
        )
        signals = [number for number in backend.gather(catcher.caught) if number is not None]
        return run, signals[0] if signals else None

    def _prepare(self, backend: Backend) -> Loop:
        settings, f = self.settings, self.reconstructor
        f.to(backend.device, backend.dtype).train()
        if settings.channels_last:
            f.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        terms = self.loss if isinstance(self.loss, WeightedSum) else WeightedSum(self.loss.terms())
        terms.to(backend.device, backend.dtype).train()
        block = settings.batch_size
        begin = f.begin if settings.keep_dagger else None
        samples = Samples(self.data, self.truth, backend, begin=begin, block=block)
        if self.initial is None:
            some = range(0, len(self.data), math.ceil(len(self.data) / _SCALE_SAMPLES))
            f.set_scale(samples.dagger(some))
        else:
            load_weights(_weights_of(self.initial), f)
        held = None
        if self.held_out is not None:
            held = Samples(self.held_out, self.held_out_truth, backend, begin=begin, block=block)
        looking: Looking = nothing  # one of several processes looks
        if backend.rank == 0:
            looking = settings.chooser.begin(samples.data, None if held is None else held.data)
        shown = Silent() if backend.rank else self.display or display_for(sys.stderr)  # one of several says it
        return Loop(
            settings, backend, State(f, terms, settings, backend), samples, held, self.observers, self.data.physics,
            Order(len(self.data), settings.batch_size, settings.seed), shown, self.began, looking,
        )  # fmt: skip

    def _take_chosen(self, loop: Loop, kept: dict[str, Tensor] | None) -> None:
        best = None if self.out is None else Checkpoints(self.out / "checkpoints").best
        if kept is None and best is not None and loop.backend.rank == 0:
            kept = read_weights(chosen_weights(best))
        load_state(kept or loop.state.weights_to_use(), self.reconstructor, "the run")


def _weights_of(place: Path) -> Path:
    best = Checkpoints(place / "checkpoints").best if place.is_dir() else None
    if best is not None:
        return chosen_weights(best)
    return chosen_weights(place) if place.is_dir() else place


def _fingerprint(data: MeasurementSet) -> str:
    values = data.y.flatten()
    step = max(1, values.numel() // 1_000_000)  # a part of a large set tells it from another well enough
    content = values[::step].detach().cpu().to(torch.float64).contiguous().numpy().tobytes()
    return f"{tuple(data.y.shape)} {blake2b(content, digest_size=8).hexdigest()}"
