"""Plug and play: with a linear denoiser every scheme has a fixed point in closed form."""

import pytest
import torch
from torch import nn

from nullsight.draws import Draws
from nullsight.groups import Dihedral
from nullsight.networks import DnCNN
from nullsight.physics import MatrixOperator, gaussian_matrix
from nullsight.reconstructors import Admm, Averaged, Denoiser, Fista, HalfQuadratic, ProximalGradient, Turned
from tests.cases.toy_operators import count

SHARE = 0.7
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


class Shrink(nn.Module):
    """``c x``: the proximal map of ``(1 / c - 1) |x|^2 / 2``."""

    def forward(self, x):
        return SHARE * x


def problem(dtype=torch.float64):
    physics = MatrixOperator((1, 4, 5), gaussian_matrix(12, 20, seed=0)).to(dtype)
    x = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    return physics, physics.A(x)


def ridge(physics, y, weight):
    """Return the minimum of ``|A x - y|^2 / |A|^2 + weight |x|^2``."""
    a = physics.to_matrix() / physics.norm()
    right = a.T @ y.double().T / physics.norm()
    return torch.linalg.solve(a.T @ a + weight * torch.eye(20).double(), right).T.reshape(2, 1, 4, 5)


@DTYPES
def test_each_scheme_reaches_its_fixed_point(dtype):
    physics, y = problem(dtype)
    prior, odds, steep = Denoiser(Shrink()), 1 / SHARE - 1, 1.02**2
    tolerance, close = (1e-6, 1e-4) if dtype == torch.float32 else (1e-11, 1e-8)
    wanted = {
        # u = D(u - t grad) minimises d + L odds |u|^2 / 2
        ProximalGradient: ridge(physics, y, steep * odds),
        Fista: ridge(physics, y, steep * odds),
        # of ADMM rho is what the denoiser's function counts by
        Admm: ridge(physics, y, steep * odds),
        # with z eliminated a weight of mu (1 - c) is left for u, and z = c u
        HalfQuadratic: SHARE * ridge(physics, y, steep * (1 - SHARE)),
    }
    for method, image in wanted.items():
        found = method(prior, iterations=5000, tolerance=tolerance).solve(y, physics)
        assert bool(found.converged.all()), method
        torch.testing.assert_close(found.x.double(), image, rtol=close, atol=close)


def test_gradients_reach_the_denoiser_and_nothing_else_asks_for_them():
    physics, y = problem()
    f = ProximalGradient(Averaged(Denoiser(DnCNN(1, 4, 3, seed=0)), Dihedral(2)), iterations=2).double()
    assert (
        f(y, physics).requires_grad and not Fista(Denoiser(Shrink()))(y.clone().requires_grad_(), physics).requires_grad
    )
    assert count(f) == count(DnCNN(1, 4, 3))
    with torch.no_grad():
        assert not f(y, physics).requires_grad


def test_random_turns_are_those_of_the_draws():
    physics, y = problem()
    f = HalfQuadratic(Turned(Denoiser(DnCNN(1, 4, 3, seed=0)), Dihedral(2)), iterations=4).double()
    nn.init.normal_(f.prior.prior.network.last.weight, 0, 0.3, torch.Generator().manual_seed(1))
    with torch.no_grad():
        one, same, other = (f(y, physics, draws=Draws(seed, 0, (4, 5))) for seed in (0, 0, 1))
        assert torch.equal(one, same) and not torch.allclose(one, other)
        alone = f(y[1:], physics, draws=Draws(0, 0, (5,)))
    torch.testing.assert_close(alone, one[1:])
