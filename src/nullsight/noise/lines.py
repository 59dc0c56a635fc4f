"""Straight lines ``variance = gain * mean + sigma^2`` through pairs of means and variances, and the noise they mean."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nullsight.noise.base import Noise
from nullsight.noise.models import Gaussian, Poisson, PoissonGaussian
from nullsight.types import InputError

_LEAST = 0.05  # of a variance: what is below is chance
_NEAR = 0.02  # relative distances from the line below this are chance
_FLOOR = 1e-3  # of the usual variance: an entry weighs no more than one of this

NOTHING_VARIES = (
    "expected measurements with noise, but nothing varies in most of them: take Noiseless, or mark what is not measured"
)


def mean_line(mean: Tensor, variance: Tensor) -> Noise:
    """Return the noise of the line of least squares, each variance weighed by the inverse square of the line's own.

    Args:
        mean: ``(pairs,)``, float64.
        variance: likewise, >= 0; right in the mean, however each is spread.

    Raises:
        InputError: variances that are all 0.
    """

    def reweighed(variance: Tensor, expected: Tensor) -> Tensor:
        return 1 / expected

    gain, square = _line(mean, variance, reweighed, 20)
    return _noise(gain, square, mean, float(variance.sum() / mean.sum()), float(variance.mean()))


def lowest_line(mean: Tensor, variance: Tensor, share: float) -> Noise:
    """Return the noise of the line that leaves a share of the variances below it, each weighed by its size.

    Args:
        mean: ``(pairs,)``, float64.
        variance: likewise, above 0.
        share: between 0 and 1.

    Raises:
        InputError: variances that are all 0.
    """

    def reweighed(variance: Tensor, expected: Tensor) -> Tensor:
        # squares whose weights come from the line of before, so that distances count, not their squares
        above = variance / expected - 1
        side = torch.where(above > 0, share, 1 - share)
        return (side / above.abs().clamp_min(_NEAR)).sqrt() / expected

    gain, square = _line(mean, variance, reweighed, 100)
    bright = mean > 0
    ratio = (variance[bright] / mean[bright]).quantile(share) if bool(bright.any()) else variance.mean()
    return _noise(gain, square, mean, float(ratio), float(variance.quantile(share)))


def _line(
    mean: Tensor, variance: Tensor, reweighed: Callable[[Tensor, Tensor], Tensor], rounds: int
) -> tuple[float, float]:
    if not bool((variance > 0).any()):
        raise InputError(NOTHING_VARIES)
    columns = torch.stack([mean, torch.ones_like(mean)], 1)
    usual = float(variance[variance > 0].median())
    weight = torch.full_like(variance, 1 / usual)
    gain, square = 0.0, 0.0
    for _ in range(rounds):
        solution = torch.linalg.lstsq(columns * weight[:, None], (variance * weight)[:, None]).solution
        gain, square = (float(value) for value in solution[:, 0])
        weight = reweighed(variance, (gain * mean + square).clamp_min(_FLOOR * usual))
    return gain, square


def _noise(gain: float, square: float, mean: Tensor, gain_alone: float, square_alone: float) -> Noise:
    """Return the noise without a part that is nowhere a twentieth of the other, which then has a level of its own."""
    low, high = (float(one) for one in mean.aminmax())
    if min(gain, gain_alone) <= 0 or gain * high <= _LEAST * square:
        return Gaussian(math.sqrt(square_alone))
    if square <= _LEAST * gain * max(low, 0.0):
        return Poisson(gain_alone)
    return PoissonGaussian(gain, math.sqrt(square))
