"""Stein's unbiased risk estimate: the error against the clean measurement, from the noisy one alone."""

from functools import partial

from torch import no_grad

from nullsight.losses.base import Evidence
from nullsight.losses.divergence import Divergence, FiniteDifference, root_mean_square, skewed
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.losses.risk import RiskEstimate
from nullsight.noise import Noise
from nullsight.types import InputError, Measurement, Scalar

FINITE_DIFFERENCE = FiniteDifference()


class SURE(RiskEstimate):
    """An estimate of ``|A f(y) - A x|^2`` that needs no clean measurement: for noise, in place of consistency.

    With ``h(y) = A f(y)`` and noise of variance ``gain * A x + sigma^2`` it is, over the m measured entries,

        ``(|h - y|^2 - sum_i v_i + 2 sum_i v_i dh_i/dy_i - 2 gain sigma^2 sum_i d^2h_i/dy_i^2) / m``

    with ``v = gain y + sigma^2``. For Gaussian noise its mean is exactly the error against the clean measurement, for
    every f (Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 1981). For
    Poisson noise Hudson's identity has differences of one count, ``h_i(y) - h_i(y - gain e_i)``, in the place of
    derivatives: exact where h is linear, to first order in the gain otherwise (Hudson, Annals of Statistics 1978; Le
    Montagner, Angelini, Olivo-Marin, "An unbiased risk estimator for image denoising in the presence of mixed
    Poisson-Gaussian noise", IEEE TIP 2014); :class:`~nullsight.losses.CountShifts` takes the differences themselves.
    With an equivariance term that measures with the same noise it is robust equivariant imaging: Chen, Tachella,
    Davies, "Robust equivariant imaging", CVPR 2022.

    Where sigma (and gain) are not known, ``noise = UnknownNoise(...)``: they become multipliers that keep the sums of
    derivatives at zero, ``min_f max_eta |h - y|^2 + 2 sum_i (eta_1 + eta_2 y_i) dh_i/dy_i``. The best such f loses to
    the best one with the level known: its mean squared error is ``MMSE / (1 - MMSE / sigma^2)`` for Gaussian noise, and
    eta ends above sigma^2 by the same factor. Tachella, Davies, Jacques, "UNSURE", ICLR 2025. Where both are unknown
    the second derivatives stay in the loss of f, at the levels of the moment, and move no level.

    Args:
        noise: of the measurements.
        divergence: how the sum of derivatives is estimated.
        step: of second derivatives, relative to the measurement, > 0; only with counts and electronic noise together.
        scaling: the unit.

    Raises:
        InputError: a step of 0 or less.

    Example:
        >>> from nullsight.groups import Rotations
        >>> from nullsight.losses import Equivariance
        >>> from nullsight.noise import Gaussian
        >>> noise = Gaussian(0.1)
        >>> (SURE(noise) + Equivariance(Rotations(360), noise)).names
        ['SURE', 'Equivariance']
    """

    def __init__(
        self,
        noise: Noise,
        divergence: Divergence = FINITE_DIFFERENCE,
        step: float = 0.05,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__(noise, divergence, scaling)
        if not step > 0:
            raise InputError(f"expected a step above 0 for second derivatives, but {step} came")
        self.step = step

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch, in squared units of the measurement."""
        y = evidence.y
        with no_grad():  # f does not move the level, which has an objective of its own
            variance, level = self.noise.variance_from(y), self.noise.levels()
        h = evidence.measured_again
        risk = (h - y).square() - variance + 2 * variance * self._diagonal(evidence)
        bend = 2 * float(level.gain) * float(level.sigma) ** 2
        if bend:
            risk = risk - bend * self._second_diagonal(evidence)
        return self._mean(risk, evidence)

    def _weighed(self, evidence: Evidence, r: Measurement) -> Measurement:
        return r

    def _second_diagonal(self, evidence: Evidence) -> Measurement:
        y, counted, again = evidence.y, self._counted(evidence), partial(self._weighed_again, evidence)
        length = self.step * root_mean_square(y, counted)
        b = skewed(y, counted, evidence.draws.of("sure second probes"))
        return b * (again(y + length * b) + again(y - length * b) - 2 * evidence.measured_again) / length**2
