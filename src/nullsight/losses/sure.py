"""Stein's unbiased risk estimate: the error against the clean measurement, from the noisy one alone."""

from dataclasses import replace

import torch
from torch import Tensor

from nullsight.losses.base import Evidence, Loss
from nullsight.losses.divergence import Divergence, FiniteDifference, root_mean_square, signs
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.noise import Noise
from nullsight.physics.splits import measured_entries
from nullsight.types import Measurement, Scalar

FINITE_DIFFERENCE = FiniteDifference()


class SURE(Loss):
    """An estimate of ``|A f(y) - A x|^2`` that needs no clean measurement: for noise, in place of consistency.

    With ``h(y) = A f(y)`` and noise of variance ``gain * A x + sigma^2``, over the m measured entries,

        ``(|h - y|^2 - sum_i v_i + 2 sum_i v_i dh_i/dy_i - 2 gain sigma^2 sum_i d^2h_i/dy_i^2) / m``,  ``v = gain y + sigma^2``.

    For Gaussian noise its mean is exactly the error against the clean measurement, for every f (Stein, "Estimation of
    the mean of a multivariate normal distribution", Annals of Statistics 1981). For Poisson noise Hudson's identity has
    differences of one count, ``h_i(y) - h_i(y - gain e_i)``, in the place of derivatives: exact where h is linear, to
    first order in the gain otherwise (Hudson, Annals of Statistics 1978; Le Montagner, Angelini, Olivo-Marin, "An
    unbiased risk estimator for image denoising in the presence of mixed Poisson-Gaussian noise", IEEE TIP 2014). With
    an equivariance term that measures with the same noise it is robust equivariant imaging: Chen, Tachella, Davies,
    "Robust equivariant imaging", CVPR 2022.

    Args:
        noise: of the measurements.
        divergence: how the sum of derivatives is estimated.
        step: of second derivatives, relative to the measurement, > 0; only with counts and electronic noise together.
        scaling: the unit.

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
        self.noise, self.divergence, self.step, self.scaling = noise, divergence, step, scaling

    @property
    def detail(self) -> str:
        """The noise's name."""
        return type(self.noise).__name__

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch, in squared units of the measurement."""
        counted = self.scaling.counted(evidence)
        weight = torch.ones_like(evidence.y) if counted is None else counted.expand(evidence.y.shape).to(evidence.y)
        size = weight.flatten(1).sum(1).clamp_min(1)
        unit = self.scaling.measurement_unit(evidence)
        return (self._risk(evidence, weight) / size).mean() / unit**2

    def _risk(self, evidence: Evidence, weight: Tensor) -> Tensor:
        y, noise = evidence.y, self.noise

        def measured_again(z: Measurement) -> Measurement:
            # start is what f begins with on y itself; the same draws, so that what is random in f stays as it was
            f = evidence.reconstruct(z, evidence.physics, draws=evidence.draws)
            return evidence.physics.A(f)

        h = evidence.physics.A(evidence.x1)
        variance = weight * noise.variance_from(y)
        risk = (weight * (h - y).square() - variance).flatten(1).sum(1)
        if bool((variance != 0).any()):
            stream = evidence.draws.of("sure probes")
            risk = risk + 2 * self.divergence.of(measured_again, y, h, variance, stream)
        if noise.gain and noise.sigma:
            length = self.step * root_mean_square(y, weight)
            b = signs(y, weight, evidence.draws.of("sure second probes"))
            bent = measured_again(y + length * b) + measured_again(y - length * b) - 2 * h
            risk = risk - 2 * noise.gain * noise.sigma**2 * (b * bent / length**2).flatten(1).sum(1)
        return risk
