"""The check of an estimate of risk: over many noises it has the true error as its mean."""

from collections.abc import Callable

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.losses.base import Evidence, Loss, Reconstruct
from nullsight.losses.errors import mean_over
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.types import Image, Measurement, Scalar


def assert_unbiased(
    loss: Loss,
    noise: Noise,
    physics: Physics,
    x: Image,
    reconstruct: Reconstruct,
    *,
    seen: Callable[[Evidence], Measurement] | None = None,
    error: Callable[[Evidence, Measurement], Scalar] | None = None,
    bias: float = 0.0,
    count: int = 20_000,
    width: float = 0.05,
) -> None:
    """Check that a loss is, in the mean over noise, the squared error of ``A f(y)`` against the clean measurement.

    Args:
        loss: the estimate, of unit norm as :class:`~nullsight.losses.SURE` is by default.
        noise: that the measurements get.
        physics: one operator for all.
        x: one image, ``(1, *image_shape)``.
        reconstruct: f.
        seen: what f sees, where that is not ``evidence.y``.
        error: what is estimated, from the evidence and the clean measurements; None: the mean square over the measured
            entries, in the unit of :class:`~nullsight.losses.UnitNorm`.
        bias: the mean of estimate minus error that is known and allowed for.
        count: how many noisy measurements, a multiple of 100.
        width: largest half width of the confidence interval (four standard errors), relative to the mean error: above
            it the check says nothing, and fails.

    Example:
        >>> from nullsight.losses import SURE
        >>> from nullsight.noise import Gaussian
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics, noise = Inpainting((1, 3), torch.tensor([1, 0, 1])), Gaussian(0.5)
        >>> half = lambda y, physics, start=None, draws=None: y / 2
        >>> assert_unbiased(SURE(noise), noise, physics, torch.ones(1, 1, 3), half, count=10_000, width=0.1)
    """
    clean = physics.A(x)
    gaps, errors = [], []
    for first in range(0, count, 100):
        ids = tuple(range(first, first + 100))
        many = clean.expand(100, *clean.shape[1:])
        y = noise.observe(many, physics.measured, Draws(1, 0, ids).of("measurement"))
        evidence = Evidence(y, physics, torch.tensor(ids), Draws(0, 0, ids), 0.0, reconstruct)
        with torch.no_grad():
            estimate = loss(evidence)
            again = physics.A(evidence.x1 if seen is None else reconstruct(seen(evidence), physics))
            true = mean_over((again - many).square(), physics.measured) / (physics.norm() or 1.0) ** 2
            if error is not None:
                true = error(evidence, many)
        gaps.append(estimate - true)
        errors.append(true)
    _check(torch.stack(gaps).double() - bias, float(torch.stack(errors).mean()), width)


def _check(gaps: Tensor, error: float, width: float) -> None:
    mean, half = float(gaps.mean()), 4 * float(gaps.std()) / len(gaps) ** 0.5
    assert half <= width * error, (
        f"the mean should be known to {width:.0%} of the error {error:.4g}, it is to {half / error:.1%}: draw more"
    )
    assert abs(mean) <= half, f"the estimate should be the error {error:.4g} in the mean, it is off by {mean:.3g}"
