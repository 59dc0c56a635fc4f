"""Noise levels from measurements alone: from repetitions, from a region without signal, from what varies fast."""

import math

import torch
from torch import Tensor

from nullsight.noise import Gaussian, Noise, Poisson, PoissonGaussian
from nullsight.types import InputError, Measurement

_NORMAL = 0.6744897501960817  # median of |n| for n standard normal


def sigma_from_region(y: Measurement, region: Tensor) -> float:
    """Return sigma of Gaussian noise where nothing but noise is measured: outer detector bins, outer k-space.

    Args:
        y: ``(batch, *measurement_shape)``, in any unit; the result has it too.
        region: bool, ``measurement_shape`` or with a batch axis: where there is no signal (or one that is constant).

    Raises:
        InputError: fewer than 16 values in the region.
    """
    values = y[region.expand(y.shape)].double()
    if values.numel() < 16:
        raise InputError(f"expected at least 16 values without signal, but {values.numel()} came: mark more of them")
    return float(values.std())


def sigma_from_detail(y: Measurement, axes: tuple[int, ...] = (-2, -1)) -> float:
    """Return sigma of Gaussian noise from differences of neighbours, a robust median: for smooth measurements.

    Along each axis two neighbours are subtracted and divided by the root of two, which leaves white noise as it is and
    little of what is smooth; the median of the absolute values, divided by 0.6745, is sigma of normal values. Edges
    enlarge it a little: on a sinogram of the phantom of ``make demo`` by less than 5 % at a sigma of 1 % of the maximum.
    Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994.

    Args:
        y: ``(batch, *measurement_shape)``.
        axes: neighbours along these are close to each other.
    """
    detail = y.double()
    for axis in axes:
        count = detail.shape[axis] // 2
        if count < 1:
            raise InputError(f"expected at least 2 entries along axis {axis}, but {detail.shape[axis]} came")
        pairs = detail.narrow(axis, 0, 2 * count).unflatten(axis, (count, 2))
        first, second = pairs.unbind(axis % detail.ndim + 1)
        detail = (first - second) / math.sqrt(2)
    return float(detail.abs().median()) / _NORMAL


def level_from_repetitions(y: Measurement) -> Noise:
    """Return the noise whose variance goes with the mean as in repeated measurements of the same things.

    A straight line ``variance = gain * mean + sigma^2`` is fitted through all entries, weighted by what is known of
    each variance (an estimate from r repetitions has a standard deviation of ``sqrt(2 / (r - 1))`` of it), twice.

    Args:
        y: ``(repetitions, *measurement_shape)``, at least 2 of them.

    Returns:
        ``Gaussian``, ``Poisson`` or ``PoissonGaussian``: a part below a hundredth of the whole is left out.

    Raises:
        InputError: fewer than 2 repetitions, or repetitions without any noise.
    """
    if y.shape[0] < 2:
        raise InputError(f"expected at least 2 repetitions of the same measurement, but {y.shape[0]} came")
    mean, variance = y.double().mean(0).flatten(), y.double().var(0).flatten()
    return _line(mean, variance)


def level_from_patches(y: Measurement, size: int = 4) -> Noise:
    """Return the noise whose variance goes with the mean as in small patches of measurements, most of them smooth.

    Of each patch the mean is taken and the variance of what differences of neighbours leave; the patches are gathered
    by their means into 20 groups, of each of which the median counts, as edges enlarge a few variances. Foi, Trimeche, Katkovnik, Egiazarian, "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP 2008, in a simpler form.

    Args:
        y: ``(batch, *measurement_shape)`` with at least two axes of neighbours at the end.
        size: of the patches.
    """
    height, width = (n // size for n in y.shape[-2:])
    if min(height, width) < 1:
        raise InputError(f"expected measurements of at least {size} x {size} entries, but {tuple(y.shape)} came")
    whole = y[..., : height * size, : width * size].double()
    patches = whole.unflatten(-1, (width, size)).unflatten(-3, (height, size)).movedim(-3, -2)
    flat = patches.reshape(-1, size, size)
    detail = (flat[:, 0::2, 0::2] - flat[:, 0::2, 1::2] - flat[:, 1::2, 0::2] + flat[:, 1::2, 1::2]) / 2
    squares = detail.square().flatten(1)
    mean, variance = flat.mean((1, 2)), squares.mean(1)
    order = mean.argsort()
    groups = [g for g in order.tensor_split(20) if len(g) >= 8]
    if not groups:
        raise InputError(f"expected at least 8 patches of {size} x {size} entries, but {len(mean)} came")
    share = (1 - 2 / (9 * squares.shape[1])) ** 3  # median over mean of a chi-squared value (Wilson, Hilferty 1931)
    means = torch.stack([mean[g].mean() for g in groups])
    variances = torch.stack([variance[g].median() / share for g in groups])
    return _line(means, variances)


def _line(mean: Tensor, variance: Tensor) -> Noise:
    """Return the noise of the straight line through variances, each weighted by the inverse of its own square."""
    if not bool((variance > 0).any()):
        raise InputError("expected measurements with noise, but nothing varies in them: take Noiseless")
    columns = torch.stack([mean, torch.ones_like(mean)], 1)
    expected = torch.full_like(variance, float(variance.mean()))
    gain, square = 0.0, 0.0
    for _ in range(5):  # the weights come from the line of before
        weight = 1 / expected
        solution = torch.linalg.lstsq(columns * weight[:, None], (variance * weight)[:, None]).solution
        gain, square = (float(value) for value in solution[:, 0])
        expected = (gain * mean + square).clamp_min(1e-3 * float(variance.mean()))
    top = float(mean.abs().max()) * gain
    if square < 0.01 * top:
        return Poisson(gain)
    if top < 0.01 * square:
        return Gaussian(math.sqrt(square))
    return PoissonGaussian(gain, math.sqrt(square))
