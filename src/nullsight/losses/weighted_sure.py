"""Stein's risk estimate with weights: the inverse of the variance, and what the operator weighs its measurements by."""

import torch
from torch import Tensor

from nullsight.losses.base import Evidence
from nullsight.losses.divergence import Divergence, signs
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.losses.risk import RiskEstimate
from nullsight.losses.sure import FINITE_DIFFERENCE
from nullsight.noise import Noise
from nullsight.physics.base import LinearPhysics
from nullsight.physics.least_squares import Weighs
from nullsight.physics.weightings import Weighting, WhereKnown
from nullsight.types import InputError, Measurement, Scalar

WHERE_KNOWN = WhereKnown()


class WeightedSURE(RiskEstimate):
    """An estimate of ``(A f(y) - A x)^T Q (A f(y) - A x)``, Q from inverse variances, without a clean measurement.

    ``Q = D W D``: ``D^2 = u / v`` with the variances ``v = gain y + sigma^2``, u the one of the sample's mean
    measurement, and W the operator's own weighting, where ``weighting`` takes it (the ramp of tomography), else the
    identity. For an operator that is not linear W is that of its linear problem. :class:`SURE` has ``Q = I``: there
    rays that many photons pass count most, and what tomography dampens, the details, hardly counts. With ``h = A f(y)``
    and ``r = h - y``,

        ``r^T Q r - sum_i v_i Q_ii + 2 sum_i v_i (Q dh/dy_i)_i - gain sum_i ((Q r)_i + Q_ii r_i)``

    has that mean: Stein's identity for ``Q h`` (Eldar, "Generalized SURE for exponential families", IEEE Trans. Signal
    Processing 2009, for fixed weights). The last sum is there because D itself is made of the noisy y; with ``W = I``
    it means that h is compared with ``y + gain``, one count more. For Gaussian noise nothing is left out, where counts
    are in it the estimate is to first order in ``gain / v``: for counts of tens and more, where no second derivatives
    are needed either. Whatever positive weights are made of y, the best f is the same, the mean of x given y in the
    norm Q; they decide how an f that cannot be the best shares its errors out, and how noisy a step is.

    The value is in the unit of SURE's. Under the ramp it is about the mean square of the image error that ``A`` sees;
    for counts times about the square of the mean share of the photons that arrive.

    Args:
        noise: of the measurements; with :class:`~nullsight.noise.UnknownNoise` the weights are those of the moment.
        divergence: how the sum of derivatives is estimated.
        weighting: W.
        floor: variances below this share of u count as that share, > 0: few or negative counts are no certain ones.
        scaling: the unit.

    Raises:
        InputError: a floor of 0 or less.

    Example:
        >>> from nullsight.groups import Rotations
        >>> from nullsight.losses import Equivariance
        >>> from nullsight.noise import PoissonGaussian
        >>> noise = PoissonGaussian(gain=1.0, sigma=30.0)
        >>> (WeightedSURE(noise) + Equivariance(Rotations(360), noise)).names
        ['WeightedSURE', 'Equivariance']
    """

    def __init__(
        self,
        noise: Noise,
        divergence: Divergence = FINITE_DIFFERENCE,
        weighting: Weighting = WHERE_KNOWN,
        floor: float = 0.05,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__(noise, divergence, scaling)
        if not floor > 0:
            raise InputError(f"expected a floor above 0 for variances, but {floor} came: 0.05 of the mean one will do")
        self.weighting, self.floor = weighting, floor

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch."""
        y = evidence.y
        with torch.no_grad():  # f does not move the level, which has an objective of its own
            variance, gain = self.noise.variance_from(y), float(self.noise.levels().gain)
            b = signs(y, self._counted(evidence), evidence.draws.of("sure weights"))
            own = variance * b * self._weighed(evidence, b)
        r = evidence.measured_again - y
        weighed = self._weighed(evidence, r)
        risk = r * weighed - own + 2 * variance * self._diagonal(evidence)
        if gain:
            moved = torch.where(self._above(evidence), gain, 0.0).to(y)
            risk = risk - moved * (weighed + b * self._weighed(evidence, b * r))
        return self._mean(risk, evidence)

    def _weighed(self, evidence: Evidence, r: Measurement) -> Measurement:
        root, physics = self._root(evidence), evidence.physics
        linear = physics if isinstance(physics, LinearPhysics) else self._linear(evidence)
        weigh = self.weighting.of(linear)
        weighed = root * weigh(root * r)
        if isinstance(linear, Weighs) and weigh == linear.weigh:
            # A^T W A is near the identity: a mean over pixels, where the scaling is for one over entries of |A| = 1
            entries = self._counted(evidence).flatten(1).sum(1).reshape(-1, *[1] * (r.ndim - 1))
            return weighed * (entries * linear.norm() ** 2 / torch.Size(physics.image_shape).numel())
        return weighed

    def _linear(self, evidence: Evidence) -> LinearPhysics:
        with torch.no_grad():
            return evidence.once(("linear", id(self)), lambda: evidence.physics.linearize(evidence.y).physics)

    def _root(self, evidence: Evidence) -> Tensor:
        """Return the diagonal of D; 0 where nothing is measured."""

        def make() -> Tensor:
            with torch.no_grad():
                usual = self._usual(evidence)
                variance = self.noise.variance_from(evidence.y)
                root = (usual / torch.maximum(variance, self.floor * usual)).sqrt()
                root = torch.where(usual > 0, root, torch.ones_like(root))  # without noise all entries weigh alike
                return torch.where(self._counted(evidence), root, torch.zeros_like(root))

        return evidence.once(("weights", id(self)), make)

    def _above(self, evidence: Evidence) -> Tensor:
        usual = self._usual(evidence)
        return (self.noise.variance_from(evidence.y) > self.floor * usual) & (usual > 0)

    def _usual(self, evidence: Evidence) -> Tensor:
        """Return u, the variance of each sample's mean measurement, ``(batch, 1, ...)``; 0 where there is no noise."""
        y, counted = evidence.y, self._counted(evidence)
        entries = counted.flatten(1).sum(1).clamp_min(1)
        mean = torch.where(counted, y, torch.zeros_like(y)).flatten(1).sum(1) / entries
        return self.noise.variance(mean.reshape(-1, *[1] * (y.ndim - 1)))
