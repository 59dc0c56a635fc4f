"""Equivariance of the whole chain f(A .): what teaches the null space."""

from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import MEAN_SQUARE, UNIT_NORM, Error, Scaling, mean_error
from nullsight.noise import Noise, Noiseless
from nullsight.types import InputError, Scalar

NOISELESS = Noiseless()


class Equivariance(Loss):
    """The error between ``x3 = f(A T_g x1 + noise)`` and ``x2 = T_g x1``, with ``x1 = f(y)``.

    With the defaults: the mean of ``(x3 - x2)^2 / scale^2``, one element g drawn per image and transform; the gradient
    goes through both. Chen, Tachella, Davies, "Equivariant Imaging", ICCV 2021, equation (5); with noise: the same,
    "Robust Equivariant Imaging", CVPR 2022.

    Args:
        group: the transformations that leave the set of images as it is.
        noise: what virtual measurements get: that of the real ones.
        transforms: how many elements are drawn per image and step, >= 1.
        error: how far two images are apart.
        scaling: their unit.

    Raises:
        InputError: fewer than one transform.

    Example:
        >>> import torch
        >>> from nullsight.groups.base import FiniteGroup
        >>> class Flip(FiniteGroup):
        ...     order = 2
        ...     def compose(self, g, h): return (g + h) % 2
        ...     def inverse(self, g): return g
        ...     def act(self, g, x): return torch.where(g.reshape(-1, 1, 1) == 1, x.flip(-1), x)
        ...     act_adjoint = act
        >>> (100 * Equivariance(Flip())).names
        ['Equivariance']
    """

    def __init__(
        self,
        group: Family,
        noise: Noise = NOISELESS,
        transforms: int = 1,
        error: Error = MEAN_SQUARE,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__()
        if transforms < 1:
            raise InputError(f"expected at least 1 transform a step, but {transforms} came")
        self.group, self.noise, self.transforms = group, noise, transforms
        self.error, self.scaling = error, scaling

    @property
    def detail(self) -> str:
        """The group's name."""
        return type(self.group).__name__

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        unit = self.scaling.image_unit(evidence)
        virtual = evidence.virtual(self.group, self.noise, self.transforms)
        return mean_error(self.error, virtual.x3 / unit, virtual.x2 / unit)
