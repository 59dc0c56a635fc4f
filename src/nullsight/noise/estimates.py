"""Noise levels from measurements alone: from repetitions, from a region without signal, from what varies fast."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.noise.base import Noise
from nullsight.noise.lines import NOTHING_VARIES, lowest_line, mean_line
from nullsight.noise.models import Gaussian
from nullsight.types import InputError, Measurement

_NORMAL = 0.6744897501960817  # median of |n| for n standard normal
_CHI_SQUARED = _NORMAL**2  # median of n^2
_GROUPS = 20
_LOW = 0.15  # of the variances are below the line, where all may be too large
_STANDARD_ERRORS = 1.036  # below the mean lie 15 % of normal values
_SPREAD = 2.34  # relative standard deviation of the median of n chi-squared values of one degree, times sqrt(n)


class Estimate(ABC):
    """A way to find the noise of measurements whose clean values nobody knows."""

    @abstractmethod
    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return the noise of ``(batch, *measurement_shape)``.

        Args:
            y: the measurements, in any unit; the result has it too.
            measured: bool ``(1 or batch, *measurement_shape)``, which entries are measured; None: all.

        Raises:
            InputError: too little to estimate from, or nothing that varies.
        """


@dataclass(frozen=True, eq=False)
class FromRegion(Estimate):
    """Gaussian noise, from where nothing but noise is measured: outer detector bins, the rim of k-space.

    Args:
        region: bool, ``measurement_shape``: where there is no signal, or one that is constant.

    Example:
        >>> round(FromRegion(torch.tensor([True] * 16 + [False])).of(torch.arange(17.0)[None]).sigma, 3)
        4.761
    """

    region: Tensor

    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return the standard deviation of the region's measured values, of 16 at least."""
        if self.region.shape != y.shape[1:]:
            raise InputError(
                f"expected a region of the shape of a measurement, {tuple(y.shape[1:])}, but "
                f"{tuple(self.region.shape)} came: give one truth value for every entry"
            )
        inside = self.region.bool().to(y.device).expand(y.shape)
        values = y[inside if measured is None else inside & measured].double()
        if values.numel() < 16:
            raise InputError(
                f"expected at least 16 measured values without signal, but {values.numel()} came: mark more of them"
            )
        return _gaussian(float(values.std()))


@dataclass(frozen=True)
class FromRim(Estimate):
    """As :class:`FromRegion`, for the entries near both ends of some axes: outer detector bins, highest frequencies.

    Args:
        share: of each axis, above 0 and below 1, half of it at either end.
        axes: an entry must lie near an end along all of these; counted from the last one, -1.

    Raises:
        InputError: a share out of its range, or an axis that is not below 0.

    Example:
        >>> round(FromRim(0.5).of(torch.arange(40.0)[None]).sigma, 3)
        15.669
    """

    share: float = 0.1
    axes: tuple[int, ...] = (-1,)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InputError(f"expected a share between 0 and 1, but {self.share} came")
        _check_axes(self.axes)

    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return the standard deviation of the rim's measured values, of 16 at least."""
        rim = torch.ones(y.shape[1:], dtype=torch.bool, device=y.device)
        for axis in self.axes:
            size = _size(y, axis)
            place = torch.arange(size, device=y.device)
            near = torch.minimum(place, size - 1 - place) < self.share / 2 * size
            rim &= near.reshape(-1, *[1] * (-axis - 1))
        return FromRegion(rim).of(y, measured)


