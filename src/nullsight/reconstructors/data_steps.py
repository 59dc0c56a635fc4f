"""Which way, and how far, an iteration goes towards the measurements: one value for each choice."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.linalg import inner, positive, rounding
from nullsight.physics.base import LinearPhysics, Physics, misfit_seen
from nullsight.physics.linearized import linear_problem
from nullsight.physics.weightings import Weighting, WhereKnown
from nullsight.types import Image, InputError, Map, Measurement


class DataStep(ABC):
    """A direction in image units: subtracting it from ``u`` once is a step of natural length."""

    @abstractmethod
    def direction(self, u: Image, y: Measurement, physics: Physics) -> Image:
        """Return the direction at ``u``, ``(batch, *image_shape)``."""


@dataclass(frozen=True)
class LeastSquares(DataStep):
    """The gradient of ``E(u) = |A(u) - y|^2 / 2`` divided by ``|A|^2``.

    For a linear physics ``A^T (A u - y)``; for another the same by automatic differentiation of ``A``, not linearised,
    and ``|A|`` is what ``physics.norm()`` says.
    """

    def direction(self, u: Image, y: Measurement, physics: Physics) -> Image:
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

    def direction(self, u: Image, y: Measurement, physics: Physics) -> Image:
        """Return ``2 / (1 + physics.dagger_gain()) (A_dagger A(u) - A_dagger y)``."""
        return misfit_seen(physics, u, y) * (2 / (1 + physics.dagger_gain()))


WHERE_KNOWN = WhereKnown()


@dataclass(frozen=True)
class ConjugateGradients(DataStep):
    """A few steps of conjugate gradients from ``u`` on ``A^T W A x = A^T W y``: strong consistency with the data.

    ``u`` minus the direction is the k-th iterate, which minimises ``|W^(1/2) (A x - y)|`` over ``u`` plus the Krylov
    space of the first residual; in exact arithmetic the part of ``u`` in the null space of A never changes. One step is
    exact where ``A^T W A`` is a projection (masks, unitary operators); with the ramp as W five are better for
    tomography than ten without. For a nonlinear physics A, y and weights D are those of ``linearize``, and
    ``D^(1/2) W D^(1/2)`` is in the place of W: with ``Unweighed()`` D alone. Differentiated step by step (a few images
    of memory each), D as a constant. As the data steps of Aggarwal, Mani, Jacob, "MoDL", IEEE TMI 2019, without the
    penalty. Samples that fit to within rounding stay as they are.

    Args:
        iterations: applications of A and of its transpose, >= 1.
        weighting: W; by default the operator's own where it has one.

    Raises:
        InputError: fewer than 1 iteration, or an operator that is not linear and cannot be linearised.
    """

    iterations: int = 3
    weighting: Weighting = WHERE_KNOWN

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise InputError(f"expected at least 1 iteration of conjugate gradients, but {self.iterations} came")

    def direction(self, u: Image, y: Measurement, physics: Physics) -> Image:
        """Return ``u`` minus the k-th iterate."""
        y, linear = linear_problem(y, physics)
        weigh, adjoint = self.weighting.of(linear), linear.A_adjoint
        misfit = linear.A(u) - y
        small = rounding(y.dtype) ** 2
        going = (inner(misfit, misfit) > small * inner(y, y)).reshape(-1, *[1] * (u.ndim - 1))
        b = adjoint(weigh(misfit))
        return _krylov(lambda v: adjoint(weigh(linear.A(v))), b, going, self.iterations, small)


LEAST_SQUARES = LeastSquares()

TABLE: dict[str, type[DataStep]] = {
    "least_squares": LeastSquares,
    "preconditioned": Preconditioned,
    "conjugate_gradients": ConjugateGradients,
}


def _krylov(apply: Map, b: Image, going: Tensor, iterations: int, small: float) -> Image:
    """Return the iterate of conjugate gradients for ``M x = b`` from zero, a fixed number of steps, differentiable.

    Rows that are not ``going``, or done, stay where they are: what is left of their residual is rounding, a part of it
    in the null space, where the next step would be of any length.
    """
    x, r, p = torch.zeros_like(b), b, b
    size = inner(r, r)
    bound, nothing = small * size, torch.zeros_like(size)
    for k in range(iterations):
        q = apply(p)
        curvature = inner(p, q)
        going = going & (curvature > 0) & (size > 0)
        step = torch.where(going, size / positive(curvature), nothing)
        x = x + step * p
        if k == iterations - 1:
            break
        r = r - step * q
        new = inner(r, r)
        p, size = r + torch.where(going, new / positive(size), nothing) * p, new
        going = going & (size > bound)
    return x


def _gradient(u: Image, y: Measurement, physics: Physics) -> Image:
    """Return ``J(u)^T (A(u) - y)``, itself differentiable where gradients are on, and right where they are off."""
    keep = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        point = u if keep and u.requires_grad else u.clone().requires_grad_()
        measured = physics.A(point)
        (gradient,) = torch.autograd.grad(measured, point, measured - y, create_graph=keep)
    return gradient
