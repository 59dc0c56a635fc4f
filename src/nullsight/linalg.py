"""Linear algebra on maps instead of matrices; a vector is a batch ``(batch, ...)``, every row its own problem."""

from typing import Any

import torch
from torch import Tensor

from nullsight.types import Map


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its written adjoint, itself differentiable in turn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: Map, adjoint: Map) -> Tensor:
        ctx.maps = forward, adjoint
        return forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        forward, adjoint = ctx.maps
        return linear_map(grad, adjoint, forward), None, None


def linear_map(x: Tensor, forward: Map, adjoint: Map) -> Tensor:
    """Return ``forward(x)``; its gradient is ``adjoint`` as written, never what autograd would derive."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return forward(x)
    out: Tensor = _Linear.apply(x, forward, adjoint)  # type: ignore[no-untyped-call]
    return out


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of every row, shaped ``(batch, 1, ...)`` so that it scales ``a``."""
    product = (a * b).flatten(1).sum(1)
    return product.reshape(-1, *[1] * (a.ndim - 1))


def conjugate_gradient(
    apply: Map, b: Tensor, *, start: Tensor | None = None, iterations: int = 100, tolerance: float = 1e-6
) -> Tensor:
    """Solve ``M x = b`` for a symmetric positive semi-definite ``M``, each row of the batch by its own steps.

    From ``start = None`` (zero) the iterates stay in the range of ``M``, so for a singular, consistent system the limit
    is the solution of least norm.

    Args:
        apply: ``M``, a map of batches ``(batch, ...)`` to themselves.
        b: right-hand sides, ``(batch, ...)``.
        start: first iterate; None is zero.
        iterations: at most so many applications of ``M``.
        tolerance: a row is done when its residual is at most ``tolerance * |b|``.
    """
    x = torch.zeros_like(b) if start is None else start
    r = b if start is None else b - apply(x)
    p, rr = r, inner(r, r)
    bound = tolerance**2 * inner(b, b)
    for _ in range(iterations):
        going = rr > bound
        if not bool(going.any()):
            break
        q = apply(p)
        curvature = inner(p, q)
        going = going & (curvature > 0)
        step = torch.where(going, rr / curvature.where(curvature > 0, torch.ones_like(rr)), torch.zeros_like(rr))
        x, r = x + step * p, r - step * q
        new = inner(r, r)
        p = r + torch.where(going, new / rr.where(rr > 0, torch.ones_like(rr)), torch.zeros_like(rr)) * p
        rr = new
    return x


def power_iteration(apply: Map, start: Tensor, *, iterations: int = 30) -> Tensor:
    """Return the largest eigenvalue of a symmetric positive semi-definite map for each row of ``start``: ``(batch,)``.

    The Rayleigh quotient after ``iterations`` steps: a lower bound, typically within 1 % after 30.
    """
    x, value = start, inner(start, start)
    for _ in range(iterations):
        x = x / inner(x, x).clamp_min(torch.finfo(x.dtype).tiny).sqrt()
        moved = apply(x)
        value, x = inner(x, moved), moved
    return value.flatten()


def dense_matrix(apply: Map, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64, block: int = 512) -> Tensor:
    """Return the matrix ``(outputs, inputs)`` of a linear map of batches ``(batch, *shape)``."""
    size = int(torch.Size(shape).numel())
    eye = torch.eye(size, dtype=dtype)
    columns = [apply(rows.reshape(-1, *shape)).flatten(1) for rows in torch.split(eye, block)]
    return torch.cat(columns).T.contiguous()
