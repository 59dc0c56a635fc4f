"""Axes of charts: where a value lies between two ends, and which ticks to write."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from nullsight.errors import InputError


class Axis(ABC):
    """A scale: values to numbers that are drawn proportionally, and round ticks."""

    @abstractmethod
    def shows(self, value: float) -> bool:
        """Say whether a value has a place on this axis."""

    @abstractmethod
    def place(self, value: float) -> float:
        """Return what is drawn in proportion."""

    @abstractmethod
    def ticks(self, low: float, high: float) -> tuple[float, ...]:
        """Return round values that span low .. high; the first and the last are the ends of the axis."""


@dataclass(frozen=True)
class LinearAxis(Axis):
    """Equal steps: multiples of 1, 2 or 5 times a power of ten.

    Example:
        >>> LinearAxis().ticks(0.3, 9.2)
        (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    """

    def shows(self, value: float) -> bool:
        """Say whether the value is finite."""
        return math.isfinite(value)

    def place(self, value: float) -> float:
        """Return the value itself."""
        return value

    def ticks(self, low: float, high: float) -> tuple[float, ...]:
        """Return four to eight round values around low .. high."""
        if high <= low:
            middle, spread = (low + high) / 2, abs(low + high) / 20 or 1.0
            low, high = middle - spread, middle + spread
        power = 10.0 ** math.floor(math.log10((high - low) / 5))
        step = next(power * k for k in (1, 2, 5, 10, 20) if (high - low) / (power * k) <= 6)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return tuple(round(k * step, 12 - math.floor(math.log10(step))) for k in range(first, last + 1))


@dataclass(frozen=True)
class LogAxis(Axis):
    """Equal factors: powers of ten, or 1, 2, 5 times them where the values span less than two decades.

    Example:
        >>> LogAxis().ticks(0.003, 4.0)
        (0.001, 0.01, 0.1, 1.0, 10.0)
    """

    def shows(self, value: float) -> bool:
        """Say whether the value is finite and above zero."""
        return math.isfinite(value) and value > 0

    def place(self, value: float) -> float:
        """Return the decimal logarithm."""
        return math.log10(value)

    def ticks(self, low: float, high: float) -> tuple[float, ...]:
        """Return round values around low .. high, both above zero."""
        if not 0 < low <= high:
            raise InputError(f"expected values above 0 for a logarithmic axis, but {low} and {high} came")
        first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
        last = max(last, first + 1)
        if last - first <= 2:
            fine = [float(f"{k}e{p}") for p in range(first, last + 1) for k in (1, 2, 5)]
            begin = max(i for i, t in enumerate(fine) if t <= low * (1 + 1e-9))
            end = min((i for i, t in enumerate(fine) if t >= high * (1 - 1e-9)), default=len(fine) - 1)
            return tuple(fine[begin : max(end, begin + 1) + 1])
        stride = math.ceil((last - first) / 6)
        return tuple(
            float(f"1e{p}") for p in range(first, first + stride * math.ceil((last - first) / stride) + 1, stride)
        )


def written(values: Sequence[float]) -> tuple[str, ...]:
    """Return ticks as short text.

    Example:
        >>> written((0.0, 2500.0, 1e6, 1e-05))
        ('0', '2500', '1e6', '1e-5')
    """
    texts = [f"{value:.6g}" for value in values]
    return tuple(t.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e") for t in texts)
