"""How f treats images that are known: its own, and its own transformed, measured again."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.evaluation.base import Reconstruct
from nullsight.groups.base import Family, Trivial
from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.types import Image


@dataclass(frozen=True)
class Cycles:
    """What becomes of reconstructions that are measured again, with fresh noise where there is noise.

    ``x1 = f(y)``, ``x2 = T_g x1``, ``x3 = f(A x2)``. All are ratios of root mean squares over images and
    transformations, 0 at best; noise that f does not remove is part of them. They say whether f is consistent with
    itself, which a smooth or wrong f may be too.

    Attributes:
        equivariance: ``|f(A T_g x1) - T_g f(A x1)| / |T_g f(A x1)|``: whether ``f after A`` is equivariant.
        fixed_point: ``|x3 - x2| / |x2|``: whether f finds images that it would make, turned.
        repeated: ``|f(A x1) - x1| / |x1|``: the same without a transformation.
    """

    equivariance: float
    fixed_point: float
    repeated: float

    def lines(self) -> list[str]:
        """Return the findings as lines of text."""
        return [
            f"equivariance error |f(A T_g x1) - T_g f(A x1)| = {self.equivariance:.3g} of |T_g f(A x1)|; 0 where A "
            f"and f together follow the transformations",
            f"fixed point |f(A x2) - x2| = {self.fixed_point:.3g} of |x2| = |T_g x1|, and |f(A x1) - x1| = "
            f"{self.repeated:.3g} of |x1|; about 0 where f makes such images again, noise aside",
        ]


@torch.no_grad()
def cycles(
    reconstruct: Reconstruct,
    x1: Image,
    physics: Physics,
    noise: Noise,
    group: Family | None = None,
    *,
    transforms: int = 2,
    seed: int = 0,
) -> Cycles:
    """Measure reconstructions and their transformed copies again, and reconstruct those measurements.

    The identity behind it is that of Chen, Tachella, Davies, "Equivariant Imaging" (ICCV 2021), Section 3.2.

    Args:
        reconstruct: f, of measurements and their operator.
        x1: ``f(y)``, ``(batch, *physics.image_shape)``.
        physics: one operator for all or one a sample.
        noise: fresh draws of it are added.
        group: of transformations; None: the identity alone.
        transforms: how many are drawn for each image.
        seed: of transformations and noise.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> from nullsight.noise import Noiseless
        >>> from nullsight.physics import Inpainting
        >>> physics, x = Inpainting((1, 4, 4), torch.ones(4, 4)), torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> cycles(lambda y, A: y, x, physics, Noiseless(), QuarterTurns()).equivariance
        0.0
    """
    family = Trivial() if group is None else group
    draws = Draws(seed, 0, tuple(range(len(x1))))
    again = reconstruct(_measured(x1, physics, noise, draws, "first cycle"), physics).to(x1)
    many, several = draws.repeat(transforms), physics.repeat(transforms)
    tiles = [1] * (x1.ndim - 1)
    g = family.sample(many.of("cycle"))
    x2 = family.act(g, x1.repeat(transforms, *tiles))
    x3 = reconstruct(_measured(x2, several, noise, many, "second cycle"), several).to(x1)
    turned = family.act(g, again.repeat(transforms, *tiles))
    return Cycles(_ratio(x3 - turned, turned), _ratio(x3 - x2, x2), _ratio(again - x1, x1))


def _measured(x: Image, physics: Physics, noise: Noise, draws: Draws, term: str) -> Tensor:
    return noise.observe(physics.A(x), physics.measured, draws.of(term))


def _ratio(part: Tensor, whole: Tensor) -> float:
    return float(part.double().norm() / whole.double().norm().clamp_min(torch.finfo(torch.float64).tiny))
