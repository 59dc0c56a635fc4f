"""Noise as values: none, normal, counts, both."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.noise.base import Levels, Noise
from nullsight.types import InputError, Measurement


@dataclass(frozen=True)
class Noiseless(Noise):
    """``y = A x``.

    Example:
        >>> Noiseless().variance(torch.ones(1, 2))
        tensor([[0., 0.]])
    """

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return the clean measurement itself."""
        return clean

    def variance(self, clean: Measurement) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(clean)

    def levels(self) -> Levels:
        """Return zeros."""
        return Levels(0.0, 0.0)

    def log_likelihood(self, y: Measurement, clean: Measurement) -> Tensor:
        """Refuse: there is no density; InputError."""
        raise InputError(_NO_DENSITY)


@dataclass(frozen=True)
class Gaussian(Noise):
    """``y = A x + sigma n`` with ``n`` standard normal; the gradient is that of the clean measurement (exact).

    Args:
        sigma: standard deviation of every real component, in the measurement's unit, >= 0.

    Raises:
        InputError: a sigma that is below 0 or not finite.

    Example:
        >>> Gaussian(0.1).variance(torch.zeros(1, 1))
        tensor([[0.0100]])
    """

    sigma: float

    def __post_init__(self) -> None:
        _at_least_zero("sigma", self.sigma)

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return ``clean + sigma n``."""
        return clean + self.sigma * stream.normal(tuple(clean.shape[1:])).to(clean.device, clean.dtype)

    def variance(self, clean: Measurement) -> Tensor:
        """Return ``sigma^2``."""
        return torch.full_like(clean, self.sigma**2)

    def levels(self) -> Levels:
        """Return no gain, and sigma."""
        return Levels(0.0, self.sigma)

    def log_likelihood(self, y: Measurement, clean: Measurement) -> Tensor:
        """Return that of the normal density; InputError where sigma is 0."""
        if self.sigma == 0:
            raise InputError(_NO_DENSITY)
        return -((y - clean) ** 2) / (2 * self.sigma**2) - math.log(self.sigma * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Poisson(Noise):
    """``y = gain * Poisson(A x / gain)``: counting noise, mean ``A x`` and variance ``gain A x``.

    Counts have no gradient of their own; the straight-through one is used: that of the mean, ``A x``, which is the
    gradient of the expectation. Negative clean values (a network makes them) are counted as zero, and their gradient
    passes all the same: else nothing would bring them back.

    Args:
        gain: the value of one count in the measurement's unit, > 0.

    Raises:
        InputError: a gain that is not above 0 or not finite.

    Example:
        >>> Poisson(0.5).variance(torch.tensor([[4.0, -1.0]]))
        tensor([[2., 0.]])
    """

    gain: float

    def __post_init__(self) -> None:
        if not 0 < self.gain < math.inf:
            raise InputError(f"expected a Poisson gain above 0 and finite, but {self.gain} came")

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return scaled counts; the gradient passes straight through to the mean."""
        counts = self.gain * stream.poisson(clean.detach().clamp_min(0) / self.gain)
        return clean + (counts - clean).detach()

    def variance(self, clean: Measurement) -> Tensor:
        """Return ``gain * max(clean, 0)``."""
        return self.gain * clean.clamp_min(0)

    def levels(self) -> Levels:
        """Return the gain, and no sigma."""
        return Levels(self.gain, 0.0)

    def log_likelihood(self, y: Measurement, clean: Measurement) -> Tensor:
        """Return that of the counts ``y / gain``, in between by the gamma function.

        It is -inf where counts are negative, and where something is counted but the clean measurement is 0 or below;
        its gradient is 0 there.
        """
        # in float64: terms of the size of counts log(counts) cancel to a few units
        counts, mean = y.double() / self.gain, clean.double() / self.gain
        bright = ~((mean <= 0) | (counts < 0))  # NaN stays NaN
        some, above = (torch.where(bright, value, torch.ones_like(value)) for value in (counts, mean))
        logarithm = torch.xlogy(some, above) - above - torch.lgamma(some + 1)
        dark = torch.where(counts == 0, 0.0, -math.inf)
        return torch.where(bright, logarithm, dark).to(y.dtype)


@dataclass(frozen=True)
class PoissonGaussian(Noise):
    """Counting noise and then electronic noise: ``y = gain * Poisson(A x / gain) + sigma n``.

    Args:
        gain: the value of one count, > 0.
        sigma: standard deviation of the electronic noise, >= 0.

    Raises:
        InputError: a gain that is not above 0, a sigma below 0, or one that is not finite.

    Example:
        >>> PoissonGaussian(0.5, 1.0).variance(torch.tensor([[4.0, -1.0]]))
        tensor([[3., 1.]])
    """

    gain: float
    sigma: float

    def __post_init__(self) -> None:
        Poisson(self.gain)
        _at_least_zero("sigma", self.sigma)

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return counts with electronic noise; the gradient passes straight through to the mean."""
        return Gaussian(self.sigma).sample(Poisson(self.gain).sample(clean, stream), stream)

    def variance(self, clean: Measurement) -> Tensor:
        """Return ``gain * max(clean, 0) + sigma^2``."""
        return Poisson(self.gain).variance(clean) + self.sigma**2

    def levels(self) -> Levels:
        """Return both."""
        return Levels(self.gain, self.sigma)


_NO_DENSITY = "expected a sigma above 0 for a density, but 0 came: there is nothing random"


def _at_least_zero(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise InputError(f"expected {name} of at least 0 and finite, but {value} came")
