"""Measurement consistency: the reconstruction, measured again, gives the measurement."""

from nullsight.losses.base import Evidence
from nullsight.losses.errors import Comparison, mean_error
from nullsight.types import Scalar


class MeasurementConsistency(Comparison):
    """The error between ``A f(y)`` and ``y`` over the measured entries.

    With the defaults: the mean of ``(A x1 - y)^2 / (scale * norm(A))^2``. After Chen, Tachella, Davies, "Equivariant
    Imaging", ICCV 2021, equation (3); it cannot teach what lies in the null space of ``A``.

    Args:
        error: how far two measurements are apart.
        scaling: their unit.

    Example:
        >>> loss = MeasurementConsistency()
        >>> loss.needs_truth
        False
    """

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        unit = self.scaling.measurement_unit(evidence)
        return mean_error(self.error, evidence.measured_again / unit, evidence.y / unit, self.scaling.counted(evidence))


class PreconditionedConsistency(Comparison):
    """The error between ``A_dagger A f(y)`` and ``A_dagger y``: the residual seen through the approximate inverse.

    The plain residual of an ill-conditioned operator is nearly blind where singular values are small: for computed
    tomography, at high frequencies. Filtered back-projection weighs them alike, so that this term competes with image
    terms at a weight of 1. With the defaults: the mean of ``((A_dagger A x1 - A_dagger y) / scale)^2``. Its zeros are
    those of :class:`MeasurementConsistency` where ``A_dagger`` loses nothing of the range of ``A``; it teaches nothing
    in the null space either.

    Args:
        error: how far two images are apart.
        scaling: their unit.

    Example:
        >>> loss = PreconditionedConsistency()
        >>> loss.needs_truth
        False
    """

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        unit = self.scaling.image_unit(evidence)
        physics = evidence.physics
        # not evidence.start, which is what f begins with: that may be a solver's image
        seen, again = physics.A_dagger(evidence.y), physics.A_dagger(evidence.measured_again)
        return mean_error(self.error, again / unit, seen / unit)
