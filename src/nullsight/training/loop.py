"""One step of training, as Algorithm 1 of Chen, Tachella, Davies (ICCV 2021) has it, and what is looked at between."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nullsight.data.datasets import MeasurementSet
from nullsight.draws import Draws, stable_hash
from nullsight.losses.base import Evidence
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.backend import Backend
from nullsight.training.checkpoint import Checkpoints
from nullsight.training.chooser import Looking
from nullsight.training.evidence import Blocks, Samples
from nullsight.training.held_out import Observer, held_out_scores, untouched
from nullsight.training.metrics_file import Metrics
from nullsight.training.order import Order
from nullsight.training.plan import Plan
from nullsight.training.progress import Display
from nullsight.training.run import reconstruct_all
from nullsight.training.settings import Settings
from nullsight.training.signals import Catcher
from nullsight.training.state import State, seed_torch
from nullsight.types import InputError


@dataclass
class Loop:
    """What the steps of one run share."""

    settings: Settings
    backend: Backend
    state: State
    samples: Samples
    held_out: Samples | None
    observers: Sequence[Observer]
    physics: Physics
    order: Order
    display: Display
    began: float
    looking: Looking

    def prepare(self) -> None:
        """Let the terms of the loss get ready for the first step; what they use is not trained by it."""
        state = self.state
        with untouched(state.reconstructor, state.loss):
            state.loss.prepare(Blocks(self.samples, state.f, state.scale, self.settings.seed))

    def step(self, progress: float, rate: float) -> float:
        """Take one step and return the total loss of this process's part of the batch.

        Args:
            progress: the share of the planned steps that is done.
            rate: the factor on the learning rate.
        """
        state, backend, loss = self.state, self.backend, self.state.loss
        epoch, batch = self.order.at(state.step)
        rows = batch[backend.rank :: backend.world]
        share = len(rows) / len(batch)
        seed_torch(stable_hash(f"{self.settings.seed}/{state.step}/{backend.rank}") >> 1, backend.device)

        state.optimiser.zero_grad()
        evidence: Evidence | None = None
        total = torch.zeros(())
        if rows:  # an epoch's last batch may be too small for every process to have a sample of it
            evidence = self._evidence(epoch, rows, progress)
            terms = loss.values(evidence)
            total = loss.total(terms, evidence)
            self._check_finite(total)
            backend.backward(total)
            self._note({"total": total, **terms}, len(rows))
        backend.average_gradients(state.parameters(), share)
        self._shorten()
        state.rate(rate)
        backend.step(state.optimiser)
        state.opponents.step(evidence, share)

        state.step += 1
        if state.averaging is not None:
            state.averaging.update(state.reconstructor, state.step)
        # every process looks at the whole batch, so that what losses keep is the same in all of them
        whole = evidence if evidence is not None and len(rows) == len(batch) else self._evidence(epoch, batch, progress)
        with untouched(state.reconstructor):
            loss.update(whole)
        return float(total.detach())

    def _shorten(self) -> None:
        state, longest = self.state, min(self.settings.clip_norm or math.inf, self.state.guard.longest)
        self.backend.unscale(state.optimiser)
        norm = torch.nn.utils.get_total_norm([p.grad for p in state.parameters() if p.grad is not None])
        if float(norm) > longest:
            torch.nn.utils.clip_grads_with_norm_(state.parameters(), longest, norm)
        state.guard.see(float(norm))

    def _evidence(self, epoch: int, rows: Sequence[int], progress: float) -> Evidence:
        state, draws = self.state, Draws(self.settings.seed, epoch, tuple(rows))
        return self.samples.evidence(rows, draws, progress, state.f, state.smoothed, state.scale)

    def evaluate(self) -> dict[str, float]:
        """Return the scores of held-out measurements, observers and the chooser; nothing of the run changes."""
        state = self.state
        scores: dict[str, float] = {}
        modules = [state.reconstructor, state.loss, *([] if state.averaging is None else [state.averaging.module])]
        with untouched(*modules):
            seed_torch(stable_hash(f"{self.settings.seed}/held out") >> 1, self.backend.device)
            if self.held_out is not None:
                found = held_out_scores(
                    state.loss, self.held_out, state.shown, state.smoothed, state.scale, self.settings.seed
                )
                scores.update({f"held_out/{name}": value for name, value in found.items()})
            for observer in self.observers:
                scores.update({f"observed/{name}": float(v) for name, v in observer(state.step, self.see).items()})
            scores.update(self.looking(self.see))
        return scores

    def see(self, y: Tensor | MeasurementSet, physics: Physics | None = None) -> Tensor:
        """Reconstruct with the weights of the moment, for observers."""
        module = self.state.shown.module
        assert isinstance(module, Reconstructor)
        chosen = physics or self.physics
        return reconstruct_all(module, y, chosen, self.settings.batch_size, own=physics is not None).detach()

    def minutes(self) -> float:
        """Return the minutes spent on this run, preparation and earlier lives included."""
        return self.state.minutes + (time.monotonic() - self.began) / 60

    def check_weights(self) -> None:
        """Refuse to keep weights that are not finite, as those of one step with too high a rate may be."""
        if not all(bool(torch.isfinite(p).all()) for p in self.state.parameters()):
            raise InputError(
                f"expected finite weights after step {self.state.step}, but some are not: lower the learning rate; "
                f"checkpoints are from before"
            )

    def _note(self, values: dict[str, Tensor], count: int) -> None:
        for name, value in values.items():
            known = self.state.sums.setdefault(name, [0.0, 0.0])
            known[0] += float(value.detach()) * count
            known[1] += count

    def _check_finite(self, total: Tensor) -> None:
        if not math.isfinite(float(total.detach())):
            raise InputError(
                f"expected a finite loss, but it is {float(total.detach())} at step {self.state.step + 1}: lower the "
                f"learning rate or set clip_norm; checkpoints are from before"
            )


def go_through(
    loop: Loop, plan: Plan, out: Path | None, metrics: Metrics, catcher: Catcher
) -> dict[str, Tensor] | None:
    """Take the planned steps, write metrics and checkpoints, and stop early where nothing gets better.

    Returns:
        The weights that the chooser found best where nothing is written to a folder; else None.
    """
    state, settings, backend = loop.state, loop.settings, loop.backend
    checkpoints = None if out is None else Checkpoints(out / "checkpoints")
    written, kept = time.monotonic(), None
    while state.step < plan.steps and not stopped_early(state, settings):
        rate = settings.schedule.rate(state.step, plan.steps)
        total = loop.step(state.step / plan.steps, rate)
        loop.display.show(state.step, total)

        last = state.step == plan.steps
        if last or state.step % plan.log_every == 0:
            _log(loop, metrics, rate)
        better = False
        if last or state.step % plan.evaluate_every == 0:
            better = _look(loop, metrics)
            if better and checkpoints is None:
                kept = state.weights_to_use()
        caught = backend.any(catcher.caught is not None)
        every = settings.checkpoint_steps
        due = time.monotonic() - written > settings.checkpoint_minutes * 60 or (every and state.step % every == 0)
        ends = last or caught or stopped_early(state, settings)
        if due or better or ends:
            loop.check_weights()
        if checkpoints is not None and backend.rank == 0 and (due or better or ends):
            _write(loop, metrics, checkpoints, best=better)
            written = time.monotonic()
        if caught:
            break
    return kept


def stopped_early(state: State, settings: Settings) -> bool:
    """Return whether patience is at its end."""
    return settings.patience is not None and state.misses >= settings.patience


def _log(loop: Loop, metrics: Metrics, rate: float) -> None:
    parts = loop.backend.gather(loop.state.sums)
    loop.state.sums = {}
    names = dict.fromkeys(name for part in parts for name in part)
    if loop.backend.rank:
        return
    line = {"step": loop.state.step, "epoch": (loop.state.step - 1) // loop.order.per_epoch}
    timing = {"minutes": round(loop.minutes(), 4), "learning_rate": rate * loop.settings.optimiser.learning_rate}
    means = {}
    for name in names:
        found = [part[name] for part in parts if name in part]
        means[name] = sum(one[0] for one in found) / sum(one[1] for one in found)
    shortened = {"shortened gradients": loop.state.guard.shortened} if loop.state.guard.shortened else {}
    metrics.add({**line, **timing, **means, **loop.state.loss.learned, **shortened})


def _look(loop: Loop, metrics: Metrics) -> bool:
    state = loop.state
    scores = loop.backend.from_first(loop.evaluate)
    better = False
    score = scores.get(loop.settings.chooser.key(state.loss) or "")
    if score is not None:
        better = score < state.best
        state.best = min(state.best, score)
        state.misses = 0 if better else state.misses + 1
    if scores and loop.backend.rank == 0:
        line = {"step": state.step, "minutes": round(loop.minutes(), 4), **scores}
        metrics.add({**line, "stopped_early": True} if stopped_early(state, loop.settings) else line)
        loop.display.note(f"step {state.step}: " + ", ".join(f"{n} {v:.4g}" for n, v in scores.items()))
    return better


def _write(loop: Loop, metrics: Metrics, checkpoints: Checkpoints, *, best: bool) -> None:
    metrics.flush()
    spent, loop.state.minutes = loop.state.minutes, loop.minutes()
    loop.state.write(checkpoints, best=best)
    loop.state.minutes = spent