@dataclass(frozen=True)
class FromDetail(Estimate):
    """Gaussian noise, from differences of neighbours, by a robust median: for smooth measurements.

    Along each axis pairs of neighbours are subtracted and divided by the root of two, which leaves white noise as it is
    and little of what is smooth; the median of the absolute values over 0.6745 is sigma of normal values. Edges enlarge
    it. Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994.

    Args:
        axes: neighbours along these are close to each other; counted from the last one, -1.

    Raises:
        InputError: an axis that is not below 0.

    Example:
        >>> round(FromDetail((-1,)).of(torch.tensor([[3.0, 4.0, 7.0, 6.0]])).sigma, 3)
        1.048
    """

    axes: tuple[int, ...] = (-2, -1)

    def __post_init__(self) -> None:
        _check_axes(self.axes)

    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return it from the pairs that are measured wholly."""
        detail = y.double()
        whole = torch.ones_like(y, dtype=torch.bool) if measured is None else measured.expand(y.shape)
        for axis in self.axes:
            count = _size(detail, axis) // 2
            if count < 1:
                raise InputError(f"expected at least 2 entries along axis {axis}, but {detail.shape[axis]} came")
            first, second = _pairs(detail, axis, count)
            detail, whole = (first - second) / math.sqrt(2), torch.logical_and(*_pairs(whole, axis, count))
        values = detail[whole].abs()
        if values.numel() == 0:
            raise InputError("expected neighbours that are measured both, but there are none: take another axis")
        return _gaussian(float(values.median()) / _NORMAL)


@dataclass(frozen=True)
class FromNeighbours(Estimate):
    """Counts, electronic noise or both, from how the variance among neighbours goes with their mean.

    Differences of a high order leave white noise as it is and take smooth values away. They are gathered by the mean of
    their entries into 20 groups of the same size; in each, the median of their squares over that of a chi-squared value
    (0.455) is the variance. What is not smooth makes variances larger, never smaller: so ``gain * mean + sigma^2`` is
    laid through the lowest of them (the regression quantile of 15 %). In the manner of Foi, Trimeche, Katkovnik,
    Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP 2008.
    Counts below about 10 are not normal enough. A sigma whose square is small beside the counts of every entry cannot
    be told from none.

    Args:
        axis: along which neighbours are close to each other: detector bins, not views; counted from the last one, -1.
        order: of the differences, 1 to 8.

    Raises:
        InputError: an order out of its range, or an axis that is not below 0.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.noise import Poisson
        >>> clean = torch.linspace(20, 200, 4000).expand(4, 4000)
        >>> y = Poisson(2.0).sample(clean, Draws(0, 0, (0, 1, 2, 3)).of("noise"))
        >>> 1.8 < FromNeighbours().of(y).levels().gain < 2.2
        True
    """

    axis: int = -1
    order: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 8:
            raise InputError(f"expected differences of order 1 to 8, but {self.order} came")
        _check_axes((self.axis,))

    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return Gaussian, Poisson or PoissonGaussian: a part that is nowhere a twentieth of the other is left out."""
        count = self.order + 1
        if _size(y, self.axis) < count:
            raise InputError(f"expected at least {count} entries along axis {self.axis}, but {y.shape[self.axis]} came")
        lines = y.double().movedim(self.axis, -1)
        # white noise keeps its variance where the weights, binomial numbers, have a sum of squares of 1
        size = math.sqrt(sum(math.comb(self.order, k) ** 2 for k in range(count)))
        square, mean = (lines.diff(n=self.order) / size).square(), lines.unfold(-1, count, 1).mean(-1)
        if measured is not None:
            whole = measured.expand(y.shape).movedim(self.axis, -1).unfold(-1, count, 1).all(-1)
            square, mean = square[whole], mean[whole]
        square, mean = square.flatten(), mean.flatten()
        if len(mean) < 20 * _GROUPS:
            raise InputError(
                f"expected at least {20 * _GROUPS} times {count} measured neighbours, but {len(mean)} came: give more "
                f"measurements, or another axis"
            )
        groups = mean.argsort().tensor_split(_GROUPS)
        means = torch.stack([mean[group].mean() for group in groups])
        medians = torch.stack([square[group].median() for group in groups])
        # by chance alone the lowest of them are too low, by so many standard errors of a median; rows overlap
        lowered = _STANDARD_ERRORS * _SPREAD / math.sqrt(len(mean) / _GROUPS / 2)
        # a group in which most are alike is dark or saturated: it has no noise to show
        alive = medians > 0
        if int(alive.sum()) < _GROUPS / 2:
            raise InputError(NOTHING_VARIES)
        return lowest_line(means[alive], medians[alive] / _CHI_SQUARED / (1 - min(lowered, 0.3)), _LOW)


@dataclass(frozen=True)
class FromRepetitions(Estimate):
    """Counts, electronic noise or both, where the batch is one thing measured again and again.

    A straight line ``variance = gain * mean + sigma^2`` is laid through all entries by least squares, each weighted by
    what is known of its variance: an estimate from r repetitions has a standard deviation of ``sqrt(2 / (r - 1))`` of
    it, and its own mean is right for any r. Where all entries are about as bright, gain and sigma cannot be told apart.

    Example:
        >>> FromRepetitions().of(torch.tensor([[1.0, 5.0], [3.0, 7.0]]))
        Gaussian(sigma=1.4142135623730951)
    """

    def of(self, y: Measurement, measured: Tensor | None = None) -> Noise:
        """Return Gaussian, Poisson or PoissonGaussian: a part that is nowhere a twentieth of the other is left out."""
        if y.shape[0] < 2:
            raise InputError(f"expected at least 2 repetitions of the same measurement, but {y.shape[0]} came")
        seen = torch.ones_like(y[0], dtype=torch.bool) if measured is None else measured.expand(y.shape).all(0)
        repeated = y.double()[:, seen]
        repeated = repeated[:, (repeated != 0).any(0)]  # what is 0 every time is dark or not measured: it says nothing
        return mean_line(repeated.mean(0), repeated.var(0))


def _gaussian(sigma: float) -> Gaussian:
    if sigma == 0:
        raise InputError(NOTHING_VARIES)
    return Gaussian(sigma)


def _check_axes(axes: tuple[int, ...]) -> None:
    if not axes or max(axes) >= 0:
        raise InputError(f"expected axes counted from the last one, -1, -2 and so on, but {tuple(axes)} came")


def _size(y: Measurement, axis: int) -> int:
    if -axis >= y.ndim:
        raise InputError(f"expected an axis of measurements {tuple(y.shape[1:])}, but {axis} came: -1 is the last one")
    return y.shape[axis]


def _pairs(values: Tensor, axis: int, count: int) -> tuple[Tensor, Tensor]:
    last = values.movedim(axis, -1)[..., : 2 * count]
    return last[..., 0::2].movedim(-1, axis), last[..., 1::2].movedim(-1, axis)


ESTIMATES: dict[str, type[Estimate]] = {
    "from_region": FromRegion,
    "from_rim": FromRim,
    "from_detail": FromDetail,
    "from_neighbours": FromNeighbours,
    "from_repetitions": FromRepetitions,
}
