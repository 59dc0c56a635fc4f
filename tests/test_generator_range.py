"""Reconstruction within the range of a generator: closed forms for a linear one, starts, weights left alone."""

import pytest
import torch
from torch import nn

from nullsight.networks import FullyConnected
from nullsight.noise import Gaussian, Poisson
from nullsight.physics import MatrixOperator, gaussian_matrix
from nullsight.reconstructors import GeneratorRange
from nullsight.types import InputError
from tests.cases.toy_operators import ToySaturation


class Basis(nn.Module):
    """``G(z) = B z``."""

    def __init__(self):
        super().__init__()
        start = torch.randn(16, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 4
        self.columns = nn.Parameter(start)

    def forward(self, z):
        return (z @ self.columns.to(z.dtype).T).reshape(-1, 1, 4, 4)


def problem(dtype=torch.float64):
    physics = MatrixOperator((1, 4, 4), 3 * gaussian_matrix(8, 16, seed=0)).to(dtype)
    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    return physics, physics.A(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_latents_are_those_of_the_closed_form(weight, dtype):
    physics, y = problem(dtype)
    noise, basis = Gaussian(0.2), Basis().to(dtype)
    z, value = GeneratorRange(basis, (3,), noise, weight=weight, steps=400).to(dtype).latents(y, physics)
    m = physics.to_matrix() @ basis.columns.detach().double()
    wanted = torch.linalg.solve(m.T @ m / 0.04 + weight * torch.eye(3).double(), m.T @ y.double().T / 0.04).T
    torch.testing.assert_close(z.double(), wanted, rtol=1e-3, atol=1e-3)
    least = (wanted @ m.T - y).square().sum(1) / 0.08 + weight / 2 * wanted.square().sum(1)
    torch.testing.assert_close(value.double(), least.double(), rtol=1e-4, atol=1e-4)


def test_image_is_that_of_the_latents_and_weights_are_left_alone():
    physics, y = problem()
    basis = Basis()
    basis.columns.grad = torch.ones_like(basis.columns)
    kept = basis.columns.detach().clone()
    f = GeneratorRange(basis, (3,), steps=20).double()
    f.scale.fill_(2.0)
    x = f(y, physics)
    torch.testing.assert_close(x, 2 * basis(f.latents(y, physics)[0]))
    assert torch.equal(basis.columns, kept) and bool((basis.columns.grad == 1).all())
    with torch.inference_mode():
        torch.testing.assert_close(f(y, physics), x)


def test_more_starts_are_never_worse_and_are_independent_of_the_batch():
    physics, y = problem()
    network = FullyConnected((1, 4, 4), (6,), seed=0, input_shape=(2,)).double()
    one, many = (GeneratorRange(network, (2,), steps=4, starts=n, seed=3).double() for n in (1, 4))
    (_, alone), (_, best) = one.latents(y, physics), many.latents(y, physics)
    assert bool((best <= alone).all()) and bool((best < alone).any())
    torch.testing.assert_close(many(y[1:], physics), many(y, physics)[1:])


def test_images_of_the_generator_are_found_again_through_a_nonlinear_detector():
    physics = ToySaturation((1, 4, 4), (1, 4, 4))
    basis = Basis()
    x = basis(torch.tensor([[0.5, -0.3, 0.8]]).double()).detach()
    f = GeneratorRange(basis, (3,), steps=600).double()
    torch.testing.assert_close(f(physics.A(x), physics), x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"starts": 0}, {"weight": -1.0}, {"learning_rate": 0.0}])
def test_refused(wrong):
    with pytest.raises(InputError, match="latents, steps and starts"):
        GeneratorRange(Basis(), (3,), **wrong)


def test_images_that_cannot_have_made_the_counts_are_told():
    physics = MatrixOperator((1, 4, 4), torch.eye(16)).double()
    dark = nn.Sequential(nn.Linear(3, 16), nn.Softplus(), nn.Unflatten(1, (1, 4, 4))).double()
    y = torch.ones(2, 16, dtype=torch.float64)
    assert bool(torch.isfinite(GeneratorRange(dark, (3,), Poisson(0.1), steps=3).double()(y, physics)).all())
    dark.append(nn.Threshold(1e9, -1.0))  # nothing but -1
    with pytest.raises(InputError, match="for 2 of 2 none was found"):
        GeneratorRange(dark, (3,), Poisson(0.1), steps=3).double()(y, physics)
