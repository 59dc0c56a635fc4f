"""Noise whose level is not known: learned against the reconstructor."""

import math

import torch
from torch import Tensor, nn

from nullsight.draws import Stream
from nullsight.noise.base import Levels, Noise
from nullsight.noise.models import Gaussian, Poisson, PoissonGaussian
from nullsight.types import InputError, Measurement


class UnknownNoise(nn.Module, Noise):
    """Gaussian noise, counting noise or both, of a level that :class:`~nullsight.losses.SURE` learns.

    One object is shared by all terms that use it: ``SURE(noise) + Equivariance(group, noise)``. What is learned stays
    above 0, is in every checkpoint, and is moved once a step, after f.

    Args:
        first_sigma: the standard deviation to begin with, in the measurement's unit; 0: there is no such noise.
        first_gain: the value of one count to begin with; 0: nothing is counted.
        learning_rate: of the logarithms of both, in an Adam of their own: they change by at most about this share a
            step. The level has to be slower than f: where it swings in the log, lower this.

    Raises:
        InputError: neither of them above 0, one below or not finite, or a learning rate that is not above 0.

    Example:
        >>> noise = UnknownNoise(first_sigma=0.1)
        >>> noise.now
        Gaussian(sigma=0.1)
    """

    def __init__(self, first_sigma: float = 0.0, first_gain: float = 0.0, learning_rate: float = 3e-3) -> None:
        super().__init__()
        levels = (first_sigma, first_gain)
        if not all(0 <= one < math.inf for one in levels) or max(levels) == 0 or not 0 < learning_rate < math.inf:
            raise InputError(
                f"expected sigma or gain above 0 to begin with, none below, and a learning rate above 0, all finite, "
                f"but {first_sigma}, {first_gain} and {learning_rate} came: a guess within a factor of ten will do"
            )
        self.first_sigma, self.first_gain, self.learning_rate = first_sigma, first_gain, learning_rate
        self.growth = nn.Parameter(torch.zeros(2))  # logarithms of sigma and gain over what they began with

    def levels(self) -> Levels:
        """Return the gain and sigma of the moment, 0-d; a gradient leads to what is learned."""
        sigma, gain = self.growth.exp()
        return Levels(self.first_gain * gain, self.first_sigma * sigma)

    @property
    def now(self) -> Noise:
        """The noise of the moment, as a value."""
        with torch.no_grad():
            # in float64, so that what has not moved is what was given
            sigma, gain = (float(one) for one in self.growth.double().exp())
        if not self.first_gain:
            return Gaussian(self.first_sigma * sigma)
        if not self.first_sigma:
            return Poisson(self.first_gain * gain)
        return PoissonGaussian(self.first_gain * gain, self.first_sigma * sigma)

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return a noisy measurement at the level of the moment; no gradient reaches the level."""
        return self.now.sample(clean, stream)

    def variance(self, clean: Measurement) -> Tensor:
        """Return the variance at the level of the moment, without a gradient for the level."""
        return self.now.variance(clean)

    def log_likelihood(self, y: Measurement, clean: Measurement) -> Tensor:
        """Return that at the level of the moment, without a gradient for the level; InputError for both kinds."""
        return self.now.log_likelihood(y, clean)

    def extra_repr(self) -> str:
        """Return the noise of the moment, for ``print(noise)``."""
        return repr(self.now)
