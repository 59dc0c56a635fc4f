"""Misfits against the noise models they stand for, their gradients and proximal maps."""

import pytest
import torch

from nullsight.noise import Gaussian, Noiseless, Poisson, PoissonGaussian, UnknownNoise
from nullsight.reconstructors import Counts, Likelihood, Penalised, Squares, misfit
from nullsight.types import InputError

NOISES = [Noiseless(), Gaussian(0.3), Poisson(0.2), PoissonGaussian(0.2, 0.3), UnknownNoise(0.3, 0.2)]
EACH = pytest.mark.parametrize("noise", NOISES, ids=repr)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def rand(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def counted(dtype=torch.float64):
    """Measurements, one of them without a count."""
    y = 3 * rand(3, 2, 5, dtype=dtype)
    y[0, 0, 0] = 0
    return y


def one(dtype=torch.float64):
    return torch.ones(3, 1, 1, dtype=dtype)


@pytest.mark.parametrize("noise", [Gaussian(0.3), Poisson(0.2)], ids=repr)
def test_differences_are_those_of_the_log_likelihood(noise):
    y, v, w = counted(), 0.1 + 2 * rand(3, 2, 5, seed=1), 0.1 + rand(3, 2, 5, seed=2)
    found = misfit(noise, y, one())
    likely = noise.log_likelihood(y, w) - noise.log_likelihood(y, v)
    torch.testing.assert_close(found.value(v) - found.value(w), likely.flatten(1).sum(1))


@EACH
def test_gradient_is_that_of_the_value(noise):
    v = (0.1 + 2 * rand(3, 2, 5, seed=1)).requires_grad_()
    found = misfit(noise, counted(), one())
    (wanted,) = torch.autograd.grad(found.value(v).sum(), v)
    torch.testing.assert_close(found.gradient(v.detach()), wanted)


@EACH
@DTYPES
@pytest.mark.parametrize("step", [1e-4, 0.3, 50.0])
def test_proximal_point_balances_step_and_gradient(noise, dtype, step):
    y, v = counted(dtype), 4 * rand(3, 2, 5, seed=1, dtype=dtype) - 1
    steps = step * torch.tensor([1.0, 2.0, 0.5], dtype=dtype)[:, None, None]
    found = misfit(noise, y, one(dtype))
    u = found.settle(v, steps)
    assert u.dtype == dtype
    balance = (u - v) / steps + found.gradient(u)
    inside = u > 0 if isinstance(found, Counts) else torch.ones_like(u, dtype=torch.bool)
    size = (v.abs() + 1) / steps + 20
    tolerance = 2e-5 if dtype == torch.float32 else 1e-12
    # near 0 the gradient of counts is steep: what is left is compared with how steep it is
    steep = 1 + (steps * y / u.clamp_min(1e-9) ** 2 / 0.2 if isinstance(found, Counts) else 0 * y)
    assert bool((balance.abs() <= tolerance * size * steep)[inside].all())
    assert bool((balance >= -tolerance * size)[~inside].all())  # at the border the gradient points out


@EACH
def test_proximal_points_come_no_further_apart(noise):
    found = misfit(noise, counted(), one())
    a, b, step = 9 * rand(3, 2, 5, seed=3) - 4, 9 * rand(3, 2, 5, seed=4) - 4, torch.full((3, 1, 1), 0.7).double()
    assert bool(((found.settle(a, step) - found.settle(b, step)).abs() <= (a - b).abs() + 1e-12).all())


def test_weights_are_inverse_variances():
    y = counted()
    both = misfit(PoissonGaussian(0.2, 0.3), y - 1, one())
    assert isinstance(both, Squares)
    torch.testing.assert_close(both.weights, 1 / PoissonGaussian(0.2, 0.3).variance(y - 1))
    plain = misfit(Noiseless(), y, 2 * one())
    torch.testing.assert_close(plain.curvature(), torch.full((3,), 0.25).double())
    assert bool((both.usual_curvature() <= both.curvature()).all())


def test_counts_know_their_domain():
    found = misfit(Poisson(0.5), counted(), one())
    assert bool((found.value(found.y) == 0).all())  # counts that are as expected
    v = torch.ones_like(found.y)
    v[1, 0, 0], v[2, 0, 0] = 0, -1
    assert torch.isinf(found.value(v)).tolist() == [False, True, True]
    assert bool((found.usual_curvature() > 0).all())
    with pytest.raises(InputError, match="Admm"):
        found.curvature()


@EACH
@DTYPES
def test_likelihood_as_a_fit_is_the_proximal_point_of_the_error(noise, dtype):
    y, e = counted(dtype), rand(3, 2, 5, seed=1, dtype=dtype) - 0.5
    scale, step, norm, weight = torch.tensor([1.0, 3.0, 0.2], dtype=dtype)[:, None, None], one(dtype) / 3, 1.5, 0.7
    got = Likelihood(noise, weight).settle(e, y, step, scale, norm)
    found = misfit(noise, scale * y, scale * norm)
    here = ((got - e).square() / (2 * step)).flatten(1).sum(1) + found.value(scale * (y - got)) / weight
    for seed in range(5):
        move = 1e-2 * (rand(3, 2, 5, seed=seed, dtype=dtype) - 0.5)
        there = got + move
        value = ((there - e).square() / (2 * step)).flatten(1).sum(1) + found.value(scale * (y - there)) / weight
        assert bool((value >= here * (1 - 1e-6)).all())


def test_likelihood_without_noise_is_a_penalty():
    y, e = counted(), rand(3, 2, 5, seed=1)
    scale, step = torch.tensor([1.0, 3.0, 0.2]).double()[:, None, None], one() / 3
    torch.testing.assert_close(
        Likelihood(Noiseless(), 0.7).settle(e, y, step, scale, 1.5), Penalised(0.7).settle(e, y, step, scale, 1.5)
    )
    with pytest.raises(InputError, match="weight above 0"):
        Likelihood(Noiseless(), 0.0)
