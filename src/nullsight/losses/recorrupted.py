"""Two noisy measurements out of one: f sees the first, the second judges."""

from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import UNIT_NORM, Scaling, mean_over
from nullsight.noise import Recorruption
from nullsight.types import Measurement, Scalar, where_measured


class Recorrupted(Loss):
    """``|A f(y1) - y2|^2`` less the noise of ``y2``: the error against the clean measurement of an f that sees y1.

    The two are independent given the image, so the mean is exact for every f, without derivatives; f is one for
    somewhat noisier measurements, and its mean over several recorruptions, in use, is better than one pass of y:
    :class:`~nullsight.reconstructors.RecorruptedAverage`.

    Args:
        recorruption: how y becomes two.
        scaling: the unit.

    Example:
        >>> from nullsight.noise import GaussianPair
        >>> Recorrupted(GaussianPair(0.1)).needs_truth
        False
    """

    def __init__(self, recorruption: Recorruption, scaling: Scaling = UNIT_NORM) -> None:
        super().__init__()
        self.recorruption, self.scaling = recorruption, scaling

    @property
    def detail(self) -> str:
        """The recorruption's name."""
        return type(self.recorruption).__name__

    def pair(self, evidence: Evidence) -> tuple[Measurement, Measurement]:
        """Return what f sees and what it is compared with, ``(batch, *measurement_shape)``; 0 where not measured."""
        seen, judged = self.recorruption.pair(evidence.y, evidence.draws.of("recorruption"))
        measured = evidence.physics.measured
        return where_measured(seen, measured), where_measured(judged, measured)

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch, in squared units of the measurement."""
        seen, judged = self.pair(evidence)
        x = evidence.reconstruct(seen, evidence.physics, draws=evidence.draws.later())
        risk = (evidence.physics.A(x) - judged).square() - self.recorruption.excess(evidence.y)
        return mean_over(risk, self.scaling.counted(evidence)) / self.scaling.measurement_unit(evidence) ** 2
