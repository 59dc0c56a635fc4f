"""Symmetry passes from images to proximal maps, denoisers and reconstructions; where the border breaks it."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.groups import Dihedral, Shifts
from nullsight.networks import DnCNN
from nullsight.physics import Inpainting
from nullsight.reconstructors import (
    Admm,
    Anisotropic,
    Averaged,
    Denoiser,
    HalfQuadratic,
    ProximalGradient,
    Regulariser,
    Separate,
    Solved,
    Turned,
    Variation,
    Wavelets,
)
from nullsight.reconstructors.variation import Coupling

SIDE = 8


@dataclass(frozen=True)
class PeriodicVariation(Regulariser):
    """Total variation of images that go on at the other side."""

    coupling: Coupling

    def analyse(self, x: Tensor) -> Tensor:
        return torch.stack([x.roll(-1, axis) - x for axis in range(2, x.ndim)], 2)

    def synthesise(self, p: Tensor) -> Tensor:
        return sum((p[:, :, k].roll(1, k + 2) - p[:, :, k] for k in range(p.shape[2])), torch.zeros_like(p[:, :, 0]))

    def bound(self, image_shape: tuple[int, ...]) -> float:
        return 4.0 * (len(image_shape) - 1)

    def settle(self, p: Tensor, step: float) -> Tensor:
        return p / self.coupling.length(p).clamp_min(1)

    def value(self, x: Tensor) -> Tensor:
        return self.coupling.length(self.analyse(x)).flatten(1).sum(1)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def prox(prior, x, step=0.1, seed=0):
    steps = torch.full((len(x), *[1] * (x.ndim - 1)), step, dtype=x.dtype)
    return prior.prox(x, steps, Draws(seed, 0, (0,) * len(x)).of("prior"))


def breaks(prior, act, x):
    """Return the largest ``|prox(T x) - T prox(x)|``."""
    return float((prox(prior, act(x)) - act(prox(prior, x))).abs().max())


def solved(regulariser):
    return Solved(regulariser, iterations=2000, tolerance=1e-6)


TURN, FLIP, TRANSPOSE = (lambda x: x.rot90(1, (-2, -1))), (lambda x: x.flip(-1)), (lambda x: x.mT)


@pytest.mark.parametrize("act", [TURN, FLIP, TRANSPOSE], ids=["turn", "flip", "transpose"])
def test_proximal_map_of_variation_turns_along(act):
    """J(T x) = J(x) with T orthogonal gives prox(T x) = T prox(x); the isotropic form sees one corner of a pixel."""
    x = rand(1, 1, SIDE, SIDE)
    assert breaks(solved(Variation(Anisotropic())), act, x) < 1e-4
    isotropic = breaks(solved(Variation(Separate())), act, x)
    assert (isotropic < 1e-4) == (act is TRANSPOSE)


@pytest.mark.parametrize("coupling", [Anisotropic(), Separate()])
def test_the_border_decides_whether_proximal_maps_shift_along(coupling):
    x = rand(1, 1, SIDE, SIDE)
    act = lambda v: v.roll((3, 1), (-2, -1))  # noqa: E731
    assert breaks(solved(PeriodicVariation(coupling)), act, x) < 1e-4
    assert breaks(solved(Variation(coupling)), act, x) > 1e-2


def test_wavelets_shift_along_by_their_coarsest_step_alone_and_by_any_when_averaged():
    x, wavelets = rand(1, 1, SIDE, SIDE), Wavelets("db2", levels=2)
    by = lambda n: lambda v: v.roll(n, -1)  # noqa: E731
    assert breaks(wavelets, by(4), x) < 1e-12 < 1e-2 < breaks(wavelets, by(1), x)
    averaged = Averaged(wavelets, Shifts((SIDE, SIDE)))
    assert breaks(averaged, by(1), x) < 1e-12
    assert breaks(Wavelets("haar", levels=2), TURN, x) < 1e-12


def test_a_random_turn_is_the_average_in_the_mean_and_follows_its_stream():
    prior = Denoiser(DnCNN(1, 4, 3, seed=0)).double()
    nn.init.normal_(prior.network.last.weight, generator=torch.Generator().manual_seed(1))
    x = rand(1, 1, 6, 6).repeat(400, 1, 1, 1)
    turned = Turned(prior, Dihedral(4))
    with torch.no_grad():
        stream = Draws(0, 0, tuple(range(400))).of("prior")
        many = turned.prox(x, torch.ones(400, 1, 1, 1).double(), stream)
        wanted = Averaged(prior, Dihedral(4)).prox(x[:1], torch.ones(1, 1, 1, 1).double(), stream)
        spread = float(many.std(0).max())
        assert spread > 1e-3 and float((many.mean(0) - wanted[0]).abs().max()) < 5 * spread / 20
        assert torch.equal(prox(turned, x[:3], seed=5), prox(turned, x[:3], seed=5))


@pytest.mark.parametrize("method", [ProximalGradient, Admm, HalfQuadratic])
def test_plug_and_play_turns_along_when_its_denoiser_does(method):
    """For an operator that commutes with the group, here denoising, f(T y) = T f(y)."""
    physics, y = Inpainting((1, 6, 6), torch.ones(6, 6)).double(), rand(2, 1, 6, 6)
    plain = Denoiser(DnCNN(1, 4, 3, seed=0)).double()
    nn.init.normal_(plain.network.last.weight, 0, 0.1, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for prior, equivariant in ((plain, False), (Averaged(plain, Dihedral(4)), True)):
            f = method(prior, iterations=5, tolerance=0.0)
            wrong = float((f(TURN(y), physics) - TURN(f(y, physics))).abs().max())
            assert (wrong < 1e-9) == equivariant and (wrong > 1e-4) != equivariant


@pytest.mark.parametrize("group", [Dihedral(4), Shifts((6, 6))], ids=repr)
@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_bayes_denoiser_of_an_invariant_prior_commutes_with_the_group(group, sigma):
    """For x uniform on the orbit of a template: E[x | y] is the mean of the orbit weighed by normal densities of y."""
    orbit = group.orbit(rand(1, 1, 6, 6))[:, 0]  # (order, 1, 6, 6)
    prior = torch.ones(len(orbit)).double()

    def denoise(y):
        distance = (y[:, None] - orbit[None]).flatten(2).square().sum(2)
        weights = torch.softmax(prior.log() - distance / (2 * sigma**2), 1)
        return torch.einsum("bk,kchw->bchw", weights, orbit)

    y = orbit[:3] + sigma * torch.randn(3, 1, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    acts = [lambda v, g=g: group.act(torch.full((len(v),), g), v) for g in range(group.order)]
    for act in acts:
        torch.testing.assert_close(denoise(act(y)), act(denoise(y)))
    # it is the conditional mean: its error is orthogonal to what is known of y (Monte Carlo)
    draw = torch.randint(len(orbit), (4000,), generator=torch.Generator().manual_seed(3))
    noise = torch.randn(4000, 1, 6, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x, noisy = orbit[draw], orbit[draw] + sigma * noise
    error = (denoise(noisy) - x).flatten(1)
    assert (
        float((error * denoise(noisy).flatten(1)).sum(1).mean().abs())
        < 0.05 * float(error.square().sum(1).mean()) + 1e-3
    )
    # a prior that is not invariant has a denoiser that does not commute
    prior[0] = 50.0
    assert max(float((denoise(act(y)) - act(denoise(y))).abs().max()) for act in acts) > 1e-3
