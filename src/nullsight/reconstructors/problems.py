"""What a variational method solves, and what it returns."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.constraints import Constraint
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.weightings import Weighting
from nullsight.reconstructors.base import bright
from nullsight.reconstructors.fits import Fit
from nullsight.types import Image, InputError, Measurement


class Regulariser(ABC):
    """A convex function ``R(x) = F(K x)`` with a linear K, of images in which a bright pixel is near 1."""

    @abstractmethod
    def analyse(self, x: Image) -> Tensor:
        """Return ``K x``, batch first, as a new tensor."""

    @abstractmethod
    def synthesise(self, p: Tensor) -> Image:
        """Return ``K^T p``, as a new tensor."""

    @abstractmethod
    def bound(self, image_shape: tuple[int, ...]) -> float:
        """Return ``|K|^2`` or a bound from above."""

    @abstractmethod
    def settle(self, p: Tensor, step: float) -> Tensor:
        """Return the proximal point of ``step`` times the conjugate of F: where F is a norm, a projection."""

    @abstractmethod
    def value(self, x: Image) -> Tensor:
        """Return ``R(x)`` of every sample, ``(batch,)``."""


@dataclass(frozen=True)
class Problem:
    """Minimise ``R(x) + h(y - A x)`` over allowed images x.

    Attributes:
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator A.
        regulariser: R.
        fit: h.
        constraint: which images are allowed.
        weighting: W, the metric of the iteration; the solution does not depend on it.
        scale: intensity of a bright pixel of each sample, ``(batch,)``, which the fit counts in.
    """

    y: Measurement
    physics: LinearPhysics
    regulariser: Regulariser
    fit: Fit
    constraint: Constraint
    weighting: Weighting
    scale: Tensor

    def in_units(self) -> "Problem":
        """Return the same problem for images divided by ``scale``."""
        return replace(self, y=self.y / along(self.scale, self.y))

    def take(self, rows: Tensor) -> "Problem":
        """Return the problem of some samples."""
        return replace(self, y=self.y[rows], physics=self.physics.take(rows.tolist()), scale=self.scale[rows])


@dataclass(frozen=True)
class Solution:
    """Images and how far their iterations came, each sample for itself.

    Attributes:
        x: the images, ``(batch, *image_shape)``.
        iterations: that were taken, ``(batch,)``.
        residual: the largest relative residual at the end, ``(batch,)``.
        misfit: ``|A x - y| / |y|``, ``(batch,)``; 0 for ``y = 0``.
        converged: whether the residual is within the tolerance, ``(batch,)``.
    """

    x: Image
    iterations: Tensor
    residual: Tensor
    misfit: Tensor
    converged: Tensor


def brightness(images: Image) -> Tensor:
    """Return the 99.9th percentile of ``|x|`` of every image, ``(batch,)``; 1 for an image of zeros.

    Raises:
        InputError: an image that is not finite.
    """
    top = torch.stack([bright(image) for image in images])
    if not bool(torch.isfinite(top).all()):
        raise InputError("expected measurements whose A_dagger y is finite, but NaN or infinity came: check the data")
    return torch.where(top > 0, top, torch.ones_like(top)).to(images.dtype)


def along(value: Tensor, like: Tensor) -> Tensor:
    """Return one number a sample shaped so that it scales ``like``."""
    return value.reshape(-1, *[1] * (like.ndim - 1))


def linear(physics: Physics) -> LinearPhysics:
    """Return the operator itself; InputError where it is not linear."""
    if not isinstance(physics, LinearPhysics):
        raise InputError(
            f"expected a linear physics, but {type(physics).__name__} came: a variational method needs its transpose"
        )
    return physics
