"""Whether what is left, ``A f(y) - y``, looks like the noise: its mean, its size and its neighbours."""

import math
from dataclasses import dataclass

import torch
from scipy.special import ndtri
from torch import Tensor

from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.physics.splits import measured_entries
from nullsight.types import Image, Measurement

_LEVEL = 0.01  # how often at most pure noise fails each of the tests
_SHORTEST = 4  # entries of an axis along which neighbours are compared: shorter ones are channels, coils, re and im
_NOISELESS = 0.01  # relative residual without noise, 40 dB below the measurements: above it, what was measured is lost
_FEWEST = 20  # pairs from which on a correlation is normal enough


@dataclass(frozen=True)
class Correlation:
    """How alike normalised residuals are that are ``lag`` entries apart.

    Attributes:
        axis: of the measurement, without batch.
        lag: how many entries apart, >= 1.
        value: the correlation, -1 .. 1; 0 for white noise.
        score: the value in its standard deviations under white noise, ``value sqrt(pairs)``.
        pairs: in which both entries are measured.
    """

    axis: int
    lag: int
    value: float
    score: float
    pairs: int


@dataclass(frozen=True)
class Residuals:
    """What ``A f(y) - y`` says of a reconstruction.

    Attributes:
        relative: ``|A f(y) - y| / |y|`` over measured entries.
        entries: how many are measured and have noise; 0: there is no noise, and the rest is None or empty.
        mean: the mean normalised residual in its standard deviations under the noise model: -3 .. 3 is chance.
        discrepancy: the mean square of normalised residuals (chi-square an entry): 1 for the true image. Less where f
            follows the noise, as least squares do, down to ``least``; above 1, the measurements are not explained.
        deviation: standard deviation of the discrepancy for the true image.
        least: ``1 - n / m``, which a full fit of n pixels to m entries leaves, 0 where m <= n.
        correlations: of neighbours along every axis of a measurement of at least 4 entries.
        bound: a score beyond which white noise gets in one of a hundred cases, all correlations taken together.
    """

    relative: float
    entries: int
    mean: float | None
    discrepancy: float | None
    deviation: float
    least: float
    correlations: tuple[Correlation, ...]
    bound: float

    @property
    def explained(self) -> bool:
        """Whether residuals are no larger than the noise makes them, nor off to one side; without it, at most 1 %."""
        if self.discrepancy is None or self.mean is None:
            return self.relative <= _NOISELESS
        return self.discrepancy <= 1 + 3 * self.deviation and abs(self.mean) <= 3

    @property
    def white(self) -> bool:
        """Whether no correlation is beyond the bound."""
        return all(abs(one.score) <= self.bound for one in self.correlations)

    def lines(self) -> list[str]:
        """Return the findings as lines of text."""
        if self.discrepancy is None or self.mean is None:
            return [
                f"residual |A f(y) - y| / |y| = {self.relative:.3g}; should be at most {_NOISELESS}, as the "
                f"measurements are taken to be without noise" + ("" if self.explained else ": they are not explained")
            ]
        least, most = max(0.0, self.least - 3 * self.deviation), 1 + 3 * self.deviation
        words = "as the noise explains" if self.discrepancy <= most else "more than the noise explains"
        if self.discrepancy < least:
            words = "less than even a full fit leaves: the noise is stated too large"
        lines = [
            f"residual |A f(y) - y| / |y| = {self.relative:.3g}",
            f"discrepancy {self.discrepancy:.3f} of the noise's variance; should be {least:.3f} (all noise fitted) to "
            f"{most:.3f} (true image): {words}",
            f"mean residual {self.mean:+.1f} of its standard deviations; should be -3 to 3",
        ]
        if self.correlations:
            worst = max(self.correlations, key=lambda one: abs(one.score))
            lines.append(
                f"neighbouring residuals: correlation {worst.value:+.3f} along axis {worst.axis} at lag {worst.lag}, "
                f"{worst.score:+.1f} of its standard deviations; should be within {self.bound:.1f} for white noise"
                + ("" if self.white else ": structure is left in the residual, or noise is fitted there")
            )
        return lines


@torch.no_grad()
def residual_tests(x: Image, y: Measurement, physics: Physics, noise: Noise, *, lags: int = 3) -> Residuals:
    """Test ``A x - y`` over measured entries against the noise model.

    The discrepancy is Morozov's (1966) an entry; whiteness of residuals is tested as by Box and Pierce (JASA 65, 1970),
    one lag at a time. Entries whose stated variance is 0 are left out.

    Args:
        x: reconstructions, ``(batch, *physics.image_shape)``.
        y: their measurements, ``(batch, *physics.measurement_shape)``.
        physics: one operator for all or one a sample.
        noise: that the measurements are taken to carry; its variance is that at ``A x``.
        lags: neighbours up to so many entries apart are compared.

    Example:
        >>> from nullsight.noise import Gaussian
        >>> from nullsight.physics import Inpainting
        >>> physics = Inpainting((1, 2), torch.ones(2))
        >>> found = residual_tests(torch.zeros(1, 1, 2), torch.tensor([[[0.1, -0.1]]]), physics, Gaussian(0.1))
        >>> round(found.discrepancy, 3), found.mean, found.least
        (1.0, 0.0, 0.0)
    """
    clean = physics.A(x)
    measured = measured_entries(physics, len(y))
    left = torch.where(measured, clean - y, torch.zeros_like(y)).double()
    size = torch.where(measured, y, torch.zeros_like(y)).double().norm()
    relative = float(left.norm() / size.clamp_min(torch.finfo(torch.float64).tiny))
    variance = noise.variance(clean).double()
    known = measured & (variance > 0)
    entries = int(known.sum())
    if entries == 0:
        return Residuals(relative, 0, None, None, 0.0, 0.0, (), 0.0)
    z = torch.where(known, left / variance.where(known, torch.ones_like(variance)).sqrt(), torch.zeros_like(left))
    squares = z[known].square()
    spread = float(squares.std(correction=0)) if entries > 1 else 0.0
    found = _correlations(z - torch.where(known, z[known].mean(), torch.zeros_like(z)), known, lags)
    bound = float(ndtri(1 - _LEVEL / (2 * max(1, len(found)))))
    return Residuals(
        relative=relative,
        entries=entries,
        mean=float(z[known].sum()) / math.sqrt(entries),
        discrepancy=float(squares.mean()),
        deviation=max(spread, math.sqrt(2)) / math.sqrt(entries),  # counts have heavier tails than the normal
        least=max(0.0, 1 - len(y) * math.prod(physics.image_shape) / entries),
        correlations=found,
        bound=bound,
    )


def _correlations(z: Tensor, known: Tensor, lags: int) -> tuple[Correlation, ...]:
    found = []
    for axis, size in enumerate(z.shape[1:]):
        for lag in range(1, lags + 1 if size >= _SHORTEST else 1):
            near, far = slice(None, max(size - lag, 0)), slice(lag, None)
            one, other = _along(z, axis, near), _along(z, axis, far)
            both = _along(known, axis, near) & _along(known, axis, far)
            one, other, pairs = one[both], other[both], int(both.sum())
            scale = float(one.norm() * other.norm())
            if pairs >= _FEWEST and scale > 0:
                value = float((one * other).sum()) / scale
                found.append(Correlation(axis, lag, value, value * math.sqrt(pairs), pairs))
    return tuple(found)


def _along(values: Tensor, axis: int, part: slice) -> Tensor:
    return values[(slice(None),) * (axis + 1) + (part,)]
