"""Everything that defines a run's course, as one value."""

from dataclasses import dataclass, field, fields
from typing import Any

from nullsight.parts import arguments
from nullsight.training.chooser import Chooser, HeldOutTotal
from nullsight.training.optimisers import Adam, Optimiser
from nullsight.training.schedules import Cosine, Schedule
from nullsight.types import InputError

BUDGET = ("minutes", "epochs", "steps")

# What may differ between a run and its continuation: how long, how often it is looked at, and on what it runs.
FREE = {*BUDGET, "checkpoint_minutes", "checkpoint_steps", "patience", "threads", "accelerator", "processes"}
FREE |= {"evaluate_every", "log_every"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long and how to train; exactly one of ``minutes``, ``epochs`` and ``steps`` is given.

    Args:
        seed: of the order of samples and of all draws (transforms, noise, dropout), >= 0.
        minutes: wall minutes in all, preparation included; turned into a number of steps once, after timing a few.
        epochs: passes over the data.
        steps: weight updates.
        batch_size: samples a step.
        optimiser: what moves the weights, with its learning rate.
        schedule: the learning rate's course over the planned steps.
        clip_norm: largest norm of the gradient; None: any.
        clip_spikes: how many times the usual norm a gradient may have, > 1; longer ones are shortened to that.
            ``inf``: any.
        precision: "32-true", "64-true", "bf16-mixed" or "16-mixed" (GPU only); mixed holds inside the reconstructor.
        channels_last: memory order of images that convolutions often run faster in.
        averaging: decay of the running average (EMA) of the weights, such as 0.999, which then is what is evaluated
            and kept; None: no average.
        keep_dagger: compute what f begins with (``A_dagger y`` for most) once and keep it (as much memory as the
            images).
        checkpoint_minutes: minutes between checkpoints.
        checkpoint_steps: steps between checkpoints, besides; None: by minutes alone.
        evaluate_every: steps between looks at held-out measurements and observers; None: twenty times a run.
        chooser: says without truth which weights are best; those are kept.
        patience: stop after so many evaluations without better weights, as the chooser finds; None: never.
        log_every: steps a line of ``metrics.jsonl`` is the mean of; None: chosen to give at most 1000 lines.
        threads: CPU threads of torch; None: as they are.
        accelerator: "auto", "cpu" or "cuda".
        processes: how many processes (one a GPU) share each batch.

    Raises:
        InputError: a value out of its range, or not exactly one budget.

    Example:
        >>> Settings(minutes=10, batch_size=4).budget
        ('minutes', 10)
    """

    seed: int = 0
    minutes: float | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 2
    optimiser: Optimiser = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Cosine)
    clip_norm: float | None = None
    clip_spikes: float = 5.0
    precision: str = "32-true"
    channels_last: bool = False
    averaging: float | None = None
    keep_dagger: bool = True
    checkpoint_minutes: float = 5.0
    checkpoint_steps: int | None = None
    evaluate_every: int | None = None
    chooser: Chooser = field(default_factory=HeldOutTotal)
    patience: int | None = None
    log_every: int | None = None
    threads: int | None = None
    accelerator: str = "auto"
    processes: int = 1

    def __post_init__(self) -> None:
        given = [name for name in BUDGET if getattr(self, name) is not None]
        if len(given) != 1:
            came = " and ".join(given) or "none of them"
            raise InputError(f"expected exactly one of minutes, epochs and steps, but {came} came: keep one")
        positive = (*BUDGET, "batch_size", "clip_norm", "checkpoint_minutes", "checkpoint_steps", "evaluate_every")
        for name in (*positive, "patience", "log_every", "threads", "processes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"expected {name} above 0, but {value} came")
        if not self.clip_spikes > 1:
            raise InputError(f"expected clip_spikes above 1, but {self.clip_spikes} came: 5 is common, inf is off")
        if not 0 <= self.seed < 2**64:
            raise InputError(f"expected a seed of at least 0 and below 2^64, but {self.seed} came")
        if self.averaging is not None and not 0 < self.averaging < 1:
            raise InputError(f"expected averaging between 0 and 1 (such as 0.999), but {self.averaging} came")

    @property
    def budget(self) -> tuple[str, float]:
        """The budget's name and value."""
        name = next(name for name in BUDGET if getattr(self, name) is not None)
        return name, getattr(self, name)

    def trajectory(self) -> dict[str, Any]:
        """Return what a continued run must share with its beginning, as plain values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in FREE}


def _plain(value: object) -> Any:
    if isinstance(value, HeldOutTotal):
        return None  # as in the plans of runs from before there were others
    if isinstance(value, Chooser):  # what its parts are made of is in the recipe
        parts = {
            k: v if v is None or isinstance(v, int | float | str) else type(v).__name__
            for k, v in arguments(value).items()
        }
        return {"name": type(value).__name__, **parts}
    if isinstance(value, Optimiser | Schedule):
        return {"name": type(value).__name__, **{k: _plain(v) for k, v in arguments(value).items()}}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
