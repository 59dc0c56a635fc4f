"""Muon: orthogonal steps for matrices and kernels, Adam for the rest."""

import copy

import pytest
import torch
from torch import nn

from nullsight.training import Adam, Muon
from nullsight.training.muon import nearest_orthogonal
from nullsight.types import InputError


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_singular_values_go_to_about_one_and_vectors_stay(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(3, *shape, generator=generator, dtype=dtype)
    found = nearest_orthogonal(matrices, 8)  # well-conditioned ones bear more than is allowed in training
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ found @ v.mT  # diagonal where the singular vectors are the same
    values = torch.diagonal(inside, dim1=1, dim2=2)
    assert torch.allclose(inside, torch.diag_embed(values), atol=1e-4)
    assert bool(((values > 0.65) & (values < 1.25)).all())


def test_zero_gradient_moves_nothing():
    assert not nearest_orthogonal(torch.zeros(1, 3, 4)).any()


@pytest.mark.parametrize("exponent", [-15, -18, -19, -20, -25, -36, -42])
def test_what_is_left_of_a_momentum_whose_gradients_vanished_stays_finite(exponent):
    ones = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    found = nearest_orthogonal(ones * torch.tensor(10.0**exponent, dtype=torch.float32))
    assert torch.isfinite(found).all()
    if exponent > -19:
        assert torch.allclose(found, nearest_orthogonal(ones), atol=1e-4)
    if exponent < -19:
        assert not found.any()


def test_matrix_without_a_gradient_stays_whatever_its_momentum():
    weights = [nn.Parameter(torch.ones(4, 6)) for _ in range(2)]
    optimiser = Muon(0.1).build(weights)
    for dead in (False, True, True):
        before = [weight.detach().clone() for weight in weights]
        for weight, none in zip(weights, (dead, False), strict=True):
            weight.grad = torch.zeros(4, 6) if none else torch.arange(24.0).reshape(4, 6).sin()
        optimiser.step()
        assert torch.equal(weights[0], before[0]) == dead and not torch.equal(weights[1], before[1])


def test_weights_survive_thousands_of_steps_without_a_gradient():
    weight = nn.Parameter(torch.randn(4, 6, generator=torch.Generator().manual_seed(0)))
    optimiser = Muon(1e-3).build([weight])
    for step in range(3000):  # the momentum passes through all sizes down to zero
        weight.grad = torch.ones(4, 6) if step == 0 else torch.zeros(4, 6)
        optimiser.step()
    assert torch.isfinite(weight).all()


def test_first_step_is_the_orthogonal_part_of_the_gradient_of_the_flattened_kernel():
    kernel = nn.Parameter(torch.randn(8, 2, 3, 3, generator=torch.Generator().manual_seed(1)))
    before, gradient = kernel.detach().clone(), torch.randn(8, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    kernel.grad = gradient
    Muon(0.1).build([kernel]).step()
    u, _, v = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    step = ((before - kernel.detach()) / 0.1).flatten(1)
    assert torch.allclose(u.T @ step @ v.T, torch.eye(8), atol=0.35)


def test_steps_of_tall_matrices_are_longer_by_the_root_of_their_aspect_ratio():
    weight = nn.Parameter(torch.zeros(16, 4))
    weight.grad = torch.randn(16, 4, generator=torch.Generator().manual_seed(2))
    Muon(0.1).build([weight]).step()
    assert float(torch.linalg.svdvals(weight.detach()).mean() / 0.1) == pytest.approx(2, rel=0.2)


def test_matrices_shrink_by_the_decay_and_nothing_else_does():
    weights = [nn.Parameter(torch.ones(3, 5)), nn.Parameter(torch.ones(3))]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    Muon(0.1, weight_decay=0.5).build(weights).step()
    assert torch.allclose(weights[0], torch.full((3, 5), 0.95)) and torch.equal(weights[1], torch.ones(3))


@pytest.mark.parametrize("iterations", [5, 7])
def test_matrices_without_full_rank_keep_their_null_space(iterations):
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(24, 1, generator=generator) @ torch.randn(1, 40, generator=generator)
    values = torch.linalg.svdvals(nearest_orthogonal(one[None], iterations)[0])
    assert 0.65 < float(values[0]) < 1.25 and float(values[1]) < 0.1


def test_the_size_of_the_gradient_does_not_matter_and_neither_do_others_of_the_same_shape():
    def moved(scale, count):
        weights = [nn.Parameter(torch.ones(3, 5)) for _ in range(count)]
        for k, weight in enumerate(weights):
            weight.grad = (k == 0) * scale * torch.arange(15.0).reshape(3, 5).sin() + (k > 0) * torch.randn(3, 5)
        Muon(0.1).build(weights).step()
        return weights[0].detach()

    assert torch.allclose(moved(1.0, 1), moved(1e3, 1), atol=1e-6)
    assert torch.allclose(moved(1.0, 1), moved(1.0, 3), atol=1e-6)


def test_vectors_move_as_adam_moves_them():
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    muon, adam = Muon(vector_rate=0.05).build([ours]), Adam(0.05).build([theirs])
    for k in range(7):
        for weight in (ours, theirs):
            weight.grad = (weight.detach() - k).sin()
        muon.step()
        adam.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_kept_state_goes_on_bit_for_bit():
    def run(steps, optimiser, weights):
        for k in steps:
            for weight in weights:
                weight.grad = (weight.detach() * (k + 1)).cos()
            optimiser.step()

    weights = [nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(0))), nn.Parameter(torch.ones(3))]
    first = Muon(0.05).build(weights)
    run(range(4), first, weights)
    again = copy.deepcopy(weights)
    second = Muon(0.05).build(again)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(range(4, 8), first, weights)
    run(range(4, 8), second, again)
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))


def test_it_solves_least_squares_with_a_falling_rate():
    generator = torch.Generator().manual_seed(0)
    inputs, wanted = torch.randn(64, 6, generator=generator), torch.randn(4, 6, generator=generator)
    weight = nn.Parameter(torch.zeros(4, 6))
    optimiser = Muon(0.2).build([weight])
    for k in range(300):
        for group in optimiser.param_groups:
            group["lr"] = 0.2 * (1 - k / 300)
        optimiser.zero_grad()
        ((inputs @ weight.T - inputs @ wanted.T) ** 2).mean().backward()
        optimiser.step()
    assert float((weight.detach() - wanted).norm() / wanted.norm()) < 0.02


@pytest.mark.parametrize(
    "wrong", [{"learning_rate": 0.0}, {"momentum": 1.0}, {"iterations": 0}, {"iterations": 8}, {"weight_decay": -1.0}]
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Muon(**wrong)
