"""Stein's unbiased risk estimate: the error against the clean measurement, from the noisy one alone."""

from functools import partial

import torch
from torch import Tensor

from nullsight.losses.base import Evidence, Loss, Player
from nullsight.losses.divergence import Divergence, FiniteDifference, root_mean_square, skewed
from nullsight.losses.errors import UNIT_NORM, Scaling, mean_over
from nullsight.noise import Noise, UnknownNoise
from nullsight.types import InputError, Measurement, Scalar

FINITE_DIFFERENCE = FiniteDifference()


class SURE(Loss):
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
        super().__init__()
        if not step > 0:
            raise InputError(f"expected a step above 0 for second derivatives, but {step} came")
        self.noise, self.divergence, self.step, self.scaling = noise, divergence, step, scaling

    @property
    def detail(self) -> str:
        """The noise's name."""
        return type(self.noise).__name__

    @property
    def chooses(self) -> bool:  # type: ignore[override]
        """Whether its values can be compared over time: not while the level itself moves."""
        return not isinstance(self.noise, UnknownNoise)

    @property
    def learned(self) -> dict[str, float]:
        """The level of the moment, where it is unknown, in the measurement's unit."""
        if not isinstance(self.noise, UnknownNoise):
            return {}
        with torch.no_grad():
            return {name: float(value) for name, value in self.noise.levels()._asdict().items() if float(value)}

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch, in squared units of the measurement."""
        y = evidence.y
        with torch.no_grad():  # f does not move the level, which has an objective of its own
            variance, level = self.noise.variance_from(y), self.noise.levels()
        h = evidence.measured_again
        risk = (h - y).square() - variance + 2 * variance * self._diagonal(evidence)
        bend = 2 * float(level.gain) * float(level.sigma) ** 2
        if bend:
            risk = risk - bend * self._second_diagonal(evidence)
        return self._mean(risk, evidence)

    def objective(self, evidence: Evidence) -> Scalar:
        """Return what an unknown level minimises: minus twice the sum of variances times derivatives, f fixed."""
        return -2 * self._mean(self.noise.variance_from(evidence.y) * self._diagonal(evidence).detach(), evidence)

    def players(self) -> tuple[Player, ...]:
        """Return the noise where its level is unknown."""
        if not isinstance(self.noise, UnknownNoise):
            return ()
        return (Player(self.noise, self.objective, self.noise.learning_rate),)

    def _diagonal(self, evidence: Evidence) -> Tensor:
        def estimate() -> Tensor:
            stream, again = evidence.draws.of("sure probes"), partial(_measure_again, evidence)
            return self.divergence.diagonal(again, evidence.y, evidence.measured_again, self._counted(evidence), stream)

        return evidence.once(("diagonal", id(self)), estimate)

    def _second_diagonal(self, evidence: Evidence) -> Tensor:
        y, counted, again = evidence.y, self._counted(evidence), partial(_measure_again, evidence)
        length = self.step * root_mean_square(y, counted)
        b = skewed(y, counted, evidence.draws.of("sure second probes"))
        return b * (again(y + length * b) + again(y - length * b) - 2 * evidence.measured_again) / length**2

    def _counted(self, evidence: Evidence) -> Tensor:
        counted = self.scaling.counted(evidence)
        whole = torch.ones_like(evidence.y, dtype=torch.bool)
        return whole if counted is None else counted & whole

    def _mean(self, values: Tensor, evidence: Evidence) -> Scalar:
        return mean_over(values, self.scaling.counted(evidence)) / self.scaling.measurement_unit(evidence) ** 2


def _measure_again(evidence: Evidence, y: Measurement) -> Measurement:
    # with the same draws, so that what is random in f stays as it was; evidence.start belongs to evidence.y alone
    return evidence.physics.A(evidence.reconstruct(y, evidence.physics, draws=evidence.draws))
