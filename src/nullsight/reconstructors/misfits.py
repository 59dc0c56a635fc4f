"""How far a clean measurement is from the noisy one: minus log-likelihoods of noise models, with proximal maps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.linalg import positive
from nullsight.noise import Noise
from nullsight.types import InputError, Measurement


class Misfit(ABC):
    """A convex function ``d(v)`` of the clean measurement ``v = A x``, a sum over entries, one for each sample.

    Attributes:
        y: the noisy measurements, ``(batch, *measurement_shape)``.
    """

    y: Measurement

    @abstractmethod
    def value(self, v: Measurement) -> Tensor:
        """Return ``d(v)`` of every sample, ``(batch,)``; minus the log-likelihood but for a constant."""

    @abstractmethod
    def gradient(self, v: Measurement) -> Measurement:
        """Return the gradient at ``v``."""

    @abstractmethod
    def settle(self, v: Measurement, step: Tensor) -> Measurement:
        """Return the proximal point ``argmin d(u) + |u - v|^2 / (2 step)``; ``step`` scales ``v``, > 0."""

    @abstractmethod
    def curvature(self) -> Tensor:
        """Return the largest second derivative there is, ``(batch,)``; InputError where there is none."""

    @abstractmethod
    def usual_curvature(self) -> Tensor:
        """Return a second derivative as it is met near the data, > 0, ``(batch,)``: the unit of an ADMM's penalty."""


@dataclass(frozen=True)
class Squares(Misfit):
    """``sum w (v - y)^2 / 2``: normal noise, w the inverse variances (or one number for all).

    Attributes:
        y: the measurements.
        weights: w, >= 0, of a shape that scales ``y``.
    """

    y: Measurement
    weights: Tensor

    def value(self, v: Measurement) -> Tensor:
        """Return half the weighted sum of squares."""
        return (self.weights * (v - self.y).square()).flatten(1).sum(1) / 2

    def gradient(self, v: Measurement) -> Measurement:
        """Return ``w (v - y)``."""
        return self.weights * (v - self.y)

    def settle(self, v: Measurement, step: Tensor) -> Measurement:
        """Return ``(v + step w y) / (1 + step w)``."""
        pull = step * self.weights
        return (v + pull * self.y) / (1 + pull)

    def curvature(self) -> Tensor:
        """Return the largest weight."""
        return self.weights.expand_as(self.y).flatten(1).amax(1)

    def usual_curvature(self) -> Tensor:
        """Return the inverse of the mean variance ``1 / w`` of entries that count: few dark ones have little say."""
        weights = self.weights.expand_as(self.y).flatten(1)
        counting = weights > 0
        variances = torch.where(counting, 1 / positive(weights), torch.zeros_like(weights)).sum(1)
        return positive(counting.sum(1) / positive(variances))


@dataclass(frozen=True)
class Counts(Misfit):
    """``sum (v - y - y log(v / y)) / gain`` over ``v >= 0``: counting noise (the Kullback-Leibler divergence).

    Negative measurements are taken as 0.

    Attributes:
        y: the measurements, ``gain`` times counts.
        gain: the value of one count, > 0.
    """

    y: Measurement
    gain: Tensor

    def value(self, v: Measurement) -> Tensor:
        """Return the divergence; infinity where nothing is expected and something is counted."""
        y = self.y.clamp_min(0)
        terms = v - y + torch.xlogy(y, y) - torch.xlogy(y, v.clamp_min(0))
        return torch.where(v < 0, torch.inf, terms / self.gain).flatten(1).sum(1)

    def gradient(self, v: Measurement) -> Measurement:
        """Return ``(1 - y / v) / gain``."""
        y = self.y.clamp_min(0)
        return (1 - torch.where(y > 0, y / v, torch.zeros_like(y))) / self.gain

    def settle(self, v: Measurement, step: Tensor) -> Measurement:
        """Return the root u >= 0 of ``u^2 - (v - t) u - t y = 0`` with ``t = step / gain``."""
        t = step / self.gain
        half = (v - t) / 2
        product = t * self.y.clamp_min(0)
        root = (half.square() + product).sqrt()
        # where half < 0 the sum would cancel: the product of both roots is -t y
        return torch.where(half > 0, half + root, product / positive(root - half))

    def curvature(self) -> Tensor:
        """Refuse: it is ``y / (gain v^2)``, which has no bound; InputError."""
        raise InputError(
            "expected a noise whose log-likelihood has a bounded curvature, but that of counts alone has none near 0: "
            "take Admm, or PrimalDualSplitting or TotalVariation with Likelihood, or state PoissonGaussian noise"
        )

    def usual_curvature(self) -> Tensor:
        """Return ``1 / (gain mean(y))``."""
        return 1 / positive((self.gain * self.y.clamp_min(0)).flatten(1).mean(1))


def squares(found: Misfit) -> Squares:
    """Return the same misfit as weighted squares; InputError where it is none."""
    if not isinstance(found, Squares):
        raise InputError(
            "expected a noise whose log-likelihood is quadratic, but that of counts alone is not: take Admm, or state "
            "PoissonGaussian noise"
        )
    return found


def misfit(noise: Noise, y: Measurement, unit: Tensor, measured: Tensor | None = None) -> Misfit:
    """Return how far clean measurements are from ``y`` under a noise model.

    Without noise half the sum of squares in units of ``unit``, for then only the ratio to a regulariser counts;
    for normal noise over sigma^2; for counts :class:`Counts`; for both together, whose likelihood has no closed form,
    squares over the variance that ``y`` itself lets expect, ``gain max(y, 0) + sigma^2``.

    Args:
        noise: the model.
        y: the measurements.
        unit: what a measurement without noise is divided by, of a shape that scales ``y``.
        measured: which entries are, bool ``(1 or batch, *measurement_shape)``; None: all. The others, zero whatever
            the image is, would seem to be known best of all where the variance is that of ``y``.

    Raises:
        InputError: a noise of another kind.
    """
    gain, sigma = (torch.as_tensor(level, dtype=y.dtype, device=y.device).detach() for level in noise.levels())
    if float(sigma) > 0:
        weights = 1 / (gain * y.clamp_min(0) + sigma**2)
        return Squares(y, weights if measured is None else weights * measured)
    return Counts(y, gain) if float(gain) > 0 else Squares(y, 1 / unit**2)
