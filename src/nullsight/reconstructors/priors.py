"""What is known of images before they are measured: regularisers with their proximal maps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.constraints import Constraint, NonNegative
from nullsight.draws import Stream
from nullsight.linalg import conjugate_gradient, inner, linear_map, rounding
from nullsight.reconstructors.variation import gradient, gradient_adjoint
from nullsight.types import Image, Map

NON_NEGATIVE = NonNegative()
_MOST = 500  # steps of conjugate gradients; they end by their residual


class Prior(ABC):
    """What brings an image nearer to those that are likely, in units where a bright pixel is near 1."""

    @abstractmethod
    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the proximal point ``argmin step J(u) + |u - x|^2 / 2``, or what stands for it.

        Args:
            x: images ``(batch, channels, *space)``.
            step: > 0, of a shape that scales ``x``.
            stream: randomness, one a sample, for priors that need it.
        """


class Penalty(Prior):
    """A prior that is the proximal map of a function which can be told."""

    @abstractmethod
    def value(self, x: Image) -> Tensor:
        """Return ``J(x)`` of every sample, ``(batch,)``; infinity for an image that is not allowed."""


class Quadratic(Penalty):
    """``J(x) = <x, N x> / 2`` with a symmetric positive semi-definite N."""

    @abstractmethod
    def normal(self, x: Image) -> Image:
        """Return ``N x``."""

    def value(self, x: Image) -> Tensor:
        """Return half the squared norm."""
        return inner(x, self.normal(x)).flatten() / 2

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return ``(1 + step N)^-1 x``, by conjugate gradients."""
        return solved(lambda u: u + step * self.normal(u), x)


@dataclass(frozen=True)
class Size(Quadratic):
    """``|x|^2 / 2``: small values are likely.

    Example:
        >>> Size().value(torch.full((1, 1, 2), 2.0))
        tensor([4.])
    """

    def normal(self, x: Image) -> Image:
        """Return ``x``."""
        return x

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return ``x / (1 + step)``."""
        return x / (1 + step)


@dataclass(frozen=True)
class Roughness(Quadratic):
    """``|grad x|^2 / 2`` with forward differences: smooth images are likely.

    Example:
        >>> Roughness().value(torch.tensor([[[0.0, 2.0, 2.0]]]))
        tensor([2.])
    """

    def normal(self, x: Image) -> Image:
        """Return minus the Laplacian, with no flow over the border."""
        return gradient_adjoint(gradient(x))


@dataclass(frozen=True)
class Allowed(Penalty):
    """0 for the images of a convex set and infinity for others: the proximal map is the projection.

    Args:
        constraint: the set.
    """

    constraint: Constraint = NON_NEGATIVE

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the nearest image that is allowed."""
        return self.constraint.project(x)

    def value(self, x: Image) -> Tensor:
        """Return 0 or infinity."""
        away = (self.constraint.project(x) != x).flatten(1).any(1)
        return torch.where(away, torch.inf, torch.zeros(len(x), dtype=x.dtype, device=x.device))


def solved(apply: Map, b: Image) -> Image:
    """Return ``M^-1 b`` for a symmetric positive definite M, as far as the precision allows; its gradient is the same.

    Args:
        apply: M, a map of batches, without gradients of its own.
        b: right-hand sides, ``(batch, ...)``.
    """

    def solve(right: Image) -> Image:
        with torch.no_grad():
            return conjugate_gradient(apply, right, iterations=_MOST, tolerance=rounding(right.dtype))

    return linear_map(b, solve, solve)
