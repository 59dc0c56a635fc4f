"""How visible a direction has to be to be of use: tied to the noise and to the error of the transformations."""

from dataclasses import dataclass

import torch

from nullsight.diagnosis.linearised import Linearised
from nullsight.diagnosis.verdict import FLOOR
from nullsight.groups.base import Family
from nullsight.noise.base import Noise
from nullsight.physics.base import LinearPhysics, like


@dataclass(frozen=True)
class Threshold:
    """The least eigenvalue that counts as visible, relative to the largest, and in words why."""

    value: float
    reason: str


def threshold(
    physics: LinearPhysics, group: Family, noise: Noise | None, *, contrast: float, largest: float
) -> Threshold:
    """Return the largest one of three thresholds.

    A direction of eigenvalue s gets the noise ``sigma / sqrt(s)``, which drowns it where that is above the images' own
    contrast: ``s < (sigma / contrast)^2``, held against the direction that one measurement sees best. Transformations
    that err by ``action_error`` carry that share of what is seen best into every direction: ``s < action_error^2`` of
    the largest. And noise grows a hundredfold at 1e-4.

    Args:
        physics: the operator, a nonlinear one as its Jacobian.
        group: its stated ``action_error`` counts.
        noise: of the measurements; None: noiseless.
        contrast: root mean square of what images have in one direction, in their unit.
        largest: eigenvalue of ``A^T A`` for one measurement, in the squared unit of the operator.
    """
    found = [Threshold(FLOOR, "noise and errors grow a hundredfold beyond it")]
    if group.action_error > 0:
        error = group.action_error
        found.append(Threshold(error**2, f"the squared error of the interpolated transformations, {error:.3g}"))
    if noise is not None and largest > 0:
        variance = _variance(physics, noise, contrast)
        share = min(1.0, variance / (largest * contrast**2))
        if share > 0:
            found.append(Threshold(share, f"noise of {variance**0.5:.3g} against images of {contrast:.3g}"))
    return max(found, key=lambda one: one.value)


@torch.no_grad()
def _variance(physics: LinearPhysics, noise: Noise, contrast: float) -> float:
    """Return the mean variance of what is measured of a flat image, or where a nonlinear operator was linearised."""
    if isinstance(physics, Linearised):
        y = physics.physics.A(physics.at)
    else:
        y = physics.A(torch.full((physics.samples or 1, *physics.image_shape), contrast).to(like(physics)))
    variance = noise.variance(y.clamp_min(0)).expand_as(y)
    return float((variance if physics.measured is None else variance[physics.measured.expand_as(y)]).mean())
