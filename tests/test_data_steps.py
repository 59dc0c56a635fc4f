"""Data steps by conjugate gradients against dense algebra; constraints and flat memory of unrolled reconstructors."""

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from nullsight.constraints import AnyValue, NonNegative
from nullsight.networks import DnCNN, copies
from nullsight.physics import LeastSquares, ParallelBeamCT, WeightedLeastSquares
from nullsight.physics.base import LinearPhysics
from nullsight.reconstructors import (
    ConjugateGradients,
    Preconditioned,
    Reconstructor,
    Unrolled,
    UnrolledUntied,
    Unweighed,
    Weighed,
    data_steps,
)
from nullsight.types import InputError
from tests.cases.toy_operators import ToyMatrix, ToySaturation, toy_mask, toy_matrix

BATCH = 3
SHAPE = (1, 3, 4)
IMAGE_BYTES = 2 * 1 * 16 * 16 * 8  # of the images whose memory is counted below


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(physics: LinearPhysics) -> Tensor:
    """Return A as a matrix of (measurements, pixels)."""
    pixels = torch.Size(physics.image_shape).numel()
    eye = torch.eye(pixels, dtype=torch.float64).reshape(pixels, *physics.image_shape)
    return physics.A(eye).flatten(1).T


def weights(physics: ParallelBeamCT) -> Tensor:
    """Return W as a matrix."""
    entries = torch.Size(physics.measurement_shape).numel()
    eye = torch.eye(entries, dtype=torch.float64).reshape(entries, *physics.measurement_shape)
    return physics.weigh(eye).flatten(1).T


def after(step: data_steps.DataStep, u: Tensor, y: Tensor, physics: LinearPhysics) -> Tensor:
    return u - step.direction(u, y, physics)


def in_krylov_space(a: Tensor, w: Tensor, u: Tensor, y: Tensor, steps: int) -> Tensor:
    """Return the minimiser of ``|W^(1/2) (A x - y)|`` over u plus the Krylov space of ``A^T W (y - A u)``, one u."""
    normal, r = a.T @ w @ a, a.T @ w @ (y - a @ u)
    space = [r / r.norm()]
    for _ in range(steps - 1):
        space.append(normal @ space[-1])
        space[-1] = space[-1] / space[-1].norm()
    basis = torch.linalg.qr(torch.stack(space, 1)).Q
    return u + basis @ torch.linalg.solve(basis.T @ normal @ basis, basis.T @ r)


