"""Total variation: forward differences, their transpose, and how channels share jumps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.reconstructors.problems import Regulariser
from nullsight.types import Image


def gradient(x: Image) -> Tensor:
    """Return forward differences along every axis, ``(batch, channels, axes, *space)``; 0 at the last entry.

    Example:
        >>> gradient(torch.tensor([[[1.0, 4.0, 2.0]]]))
        tensor([[[[ 3., -2.,  0.]]]])
    """
    out = x.new_zeros(*x.shape[:2], x.ndim - 2, *x.shape[2:])
    for k in range(x.ndim - 2):
        n = x.shape[2 + k] - 1
        out[:, :, k].narrow(2 + k, 0, n).copy_(x.narrow(2 + k, 1, n)).sub_(x.narrow(2 + k, 0, n))
    return out


def gradient_adjoint(p: Tensor) -> Image:
    """Return the transpose of :func:`gradient` (minus the divergence), ``(batch, channels, *space)``.

    Example:
        >>> gradient_adjoint(torch.tensor([[[[1.0, 0.0, 0.0]]]]))
        tensor([[[-1.,  1.,  0.]]])
    """
    x = torch.zeros_like(p[:, :, 0])
    for k in range(p.shape[2]):
        n = p.shape[3 + k] - 1
        flow = p[:, :, k].narrow(2 + k, 0, n)
        x.narrow(2 + k, 1, n).add_(flow)
        x.narrow(2 + k, 0, n).sub_(flow)
    return x


class Coupling(ABC):
    """Over which axes of ``(batch, channels, axes, *space)`` the length of a jump is taken."""

    @abstractmethod
    def length(self, p: Tensor) -> Tensor:
        """Return Euclidean lengths, with axes of 1 where they were taken."""


@dataclass(frozen=True)
class Separate(Coupling):
    """Every channel has jumps of its own: the sum over pixels and channels of ``|grad x_c|``."""

    def length(self, p: Tensor) -> Tensor:
        """Return the length over the axes, ``(batch, channels, 1, *space)``."""
        return _length(p, (2,))


@dataclass(frozen=True)
class Joint(Coupling):
    """All channels jump together: the sum over pixels of ``|(grad x_1, ..., grad x_C)|``, for colours or (re, im).

    Vectorial total variation, as in Bresson, Chan, "Fast dual minimization of the vectorial total variation norm and
    applications to color image processing", Inverse Problems and Imaging 2008. For complex images it does not depend
    on a common phase.
    """

    def length(self, p: Tensor) -> Tensor:
        """Return the length over channels and axes, ``(batch, 1, 1, *space)``."""
        return _length(p, (1, 2))


@dataclass(frozen=True)
class Anisotropic(Coupling):
    """Every difference between two pixels counts by itself: the sum of ``|d x|`` over channels and axes.

    Prefers edges along the axes. Unlike the isotropic forms, which see one corner of a pixel, it is invariant to flips
    and quarter turns exactly.
    """

    def length(self, p: Tensor) -> Tensor:
        """Return the sizes, in the shape of ``p``."""
        return p.abs()


SEPARATE = Separate()


@dataclass(frozen=True)
class Variation(Regulariser):
    """Total variation as a regulariser: K the gradient, F the sum of the lengths.

    Attributes:
        coupling: how channels share jumps.
    """

    coupling: Coupling = SEPARATE

    def analyse(self, x: Image) -> Tensor:
        """Return the gradient."""
        return gradient(x)

    def synthesise(self, p: Tensor) -> Image:
        """Return the gradient's transpose."""
        return gradient_adjoint(p)

    def bound(self, image_shape: tuple[int, ...]) -> float:
        """Return 4 for each axis."""
        return 4.0 * (len(image_shape) - 1)

    def settle(self, p: Tensor, step: float) -> Tensor:
        """Return the nearest vectors of length at most 1."""
        return p / self.coupling.length(p).clamp_min_(1)

    def value(self, x: Image) -> Tensor:
        """Return the total variation of every sample, ``(batch,)``."""
        return self.coupling.length(gradient(x)).flatten(1).sum(1)


def _length(p: Tensor, axes: tuple[int, ...]) -> Tensor:
    return p.square().sum(axes, keepdim=True).sqrt_()


COUPLINGS: dict[str, type[Coupling]] = {"separate": Separate, "joint": Joint, "anisotropic": Anisotropic}
