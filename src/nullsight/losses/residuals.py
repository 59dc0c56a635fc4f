"""How a predicted measurement is compared with the true one when entries count differently."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.losses.base import Evidence
from nullsight.losses.errors import MEAN_SQUARE, Error, Scaling, mean_error
from nullsight.physics.base import LinearPhysics
from nullsight.physics.least_squares import Weighs
from nullsight.types import InputError, Measurement, Scalar


class Residual(ABC):
    """A mean error between a predicted measurement and ``evidence.y``."""

    @abstractmethod
    def between(self, again: Measurement, weight: Tensor, evidence: Evidence, scaling: Scaling) -> Scalar:
        """Return the mean over samples.

        Args:
            again: the prediction, ``(batch, *measurement_shape)``.
            weight: how much each entry counts, >= 0, likewise; 0 where nothing is measured.
            evidence: has the measurement and its operator.
            scaling: the units.
        """


@dataclass(frozen=True)
class Entrywise(Residual):
    """``sum w e(A x, y) / sum w`` for each sample, in measurement units.

    An error that is no value per entry (1 - SSIM) sees zeros in both where ``w`` is zero, and no other weights.

    Args:
        error: e, how far two measurements are apart.

    Example:
        >>> Entrywise().error
        MeanSquare()
    """

    error: Error = MEAN_SQUARE

    def between(self, again: Measurement, weight: Tensor, evidence: Evidence, scaling: Scaling) -> Scalar:
        """Return the weighted mean over entries."""
        unit, nothing = scaling.measurement_unit(evidence), torch.zeros_like(again)
        a, b = torch.where(weight > 0, again / unit, nothing), torch.where(weight > 0, evidence.y / unit, nothing)
        value = self.error(a, b)
        if value.shape != a.shape:
            return mean_error(self.error, a, b)
        total = weight.flatten(1).sum(1)
        return ((value * weight).flatten(1).sum(1) / torch.where(total > 0, total, torch.ones_like(total))).mean()


@dataclass(frozen=True)
class ThroughDagger(Residual):
    """The error between ``A_dagger s A x`` and ``A_dagger s y``, images, with ``s = sqrt(w / mean w)``.

    The plain residual of an ill-conditioned operator is nearly blind where singular values are small: for computed
    tomography, at high frequencies. Through the approximate inverse it is about an error of images. The mean of w is
    over the measured entries of each sample. What many entries see alike, such as all views the smooth parts of an
    image, counts by the share of w that is left: :class:`WeighedSquare` counts it whole, where there is a ``weigh``.

    Args:
        error: how far two images are apart.

    Example:
        >>> ThroughDagger().error
        MeanSquare()
    """

    error: Error = MEAN_SQUARE

    def between(self, again: Measurement, weight: Tensor, evidence: Evidence, scaling: Scaling) -> Scalar:
        """Return the mean over pixels."""
        unit, s = scaling.image_unit(evidence), _root(weight, evidence)
        a, b = (evidence.physics.A_dagger(s * value) / unit for value in (again, evidence.y))
        return mean_error(self.error, a, b)


@dataclass(frozen=True)
class WeighedSquare(Residual):
    """``(s r)^T W (s r)`` per pixel, with ``r = A x - y``, ``s = sqrt(w / mean w)`` and W the operator's own ``weigh``.

    As ``A^T W A`` is near the identity this is about the mean square error of images, as far as ``A`` sees them, for
    the price of a filter: in tomography W is the ramp, view by view, so hidden views are compared for themselves. For
    an operator that is not linear r is that of what ``linearize`` makes of both measurements, such as line integrals of
    counts, and w is multiplied by its weights, the inverse variances. A logarithm of counts is off by half a count in
    the mean.
    """

    def between(self, again: Measurement, weight: Tensor, evidence: Evidence, scaling: Scaling) -> Scalar:
        """Return the weighed square; InputError where the operator cannot weigh or be linearised."""
        physics, unit = evidence.physics, scaling.image_unit(evidence)
        seen = physics.linearize(evidence.y)
        if not isinstance(seen.physics, Weighs):
            raise InputError(
                f"expected an operator that can weigh its measurements, but {type(seen.physics).__name__} cannot: take "
                f"Entrywise or ThroughDagger"
            )
        predicted = again if isinstance(physics, LinearPhysics) else physics.linearize(again).y
        r = _root(weight * seen.weights, evidence) * (predicted - seen.y) / unit
        pixels = torch.Size(physics.image_shape).numel()
        return (r * seen.physics.weigh(r)).flatten(1).sum(1).mean() / pixels


ENTRYWISE = Entrywise()

RESIDUALS: dict[str, type[Residual]] = {
    "entrywise": Entrywise,
    "through_dagger": ThroughDagger,
    "weighed_square": WeighedSquare,
}


def _root(weight: Tensor, evidence: Evidence) -> Tensor:
    measured = evidence.physics.measured
    counts = torch.ones_like(weight) if measured is None else measured.expand(weight.shape).to(weight)
    mean = weight.flatten(1).sum(1) / counts.flatten(1).sum(1).clamp_min(1)
    mean = torch.where(mean > 0, mean, torch.ones_like(mean))
    return (weight / mean.reshape(-1, *[1] * (weight.ndim - 1))).sqrt()
