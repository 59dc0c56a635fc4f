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


def least_squares(
    forward: Map, adjoint: Map, y: Tensor, *, iterations: int = 200, tolerance: float | None = None
) -> Tensor:
    """Return the least-norm ``x`` that minimises ``|A x - y|``, each row of the batch by its own steps.

    Conjugate gradients for least squares (Hestenes and Stiefel, 1952): as conjugate gradients on ``A^T A x = A^T y``,
    but the residual is kept in the measurements, so rounding does not enter with the squared condition number. Where
    all rows are done within the iterations, the gradient is that of the pseudo-inverse, by the same steps on ``A^T``;
    otherwise the steps are taken again and differentiated one by one (memory: a few images a step).

    Args:
        forward: ``A``, a map of batches.
        adjoint: ``A^T``.
        y: right-hand sides, ``(batch, ...)``.
        iterations: at most so many applications of ``A`` and of ``A^T``.
        tolerance: a row is done when ``|A^T (A x - y)|`` or ``|A x - y|`` has fallen by this factor; None is 1e-6 in
            float32 and 1e-11 in float64.

    Example:
        >>> double = lambda value: 2 * value
        >>> least_squares(double, double, torch.ones(1, 3))
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    small = rounding(y.dtype) if tolerance is None else tolerance

    def solve(there: Map, back: Map, b: Tensor) -> tuple[Tensor, bool]:
        return _cgls(lambda v: linear_map(v, there, back), lambda v: linear_map(v, back, there), b, iterations, small)

    with torch.no_grad():
        x, done = solve(forward, adjoint, y)
    if not (torch.is_grad_enabled() and y.requires_grad):
        return x
    if not done:
        return solve(forward, adjoint, y)[0]
    known = [x]  # the steps are not taken again for the first gradient, only for a second one
    return linear_map(
        y,
        lambda b: known.pop() if known else solve(forward, adjoint, b)[0],
        lambda b: solve(adjoint, forward, b)[0],
    )


def _cgls(forward: Map, adjoint: Map, y: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, bool]:
    r, s = y, adjoint(y)
    x, p = torch.zeros_like(s), s
    size, left = inner(s, s), inner(y, y)
    bound, enough = tolerance**2 * size, tolerance**2 * left
    going = size > bound
    for _ in range(iterations):
        if not bool(going.any()):
            break
        q = forward(p)
        curvature = inner(q, q).reshape(size.shape)
        step = torch.where(going & (curvature > 0), size / positive(curvature), torch.zeros_like(size))
        x, r = x + step * p, r - step.reshape(left.shape) * q
        s, left = adjoint(r), inner(r, r)
        new = inner(s, s)
        p = s + new / positive(size) * p
        size = torch.where(going, new, size)
        going = going & (size > bound) & (left > enough).reshape(size.shape)
    return x, not bool(going.any())


def rounding(dtype: torch.dtype) -> float:
    """Return the share of a residual below which an iteration in this precision gains nothing: 1e-6 or 1e-11."""
    return 1e-11 if dtype == torch.float64 else 1e-6


def positive(value: Tensor) -> Tensor:
    """Return ``value`` with 1 wherever it is not above 0, to divide by."""
    return torch.where(value > 0, value, torch.ones_like(value))


def power_iteration(apply: Map, start: Tensor, *, iterations: int = 30) -> Tensor:
    """Return the largest eigenvalue of a symmetric positive semi-definite map for each row of ``start``: ``(batch,)``.

    The Rayleigh quotient after ``iterations`` steps: a lower bound. :func:`largest_eigenvalue` comes closer for the
    same work; this one needs the memory of two vectors only.
    """
    x, value = start, inner(start, start)
    for _ in range(iterations):
        x = x / inner(x, x).clamp_min(torch.finfo(x.dtype).tiny).sqrt()
        moved = apply(x)
        value, x = inner(x, moved), moved
    return value.flatten()


def lanczos(apply: Map, start: Tensor, *, steps: int = 30) -> tuple[Tensor, Tensor]:
    """Return the tridiagonal matrix that a symmetric map has on the Krylov space of each row of ``start``.

    All earlier vectors are kept and removed again at each step (full reorthogonalisation, twice), so no eigenvalue
    appears as a copy of itself: memory is that of ``steps`` vectors. A row whose Krylov space ends early gets zeros.

    Args:
        apply: the symmetric map of batches ``(batch, ...)``.
        start: first vectors, ``(batch, ...)``, not zero.
        steps: size of the tridiagonal matrix, at most.

    Returns:
        The diagonal ``(batch, steps)`` and the off-diagonal ``(batch, steps - 1)``.
    """
    diagonal, beside, _ = _krylov(apply, start, steps)
    return diagonal, beside


def function_of_map(apply: Map, function: Map, x: Tensor, *, steps: int = 100) -> Tensor:
    """Return ``function(M) x`` for a symmetric map M, from the Krylov space of each row of ``x``.

    ``|x| V function(T) e_1`` with the Lanczos vectors V and their tridiagonal matrix T: exact where M has at most
    ``steps`` different eigenvalues in x (Saad, "Analysis of some Krylov subspace approximations to the matrix
    exponential operator", SIAM J. Numer. Anal. 29(1), 1992, has the approximation for any function).

    Args:
        apply: M, a map of batches ``(batch, ...)``.
        function: of the eigenvalues, ``(batch, steps)`` float64.
        x: vectors, ``(batch, ...)``.
        steps: applications of M, at most; memory is that of so many vectors.

    Example:
        >>> double = lambda value: 2 * value
        >>> function_of_map(double, torch.square, torch.ones(1, 3)).round()
        tensor([[4., 4., 4.]])
    """
    diagonal, beside, basis = _krylov(apply, x, steps)
    small = torch.diag_embed(diagonal) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    values, vectors = torch.linalg.eigh(small.double())
    weights = torch.einsum("bkj,bj->bk", vectors, function(values) * vectors[:, 0]).to(x.dtype)
    rows: Tensor = torch.einsum("bkn,bk->bn", basis, weights) * x.flatten(1).norm(dim=1, keepdim=True)
    return rows.reshape(x.shape)


def _krylov(apply: Map, start: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the diagonal, the off-diagonal and the orthonormal vectors ``(batch, steps, n)``."""
    rows = start.flatten(1)
    steps = min(steps, rows.shape[1])
    basis = rows.new_zeros(len(rows), steps + 1, rows.shape[1])  # in one place: copying it would cost as much again
    basis[:, 0] = rows / positive(rows.norm(dim=1, keepdim=True))
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    scale = torch.zeros_like(rows[:, :1])
    for k in range(steps):
        w = apply(basis[:, k].reshape(start.shape)).flatten(1)
        scale = torch.maximum(scale, w.norm(dim=1, keepdim=True))
        diagonal.append((basis[:, k] * w).sum(1))
        known = basis[:, : k + 1]
        for _ in range(2):
            w = w - (known.mT @ (known @ w[..., None]))[..., 0]
        length = w.norm(dim=1, keepdim=True)
        alive = length > 10 * torch.finfo(w.dtype).eps * scale
        beside.append(torch.where(alive, length, torch.zeros_like(length))[:, 0])
        basis[:, k + 1] = torch.where(alive, w / positive(length), torch.zeros_like(w))
    off = torch.stack(beside[: steps - 1] or [diagonal[0][:0]], -1).reshape(len(rows), -1)
    return torch.stack(diagonal, 1), off, basis[:, :steps]


def largest_eigenvalue(apply: Map, start: Tensor, *, steps: int = 20) -> Tensor:
    """Return the largest eigenvalue of a symmetric map on the Krylov space of each row of ``start``: ``(batch,)``."""
    diagonal, beside = lanczos(apply, start, steps=steps)
    small = torch.diag_embed(diagonal) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    top: Tensor = torch.linalg.eigvalsh(small.double())[:, -1].to(start.dtype)
    return top


def largest_singular_value(forward: Map, adjoint: Map, start: Tensor) -> float:
    """Return the largest singular value that a linear map has for any row of ``start``, without gradients."""
    with torch.no_grad():
        return float(largest_eigenvalue(lambda x: adjoint(forward(x)), start).max().clamp_min(0).sqrt())


def dense_matrix(apply: Map, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64, block: int = 512) -> Tensor:
    """Return the matrix ``(outputs, inputs)`` of a linear map of batches ``(batch, *shape)``."""
    size = int(torch.Size(shape).numel())
    eye = torch.eye(size, dtype=dtype)
    columns = [apply(rows.reshape(-1, *shape)).flatten(1) for rows in torch.split(eye, block)]
    return torch.cat(columns).T.contiguous()
