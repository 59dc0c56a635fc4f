"""Try a recipe for a few steps and say what a whole run would take: ``nullsight fit --dry-run``."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nullsight.app.fit_recipe import check_trainable
from nullsight.app.prepare import Ready, prepare
from nullsight.app.simulated_as import check_simulated
from nullsight.data import MeasurementSet
from nullsight.losses.base import Loss
from nullsight.outcome import Outcome, Say
from nullsight.physics.base import Physics
from nullsight.schema import Recipe
from nullsight.training import Chooser, Observer, train
from nullsight.training.chooser import Looking
from nullsight.training.held_out import See
from nullsight.training.plan import LOOKS
from nullsight.training.settings import Settings

_STEPS = 4  # the first warms up (memory is taken, kernels are chosen) and is not counted


class _EnoughError(Exception):
    """The glance is over."""


@dataclass
class _Glance:
    """A display that notes when each step ended and ends the training after a few."""

    steps: int = 0
    prepared: float = 0.0
    ends: list[float] = field(default_factory=list)
    loss: float = float("nan")

    def begin(self, step: int, steps: int) -> None:
        self.steps, self.prepared = steps, time.monotonic()

    def show(self, step: int, total: float) -> None:
        self.ends.append(time.monotonic())
        self.loss = total
        if len(self.ends) >= min(_STEPS, self.steps):
            raise _EnoughError

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass

    @property
    def seconds(self) -> float:
        """Of a step, without the first where there are more."""
        times = [b - a for a, b in zip([self.prepared, *self.ends], self.ends, strict=False)]
        counted = times[1:] or times
        return sum(counted) / len(counted)


@dataclass
class _Timed:
    """An observer that notes how long it takes."""

    observer: Observer
    seconds: float = 0.0

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        begun = time.monotonic()
        scores = self.observer(step, reconstruct)
        self.seconds = time.monotonic() - begun
        return scores


class _TimedChooser(Chooser):
    """A chooser that notes how long a look of it takes."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser, self.seconds = chooser, 0.0

    @property
    def words(self) -> str:
        return self.chooser.words

    def key(self, loss: Loss) -> str | None:
        return self.chooser.key(loss)

    def check_patience(self, loss: Loss, held_out: MeasurementSet | None) -> None:
        self.chooser.check_patience(loss, held_out)

    def begin(self, data: MeasurementSet, held_out: MeasurementSet | None) -> Looking:
        inner = self.chooser.begin(data, held_out)

        def look(see: See) -> dict[str, float]:
            begun = time.monotonic()
            scores = inner(see)
            self.seconds = time.monotonic() - begun
            return scores

        return look


def dry_run(recipe: Recipe, root: Path, say: Say = print) -> Outcome:
    """Take a few steps of the recipe's training and say what a whole run would take; nothing is written.

    With a budget in minutes the plan is about the one that ``fit`` would make: it times steps in the same way, and what
    looks will take is left out.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        say: told that getting ready may take a while.

    Raises:
        InputError: anything that ``fit`` would refuse.
    """
    begun = time.monotonic()
    check_simulated(recipe, root)
    ready = prepare(recipe, root, {})
    check_trainable(ready)
    say(f"getting ready with all {len(ready.data)} measurements, as fit does, and taking {_STEPS} steps")
    glance = _Glance()
    watched = [_Timed(observer) for observer in ready.observers]
    # looks and lines wait, so that they are not taken for a part of the steps that are timed
    chooser = _TimedChooser(ready.experiment.settings.chooser)
    settings = replace(ready.experiment.settings, evaluate_every=10**9, log_every=10**9, processes=1, chooser=chooser)
    with suppress(_EnoughError):
        train(
            ready.experiment.reconstructor,
            ready.data,
            ready.experiment.loss,
            settings,
            truth=ready.truth,
            held_out=ready.held_out,
            held_out_truth=ready.held_out_truth,
            observers=watched,
            display=glance,
        )
    looking = chooser.seconds + sum(one.seconds for one in watched)
    return Outcome(tuple(_lines(ready, glance, glance.prepared - begun, looking)))


def _lines(ready: Ready, glance: _Glance, preparation: float, looking: float) -> list[str]:
    settings, data, physics = ready.experiment.settings, ready.data, ready.data.physics
    weights = sum(p.numel() for p in ready.experiment.reconstructor.parameters())
    per_epoch = -(-len(data) // settings.batch_size)
    look = looking + _held_out_seconds(ready.held_out, glance.seconds, settings.batch_size)
    steps = without_looks(settings, glance.steps, glance.seconds, look)
    looks = steps / settings.evaluate_every if settings.evaluate_every else LOOKS
    total = preparation + steps * glance.seconds + looks * look
    name, amount = settings.budget
    return [
        f"{len(data)} measurements of shape {physics.measurement_shape}, images {physics.image_shape}, {weights} "
        f"weights",
        f"a step takes {_time(glance.seconds)} on {settings.threads or torch.get_num_threads()} threads, an epoch of "
        f"{_counted(per_epoch, 'step')} {_time(per_epoch * glance.seconds)}, preparation {_time(preparation)}, each "
        f"look at held-out and test measurements {_time(look)}",
        f"peak memory {_memory(physics)}",
        f"the recipe's {amount:g} {name} are {_counted(steps, 'step')}, in all about {_time(total)}",
        f"the loss after {_counted(len(glance.ends), 'step')} is {glance.loss:.4g}; nothing was written",
    ]


def without_looks(settings: Settings, steps: int, seconds: float, look: float) -> int:
    """Return how many of so many steps are left where looks take their part of a budget in minutes; at least one.

    Args:
        settings: of the training.
        steps: that fit where nothing is looked at.
        seconds: of a step.
        look: seconds of a look.
    """
    if settings.minutes is None:
        return steps
    if settings.evaluate_every is None:
        return max(1, math.floor(steps - LOOKS * look / seconds))
    return max(1, math.floor(steps / (1 + look / (seconds * settings.evaluate_every))))


def _held_out_seconds(held_out: MeasurementSet | None, step: float, batch_size: int) -> float:
    return 0.0 if held_out is None else step * len(held_out) / batch_size  # at most: there is no way back in it


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} minutes"


def _memory(physics: Physics) -> str:
    """Return the peak memory of this process so far, and of the accelerator where one was used."""
    said = []
    try:  # of this very program; getrusage also counts what was there before it was started
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        said.append(f"{peak / 1024**2:.2f} GiB, {_size(physics)} of it for the operator")
    except (OSError, StopIteration, ValueError):
        said.append(f"unknown on this system, {_size(physics)} for the operator")
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        said.append(f"{torch.cuda.max_memory_allocated() / 1024**3:.2f} GiB on the accelerator")
    return ", ".join(said)


def _size(physics: Physics) -> str:
    total = 0
    for one in physics.buffers():
        pieces = (one.crow_indices(), one.col_indices(), one.values()) if one.layout is torch.sparse_csr else (one,)
        total += sum(piece.numel() * piece.element_size() for piece in pieces)
    return f"{total / 1024**2:.1f} MiB"
