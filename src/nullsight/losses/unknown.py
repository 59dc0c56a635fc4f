"""Noise whose level is not known: learned against the reconstructor."""

import torch
from torch import Tensor, nn

from nullsight.draws import Stream
from nullsight.noise import Gaussian, Noise, Poisson, PoissonGaussian
from nullsight.types import InputError, Measurement


class UnknownNoise(nn.Module, Noise):
    """Gaussian noise, counting noise or both, of a level that :class:`~nullsight.losses.SURE` learns.

    One object is shared by all terms that use it: ``SURE(noise) + Equivariance(group, noise)``. What is learned stays
    above 0, is in every checkpoint, and is moved once a step, after f.

    Args:
        first_sigma: the standard deviation to begin with, in the measurement's unit; 0: there is no such noise.
        first_gain: the value of one count to begin with; 0: nothing is counted.
        learning_rate: of the logarithms of both, in an Adam of their own.

    Raises:
        InputError: neither of them above 0, one below, or a learning rate that is not above 0.

    Example:
        >>> noise = UnknownNoise(first_sigma=0.1)
        >>> round(float(noise.sigma), 6), float(noise.gain)
        (0.1, 0.0)
    """

    def __init__(self, first_sigma: float = 0.0, first_gain: float = 0.0, learning_rate: float = 0.01) -> None:
        super().__init__()
        if min(first_sigma, first_gain) < 0 or max(first_sigma, first_gain) == 0 or not learning_rate > 0:
            raise InputError(
                f"expected sigma or gain above 0 to begin with, none below, and a learning rate above 0, but "
                f"{first_sigma}, {first_gain} and {learning_rate} came: a guess within a factor of ten will do"
            )
        self.first_sigma, self.first_gain, self.learning_rate = first_sigma, first_gain, learning_rate
        levels = [value for value in (first_sigma, first_gain) if value > 0]
        self.logarithms = nn.Parameter(torch.tensor(levels).log())

    @property
    def sigma(self) -> Tensor:  # type: ignore[override]
        """The standard deviation of the moment, 0-d."""
        return self.logarithms[0].exp() if self.first_sigma else self.logarithms.new_zeros(())

    @property
    def gain(self) -> Tensor:  # type: ignore[override]
        """The gain of the moment, 0-d."""
        return self.logarithms[-1].exp() if self.first_gain else self.logarithms.new_zeros(())

    @property
    def now(self) -> Noise:
        """The noise of the moment, as a value."""
        sigma, gain = float(self.sigma), float(self.gain)
        if not gain:
            return Gaussian(sigma)
        return PoissonGaussian(gain, sigma) if sigma else Poisson(gain)

    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return a noisy measurement at the level of the moment; no gradient reaches the level."""
        return self.now.sample(clean, stream)

    def variance(self, clean: Measurement) -> Tensor:
        """Return the variance at the level of the moment, without a gradient."""
        return self.now.variance(clean)
