"""Adaptive polyphase sampling and the U-Net made of it: every shift, turns and flips, ties, gain, odd sizes."""

import pytest
import torch
from torch.nn import functional

from nullsight.contracts import assert_equivariant, assert_homogeneous, equivariance_error
from nullsight.groups import Dihedral, QuarterTurns, Reflections, Shifts, Trivial
from nullsight.networks import BiasFree, GroupNorm, LayerNorm, NoNorm, PolyphaseUNet, RootMeanSquare, UNet
from nullsight.networks.polyphase import double, halve, largest_phase, phase_energies, phase_gap
from nullsight.types import InputError

TOLERANCE = {torch.float32: 5e-6, torch.float64: 1e-13}
SAFE = {torch.float32: 1e-5, torch.float64: 1e-13}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained(network: PolyphaseUNet) -> PolyphaseUNet:
    """Return the network with a last layer as large as the others and biases: nothing hides behind the input."""
    with torch.no_grad():
        for seed, weight in enumerate(network.parameters()):
            if weight.ndim == 1:
                weight.add_(0.1 * normal(*weight.shape, seed=seed))
        network.last.weight.mul_(100)
    return network


def test_components_are_every_second_pixel():
    x = normal(3, 2, 4, 6)
    energies = phase_energies(x)
    for i in range(2):
        for j in range(2):
            part = x[:, :, i::2, j::2].square().sum((1, 2, 3))
            torch.testing.assert_close(energies[:, 2 * i + j], part)
    assert torch.equal(largest_phase(energies), energies.argmax(1))
    first, second = energies.sort(1).values[:, -1], energies.sort(1).values[:, -2]
    torch.testing.assert_close(phase_gap(energies), (first - second) / first)


@pytest.mark.parametrize("kind", range(4))
def test_halving_averages_and_takes_a_component(kind):
    x, (i, j) = normal(2, 3, 4, 6), divmod(kind, 2)
    line = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    around = functional.pad(x, (1, 1, 1, 1), mode="circular")
    smooth = functional.conv2d(around, (line[:, None] * line).expand(3, 1, 3, 3), groups=3)
    torch.testing.assert_close(halve(x, torch.tensor([kind, kind])), smooth[:, :, i::2, j::2])


def test_doubling_is_four_times_the_transpose_of_halving_and_keeps_the_component():
    phase = torch.tensor([0, 1, 2, 3])
    x, z = normal(4, 2, 6, 4), normal(4, 2, 3, 2, seed=1)
    left, right = (halve(x, phase) * z).sum((1, 2, 3)), (x * double(z, phase)).sum((1, 2, 3))
    torch.testing.assert_close(4 * left, right)
    for one, small, kind in zip(double(z, phase), z, phase.tolist(), strict=True):
        torch.testing.assert_close(one[:, kind // 2 :: 2, kind % 2 :: 2], small)
    ones = torch.ones(4, 1, 3, 5, dtype=torch.float64)
    assert torch.equal(double(ones, phase), torch.ones(4, 1, 6, 10, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [NoNorm(), BiasFree(), LayerNorm(), GroupNorm(2), RootMeanSquare()], ids=repr)
def test_every_shift_is_followed(dtype, norm):
    network = trained(PolyphaseUNet(1, 4, 3, norm=norm, seed=0)).to(dtype)
    x = normal(2, 1, 8, 12).to(dtype)
    assert float(network.phase_gap(x).min()) > SAFE[dtype]
    assert float((network(x) - x).detach().norm()) > 0.1 * float(x.norm())
    assert_equivariant(network, Shifts((8, 12)), x, tolerance=TOLERANCE[dtype])
    assert_equivariant(lambda z: network(z) - z, Shifts((8, 12)), x, tolerance=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("group", [QuarterTurns(), Dihedral(4), Reflections()], ids=repr)
def test_turns_flips_and_shifts_are_followed(dtype, group):
    network = trained(PolyphaseUNet(1, 2, 3, group=group, seed=0)).to(dtype)
    x = normal(2, 1, 8, 8).to(dtype)
    assert float(network.phase_gap(x).min()) > SAFE[dtype]
    assert_equivariant(network, group, x, tolerance=TOLERANCE[dtype])
    assert_equivariant(network, Shifts((8, 8)), x, tolerance=TOLERANCE[dtype])


def test_an_ordinary_unet_follows_neither():
    network, x = UNet(1, 4, 3, residual=False, seed=0).double(), normal(2, 1, 8, 8)
    assert equivariance_error(network, Shifts((8, 8)), x) > 1e-2
    network = trained(PolyphaseUNet(1, 4, 3, group=Trivial(), seed=0)).double()
    assert equivariance_error(network, QuarterTurns(), x) > 1e-2


def test_untrained_network_nearly_returns_its_input():
    x = normal(2, 1, 16, 16).float()
    change = (PolyphaseUNet(1, 16, 3, seed=0)(x) - x).detach()
    assert 0 < float(change.norm() / x.norm()) < 0.05


def test_ties_are_told():
    network, x = PolyphaseUNet(1, 4, 2, seed=0).double(), normal(1, 1, 8, 8)
    assert float(network.phase_gap(x)) > 1e-6
    assert float(network.phase_gap(torch.ones_like(x))) < 1e-13
    assert float(PolyphaseUNet(1, 4, 1, seed=0).double().phase_gap(x)) == 1


def test_images_of_a_batch_have_phases_of_their_own():
    network, x = trained(PolyphaseUNet(1, 4, 3, seed=0)).double(), normal(1, 1, 8, 8)
    shifted = torch.cat([x, x.roll(1, 2), x.roll(1, 3), x.roll((1, 1), (2, 3))])
    assert len(largest_phase(phase_energies(network.down[0](shifted))).unique()) == 4
    out = network(shifted)
    torch.testing.assert_close(out[3:], out[:1].roll((1, 1), (2, 3)))
    torch.testing.assert_close(out[1:2], network(shifted[1:2]))


def test_gain_is_followed_exactly():
    network, x = trained(PolyphaseUNet(1, 4, 3, norm=BiasFree(), seed=0)).double(), normal(2, 1, 8, 8)
    assert_homogeneous(network, x, tolerance=1e-14)
    assert torch.equal(network(8 * x), 8 * network(x))


def test_gradients_are_those_of_the_map():
    network = PolyphaseUNet(1, 1, 2, norm=BiasFree(), seed=0).double()
    x = normal(2, 1, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(network, (x,))


def test_frozen_gives_the_same_image():
    network, x = trained(PolyphaseUNet(1, 2, 2, group=QuarterTurns(), seed=0)).double(), normal(2, 1, 8, 8)
    torch.testing.assert_close(network.frozen()(x), network(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 10), (7, 8), (4, 6)])
def test_sides_that_cannot_be_halved_are_refused(shape):
    with pytest.raises(InputError, match="multiples of 4"):
        PolyphaseUNet(1, 4, 3)(torch.zeros(1, 1, *shape))