@pytest.mark.parametrize("measurements", [5, 12])
def test_as_many_steps_as_unknowns_solve_the_normal_equations(measurements: int) -> None:
    physics = toy_matrix(SHAPE, measurements).double()
    a = dense(physics)
    u, y = values(BATCH, *SHAPE), values(BATCH, measurements, seed=1)
    x = after(ConjugateGradients(12), u, y, physics).flatten(1)
    nearest = u.flatten(1) + (y - u.flatten(1) @ a.T) @ torch.linalg.pinv(a).T  # of all solutions that to u
    torch.testing.assert_close(x, nearest, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_few_steps_are_the_best_of_the_krylov_space(steps: int) -> None:
    physics = toy_matrix(SHAPE, 9).double()
    a, u, y = dense(physics), values(BATCH, *SHAPE), values(BATCH, 9, seed=1)
    x = after(ConjugateGradients(steps), u, y, physics)
    for row in range(BATCH):
        best = in_krylov_space(a, torch.eye(9, dtype=torch.float64), u[row].flatten(), y[row], steps)
        torch.testing.assert_close(x[row].flatten(), best, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_ramp_weighs_the_views_of_tomography(steps: int) -> None:
    physics = ParallelBeamCT((1, 8, 8), 5).double()
    a, w, u = dense(physics), weights(physics), values(BATCH, 1, 8, 8)
    y = physics.A(values(BATCH, 1, 8, 8, seed=1)) + 0.1 * values(BATCH, *physics.measurement_shape, seed=2)
    torch.testing.assert_close(w, w.T, rtol=1e-9, atol=1e-12)
    found = {
        step.weighting: after(step, u, y, physics)
        for step in (ConjugateGradients(steps, Weighed()), ConjugateGradients(steps, Unweighed()))
    }
    for weighting, matrix in ((Weighed(), w), (Unweighed(), torch.eye(len(w), dtype=torch.float64))):
        for row in range(BATCH):
            best = in_krylov_space(a, matrix, u[row].flatten(), y[row].flatten(), steps)
            torch.testing.assert_close(found[weighting][row].flatten(), best, rtol=1e-8, atol=1e-8)
    assert torch.equal(found[Weighed()], after(ConjugateGradients(steps), u, y, physics)), "where it is known"
    around = WeightedLeastSquares(physics)
    torch.testing.assert_close(after(ConjugateGradients(steps), u, y, around), found[Weighed()])
    plain = after(ConjugateGradients(steps), u, y, LeastSquares(physics))
    torch.testing.assert_close(plain, found[Unweighed()])


def test_what_the_operator_does_not_see_is_left_alone() -> None:
    physics = toy_matrix(SHAPE, 5).double()
    a, u, y = dense(physics), values(BATCH, *SHAPE), values(BATCH, 5, seed=1)
    unseen = torch.eye(12, dtype=torch.float64) - torch.linalg.pinv(a) @ a
    for steps in (1, 2, 20):
        moved = (after(ConjugateGradients(steps), u, y, physics) - u).flatten(1)
        assert float((moved @ unseen).abs().max()) < 1e-10 < float(moved.abs().max())


@pytest.mark.parametrize("samples", [1, BATCH])
@pytest.mark.parametrize("gain", [1.0, 30.0])
def test_one_step_is_exact_for_masks(samples: int, gain: float) -> None:
    physics = toy_mask(2, 6, 5, samples=samples, gain=gain).double()
    x, u = values(BATCH, 2, 6, 5), values(BATCH, 2, 6, 5, seed=1)
    found = after(ConjugateGradients(1), u, physics.A(x), physics)
    torch.testing.assert_close(found, torch.where(physics.mask.bool(), x, u))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_left_after_convergence_is_not_amplified(dtype: torch.dtype) -> None:
    """More steps than the operator has dimensions, from images that fit already up to rounding."""
    physics = toy_matrix(SHAPE, 5).to(dtype)
    x = values(BATCH, *SHAPE).to(dtype)
    y = physics.A(x)
    first = after(ConjugateGradients(30), torch.zeros_like(x), y, physics)
    near = {torch.float32: 1e-4, torch.float64: 1e-9}[dtype]
    torch.testing.assert_close(first, physics.project_range(x), rtol=near, atol=near)
    again = after(ConjugateGradients(30), first, y, physics)
    torch.testing.assert_close(again, first, rtol=near, atol=near)


def test_each_sample_has_its_own_operator_and_its_own_steps() -> None:
    mixed = toy_mask(1, 6, 5, samples=BATCH, gain=2.0).double()
    x, u = values(BATCH, 1, 6, 5), values(BATCH, 1, 6, 5, seed=1)
    u = u * torch.tensor([1.0, 1e-6, 1e6], dtype=torch.float64).reshape(-1, 1, 1, 1)
    together = after(ConjugateGradients(2), u, mixed.A(x), mixed)
    for row in range(BATCH):
        alone = mixed.take([row])
        found = after(ConjugateGradients(2), u[[row]], alone.A(x[[row]]), alone)
        torch.testing.assert_close(found, together[[row]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3])
def test_gradient_is_that_of_finite_differences(steps: int) -> None:
    matrix = toy_matrix(SHAPE, 7).matrix.double()
    u, y = values(2, *SHAPE).requires_grad_(), values(2, 7, seed=1).requires_grad_()
    step = ConjugateGradients(steps)

    def found(u: Tensor, y: Tensor) -> Tensor:
        return after(step, u, y, ToyMatrix(SHAPE, matrix))

    assert torch.autograd.gradcheck(found, (u, y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_nothing_left_to_do_is_no_division_by_zero(dtype: torch.dtype, steps: int) -> None:
    """One sample fits already, one is solved after the first step, one is all zeros: all is finite."""
    physics = toy_mask(1, 4, 4).to(dtype)
    x = values(3, 1, 4, 4).to(dtype)
    x[2] = 0
    u = x.clone()
    u[1] = u[1] + 1
    u.requires_grad_()
    y = physics.A(x).requires_grad_()
    found = after(ConjugateGradients(steps), u, y, physics)
    torch.testing.assert_close(found, torch.where(physics.mask.bool(), x, u.detach()))
    found.square().sum().backward()
    assert u.grad is not None and y.grad is not None
    assert bool(torch.isfinite(u.grad).all()) and bool(torch.isfinite(y.grad).all())
    # where nothing was left to do the step does nothing, to first order in u or y either: not exact, but finite


def test_bad_use_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="at least 1 iteration of conjugate gradients, but 0 came"):
        ConjugateGradients(0)
    physics = ToySaturation((1, 4, 4), (1, 4, 4))
    u = torch.rand(2, 1, 4, 4)
    with pytest.raises(InputError, match=r"linear or can be linearised, but ToySaturation is not: write its"):
        ConjugateGradients().direction(u, u, physics)
    with pytest.raises(InputError, match="can weigh its measurements, but ToyMask cannot: take Unweighed"):
        ConjugateGradients(2, Weighed()).direction(u, u, toy_mask(1, 4, 4))


def test_closing_steps_have_a_direction_of_their_own() -> None:
    physics = toy_matrix((1, 4, 4), 10).double()
    y = physics.A(values(2, 1, 4, 4))
    network = DnCNN(1, width=4, depth=3, seed=0)
    plain, strong = (
        Unrolled(network, 2, data=Preconditioned(), closing=1, closing_data=closing).double()
        for closing in (None, ConjugateGradients(16))
    )
    misfit = [float((physics.A(f(y, physics)) - y).detach().norm() / y.norm()) for f in (plain, strong)]
    assert misfit[1] < 1e-6 < 1e-3 < misfit[0]
    before = Unrolled(network, 2, data=Preconditioned()).double()(y, physics)
    expected = after(ConjugateGradients(16), before, y, physics)
    torch.testing.assert_close(strong(y, physics), expected)


@pytest.mark.parametrize("closing", [0, 2])
def test_a_constraint_holds_at_the_end_and_after_every_network(closing: int) -> None:
    class Spy(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - 0.7

    physics = toy_matrix((1, 4, 4), 10).double()
    y = physics.A(values(2, 1, 4, 4))
    free = Unrolled(Spy(), 2, closing=closing, constraint=AnyValue()).double()(y, physics).detach()
    held = Unrolled(Spy(), 2, closing=closing, constraint=NonNegative()).double()(y, physics).detach()
    assert float(free.min()) < -0.1 and float(held.min()) >= 0
    first = Unrolled(Spy(), 1, constraint=NonNegative()).double()(y, physics)
    if closing == 0:
        second = Unrolled(Spy(), 1, constraint=NonNegative()).double()(y, physics, start=first)
        torch.testing.assert_close(held, second.detach())


def built(stages: int, recompute: bool, tied: bool) -> Reconstructor:
    network = DnCNN(1, width=8, depth=4, seed=0)
    data, closing = Preconditioned(), ConjugateGradients(2)
    if tied:
        return Unrolled(network, stages, data=data, closing=1, closing_data=closing, recompute=recompute).double()
    parts = copies(network, stages)
    return UnrolledUntied(parts, data=data, closing=1, closing_data=closing, recompute=recompute).double()


def kept_bytes(f: Reconstructor, y: Tensor, physics: LinearPhysics) -> int:
    """Return the bytes of all storages that are kept for the gradient, weights not counted."""
    known = {weight.untyped_storage().data_ptr() for weight in [*f.parameters(), *f.buffers(), *physics.buffers(), y]}
    kept: dict[int, int] = {}
    alive = []  # a storage that is freed could lend its address to the next one

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        f(y, physics)
    return sum(kept.values())


@pytest.mark.parametrize("tied", [True, False])
def test_recomputing_changes_neither_value_nor_gradient(tied: bool) -> None:
    physics = toy_mask(1, 16, 16).double()
    y = physics.A(values(2, 1, 16, 16))
    found = []
    for recompute in (False, True):
        f, measured = built(3, recompute, tied), y.clone().requires_grad_()
        x = f(measured, physics)
        x.square().sum().backward()
        found.append([x.detach(), measured.grad, *(weight.grad for weight in f.parameters())])
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    with torch.no_grad():
        torch.testing.assert_close(built(3, True, tied)(y, physics), found[0][0])


@pytest.mark.parametrize("tied", [True, False])
def test_recomputing_keeps_memory_flat(tied: bool) -> None:
    physics = toy_mask(1, 16, 16).double()
    y = physics.A(values(2, 1, 16, 16))
    few, many = (kept_bytes(built(stages, True, tied), y, physics) for stages in (2, 6))
    assert 0 < many - few <= 4 * 2 * IMAGE_BYTES, "at most two images a stage"
    plain = [kept_bytes(built(stages, False, tied), y, physics) for stages in (2, 6)]
    assert plain[1] - plain[0] > 4 * 10 * IMAGE_BYTES, "ten and more without"
