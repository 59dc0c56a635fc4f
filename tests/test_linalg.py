"""Solvers against dense linear algebra."""

import pytest
import torch
from torch import Tensor

from nullsight.linalg import (
    conjugate_gradient,
    dense_matrix,
    lanczos,
    largest_eigenvalue,
    least_squares,
    linear_map,
    power_iteration,
)
from nullsight.types import Map


def matrix(rows: int, columns: int, rank: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=generator, dtype=torch.float64)
    return left @ torch.randn(rank, columns, generator=generator, dtype=torch.float64)


def maps(m: Tensor) -> tuple[Map, Map]:
    return (lambda x: x @ m.T), (lambda y: y @ m)


def rows(count: int, size: int, seed: int = 1) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("m", "n", "rank"), [(6, 10, 6), (10, 6, 6), (8, 9, 4), (5, 5, 1)])
def test_least_squares_is_the_pseudo_inverse_and_so_is_its_gradient(m: int, n: int, rank: int) -> None:
    a = matrix(m, n, rank)
    there, back = maps(a)
    inverse = torch.linalg.pinv(a, rtol=1e-10)
    y = rows(3, m).requires_grad_()
    x = least_squares(there, back, y)
    assert torch.allclose(x, y @ inverse.T, atol=1e-7)
    v = rows(3, n, seed=2)
    (pulled,) = torch.autograd.grad((x * v).sum(), y)
    assert torch.allclose(pulled, v @ inverse, atol=1e-7)


def test_least_squares_rows_do_not_meet() -> None:
    a = matrix(6, 10, 6)
    there, back = maps(a)
    y = rows(3, 6)
    y[1] = 0
    y[2] *= 1e6
    whole = least_squares(there, back, y)
    assert torch.equal(whole[1], torch.zeros(10, dtype=torch.float64))
    for k in range(3):
        alone = least_squares(there, back, y[k : k + 1])
        assert torch.allclose(whole[k : k + 1], alone, rtol=1e-7)


def test_least_squares_stopped_early_has_the_gradient_of_its_steps() -> None:
    there, back = maps(matrix(8, 8, 8))
    y = rows(2, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: least_squares(there, back, v, iterations=3), (y,))


def test_least_squares_has_a_second_gradient() -> None:
    there, back = maps(matrix(4, 6, 4))
    assert torch.autograd.gradgradcheck(lambda v: least_squares(there, back, v) ** 2, (rows(1, 4).requires_grad_(),))


def test_conjugate_gradient_solves_each_row() -> None:
    a = matrix(7, 7, 7)
    m = a @ a.T + torch.eye(7, dtype=torch.float64)
    b = rows(3, 7)
    b[1] = 0
    x = conjugate_gradient(lambda v: v @ m, b, tolerance=1e-12)
    assert torch.allclose(x @ m, b, atol=1e-9)
    assert torch.equal(conjugate_gradient(lambda v: v @ m, b, start=x, tolerance=1e-6), x)


def test_largest_eigenvalue_by_both_ways() -> None:
    a = matrix(12, 12, 12)
    m = a @ a.T
    exact = torch.linalg.eigvalsh(m)[-1]
    start = rows(4, 12)
    assert torch.allclose(largest_eigenvalue(lambda v: v @ m, start), exact, rtol=1e-9)
    power = power_iteration(lambda v: v @ m, start, iterations=200)
    assert bool((power <= exact * (1 + 1e-12)).all())
    assert torch.allclose(power, exact, rtol=1e-2)


def test_lanczos_finds_all_eigenvalues_once() -> None:
    a = matrix(9, 9, 9)
    m = a + a.T
    diagonal, beside = lanczos(lambda v: v @ m, rows(2, 9), steps=30)
    assert diagonal.shape == (2, 9)
    assert beside.shape == (2, 8)
    small = torch.diag_embed(diagonal) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    assert torch.allclose(torch.linalg.eigvalsh(small), torch.linalg.eigvalsh(m).expand(2, 9), atol=1e-8)


def test_lanczos_ends_with_zeros_where_the_space_is_used_up() -> None:
    diagonal, beside = lanczos(lambda v: 3 * v, rows(2, 5), steps=3)
    assert torch.allclose(diagonal, torch.tensor([3.0, 0.0, 0.0]).double().expand(2, 3), atol=1e-12)
    assert torch.equal(beside, torch.zeros(2, 2, dtype=torch.float64))
    assert lanczos(lambda v: 3 * v, rows(2, 5), steps=1)[1].shape == (2, 0)


def test_the_written_adjoint_is_the_gradient_even_where_autograd_would_say_another() -> None:
    x = torch.ones(1, 3, requires_grad=True)
    linear_map(x, lambda v: 2 * v, lambda v: 5 * v).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((1, 3), 5.0))


def test_dense_matrix_of_a_map_in_blocks() -> None:
    a = matrix(4, 6, 4)
    assert torch.equal(dense_matrix(lambda x: x.flatten(1) @ a.T, (2, 3), block=4), a)
