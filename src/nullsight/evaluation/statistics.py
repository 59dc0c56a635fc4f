"""Means with their intervals, and which images are the same image twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes half a second to import
from torch import Tensor

from nullsight.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A mean over images and its confidence interval (NaN where one image or an infinite value allows none).

    Attributes:
        mean: in the unit of the values.
        low: lower end of the interval.
        high: upper end.
        count: how many images it is over.
    """

    mean: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; for a paired difference, whether the two methods differ."""
        return self.low > 0 or self.high < 0


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return mean and t interval, ``mean +- t s / sqrt(n)``, of independent values.

    Args:
        values: one an image, at least one.
        level: confidence, 0 < level < 1.

    Raises:
        InputError: no values, or a level outside 0 .. 1.

    Example:
        >>> interval = t_interval([1.0, 2.0, 3.0])
        >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3)
        (2.0, -0.484, 4.484)
    """
    count = len(values)
    if count == 0:
        raise InputError("expected at least one value for a mean, but none came: no image has truth")
    if not 0 < level < 1:
        raise InputError(f"expected a confidence level between 0 and 1, but {level} came")
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return Interval(sum(values) / count, float("nan"), float("nan"), count)  # the mean may be infinite or NaN
    mean = float(array.mean())
    if count == 1:
        return Interval(mean, float("nan"), float("nan"), 1)
    half = float(stdtrit(count - 1, (1 + level) / 2)) * float(array.std(ddof=1)) / count**0.5
    return Interval(mean, mean - half, mean + half, count)


def first_of_each(rows: Tensor) -> tuple[bool, ...]:
    """Return for every row of ``(samples, ...)`` whether no row before it agrees with it in every bit.

    Example:
        >>> import torch
        >>> first_of_each(torch.tensor([[1.0], [2.0], [1.0]]))
        (True, True, False)
    """
    seen: set[bytes] = set()
    first = []
    for row in rows.detach().cpu():
        content = row.contiguous().numpy().tobytes()
        first.append(content not in seen)
        seen.add(content)
    return tuple(first)
