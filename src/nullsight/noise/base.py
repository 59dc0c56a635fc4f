"""The contract of a noise model: what the detector adds to the clean measurement ``A x``."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from nullsight.draws import Stream
from nullsight.types import InputError, Measurement, where_measured


class Levels(NamedTuple):
    """``variance = gain * clean + sigma^2``, numbers or 0-d tensors.

    Attributes:
        gain: what the variance grows by with the clean measurement: the value of one count.
        sigma: standard deviation of what does not depend on the clean measurement.
    """

    gain: float | Tensor
    sigma: float | Tensor


class Noise(ABC):
    """A noise model: sampling around a clean measurement and its variance there."""

    @abstractmethod
    def sample(self, clean: Measurement, stream: Stream) -> Measurement:
        """Return a noisy measurement; its gradient with respect to ``clean`` is stated by each model."""

    @abstractmethod
    def variance(self, clean: Measurement) -> Tensor:
        """Return the variance of every entry, given the clean measurement."""

    def levels(self) -> Levels:
        """Return the gain and sigma of counting and electronic noise.

        Raises:
            InputError: a model that is neither.
        """
        raise InputError(
            f"expected Gaussian, Poisson or PoissonGaussian noise, but {type(self).__name__} came: give it levels(), "
            f"where it is counts times a gain with normal noise of a standard deviation"
        )

    def log_likelihood(self, y: Measurement, clean: Measurement) -> Tensor:
        """Return the logarithm of the density (or probability) of every entry of ``y``, given the clean measurement.

        Raises:
            InputError: a model without one in closed form.
        """
        raise InputError(
            f"expected a noise whose likelihood has a closed form, such as Gaussian or Poisson, but that of "
            f"{type(self).__name__} has none: weigh squared residuals by the inverse of its variance instead"
        )

    def variance_from(self, y: Measurement) -> Tensor:
        """Return ``gain * y + sigma^2``, whose expectation is the variance of every entry, from the noisy ``y``."""
        level = self.levels()
        return level.gain * y + level.sigma**2

    def observe(self, clean: Measurement, measured: Tensor | None, stream: Stream) -> Measurement:
        """Return a noisy measurement that is zero where nothing is measured (``measured`` as the physics has it)."""
        return where_measured(self.sample(clean, stream), measured)
