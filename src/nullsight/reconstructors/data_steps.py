"""Which way, and how far, an iteration goes towards the measurements: one value for each choice."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from nullsight.physics.base import LinearPhysics, Physics
from nullsight.types import Image, Measurement


class DataStep(ABC):
    """A direction in image units: subtracting it from ``u`` once is a step of natural length."""

    @abstractmethod
    def direction(self, u: Image, y: Measurement, physics: Physics, start: Image) -> Image:
        """Return the direction at ``u``, ``(batch, *image_shape)``; ``start`` is ``A_dagger y``."""


@dataclass(frozen=True)
class LeastSquares(DataStep):
    """The gradient of ``E(u) = |A(u) - y|^2 / 2`` divided by ``|A|^2``.

    For a linear physics ``A^T (A u - y)``; for another the same by automatic differentiation of ``A``, and ``|A|`` is
    what ``physics.norm()`` says.
    """

    def direction(self, u: Image, y: Measurement, physics: Physics, start: Image) -> Image:
        """Return ``grad E(u) / |A|^2``."""
        if isinstance(physics, LinearPhysics):
            gradient = physics.A_adjoint(physics.A(u) - y)
        else:
            gradient = _gradient(u, y, physics)
        return gradient / physics.norm() ** 2


@dataclass(frozen=True)
class Preconditioned(DataStep):
    """``2 / (1 + c) (A_dagger A(u) - A_dagger y)``: the residual seen through the approximate inverse.

    c is the largest stretch of ``A_dagger A`` (``physics.dagger_gain()``), 1 for an exact inverse, most others being
    near 1: the factor is then the best fixed step of a Richardson iteration (for eigenvalues from 1 to c). With
    filtered back-projection this is the gradient on ramp-weighted equations, which converges several times faster than
    the plain one. Serves nonlinear physics too.
    """

    def direction(self, u: Image, y: Measurement, physics: Physics, start: Image) -> Image:
        """Return ``2 / (1 + physics.dagger_gain()) (A_dagger A(u) - start)``."""
        return (physics.A_dagger(physics.A(u)) - start) * (2 / (1 + physics.dagger_gain()))


LEAST_SQUARES = LeastSquares()

TABLE: dict[str, type[DataStep]] = {"least_squares": LeastSquares, "preconditioned": Preconditioned}


def _gradient(u: Image, y: Measurement, physics: Physics) -> Image:
    """Return ``J(u)^T (A(u) - y)``, itself differentiable where gradients are on, and right where they are off."""
    keep = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        point = u if keep and u.requires_grad else u.clone().requires_grad_()
        measured = physics.A(point)
        (gradient,) = torch.autograd.grad(measured, point, measured - y, create_graph=keep)
    return gradient
