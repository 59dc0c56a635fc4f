"""Schedules as values: by what factor the learning rate is scaled at each of the planned steps.

A schedule knows nothing but the step and the plan. A lengthened run evaluates it over its new plan, so the factor may
jump there (a cosine that had come down rises to where the longer cosine is at that step).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from nullsight.types import InputError


class Schedule(ABC):
    """The learning rate's course over the planned steps."""

    @abstractmethod
    def rate(self, step: int, steps: int) -> float:
        """Return the factor on the learning rate at ``step`` (from 0) of ``steps`` planned ones."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate stays."""

    def rate(self, step: int, steps: int) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Steps(Schedule):
    """The learning rate is multiplied by ``factor`` at some moments.

    Args:
        at: moments; below 1 a share of the planned steps, from 1 on a step number.
        factor: the factor at each moment, > 0.

    Raises:
        InputError: a moment below 0 or a factor of 0 or less.

    Example:
        >>> [Steps(at=(0.5, 8), factor=0.1).rate(step, 10) for step in (4, 5, 8)]
        [1.0, 0.1, 0.010000000000000002]
    """

    at: Sequence[float] = (0.4, 0.6, 0.8)
    factor: float = 0.1

    def __post_init__(self) -> None:
        if any(not moment >= 0 for moment in self.at):
            raise InputError(f"expected moments of at least 0, but {tuple(self.at)} came")
        if not self.factor > 0:
            raise InputError(f"expected a factor above 0, but {self.factor} came")

    def rate(self, step: int, steps: int) -> float:
        """Return ``factor`` to the power of how many moments have passed."""
        passed = sum(step >= (moment * steps if moment < 1 else moment) for moment in self.at)
        return float(self.factor**passed)


@dataclass(frozen=True)
class Cosine(Schedule):
    """A linear rise and then half a cosine down (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5).

    Args:
        warmup: length of the rise; below 1 a share of the planned steps, from 1 on a number of steps.
        final: the factor at the end, 0 .. 1.

    Raises:
        InputError: a warmup below 0 or a final factor outside [0, 1].

    Example:
        >>> [round(Cosine(warmup=2, final=0.0).rate(step, 6), 2) for step in range(6)]
        [0.33, 0.67, 1.0, 0.85, 0.5, 0.15]
    """

    warmup: float = 0.02
    final: float = 0.01

    def __post_init__(self) -> None:
        if not (self.warmup >= 0 and 0 <= self.final <= 1):
            raise InputError(
                f"expected warmup of at least 0 and final in [0, 1], but {self.warmup} and {self.final} came"
            )

    def rate(self, step: int, steps: int) -> float:
        """Return the factor."""
        rise = round(self.warmup * steps if self.warmup < 1 else self.warmup)
        if step < rise:
            return (step + 1) / (rise + 1)
        share = min((step - rise) / max(steps - rise, 1), 1.0)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))
