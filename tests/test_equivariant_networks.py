"""Residual networks of group convolutions and steerable ones, end to end; gain; the contracts; equal parameters."""

import pytest
import torch
from torch import nn

from nullsight.contracts import ContractError, assert_equivariant, assert_homogeneous, equivariance_curve
from nullsight.groups import Dihedral, QuarterTurns, Reflections, Rotations, Shifts, Trivial
from nullsight.networks import (
    BatchNorm,
    BiasFree,
    BiasFreeDnCNN,
    CircularBorder,
    DnCNN,
    FoldedUNet,
    GatedFeatures,
    GroupNorm,
    GroupResidual,
    LayerNorm,
    NormFeatures,
    PolyphaseUNet,
    RegularFeatures,
    RootMeanSquare,
    Shuffled,
    SteerableResidual,
    UNet,
    matched_width,
)
from nullsight.types import InputError

GROUPS = [QuarterTurns(), Dihedral(4), Dihedral(2), Reflections(), Rotations(4), Trivial()]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def change(network: nn.Module):
    """Return what a residual network adds, with additive terms and the last layer as large as after training."""
    with torch.no_grad():
        for seed, weight in enumerate(network.parameters()):
            if weight.ndim == 1:
                weight.add_(0.1 * normal(*weight.shape, seed=seed))
    return lambda x: network(x) - x[:, : network(x).shape[1]]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("norm", [GroupNorm(2), LayerNorm(), RootMeanSquare()], ids=repr)
def test_group_residual_follows_every_element(group, norm):
    network = GroupResidual(2, 2, 2, group=group, norm=norm, out_channels=1, seed=0).double()
    assert_equivariant(change(network), group, normal(2, 2, 7, 7), tolerance=1e-11)


def test_batch_statistics_follow_every_element_too():
    network = GroupResidual(1, 2, 1, group=QuarterTurns(), norm=BatchNorm(), seed=0).double()
    x = normal(4, 1, 6, 6)
    network(x)
    assert_equivariant(change(network.eval()), QuarterTurns(), x, tolerance=1e-11)


def test_group_residual_in_single_precision():
    network = GroupResidual(1, 4, 3, seed=0)
    assert_equivariant(network, Dihedral(4), normal(2, 1, 16, 16).float(), tolerance=5e-6)


def test_circular_border_adds_the_shifts():
    network = GroupResidual(1, 2, 2, group=QuarterTurns(), border=CircularBorder(), seed=0).double()
    assert_equivariant(change(network), Shifts((5, 6)), normal(1, 1, 5, 6), tolerance=1e-11)


@pytest.mark.parametrize("restricted", [0, 1, 2])
def test_restricted_networks_follow_the_subgroup_alone(restricted):
    group, subgroup = Dihedral(4), QuarterTurns()
    network = GroupResidual(1, 2, 2, group=group, subgroup=subgroup, restricted=restricted, seed=0).double()
    added, x = change(network), normal(1, 1, 7, 7)
    assert_equivariant(added, subgroup, x, tolerance=1e-11)
    with pytest.raises(ContractError, match="equivariance error"):
        assert_equivariant(added, group, x, tolerance=1e-3)


@pytest.mark.parametrize("group", [QuarterTurns(), Dihedral(4), Rotations(2)], ids=repr)
@pytest.mark.parametrize("features", [RegularFeatures(), NormFeatures(1), GatedFeatures(1)], ids=repr)
def test_steerable_residual_follows_exact_elements(group, features):
    network = SteerableResidual(1, 2, 1, group=group, features=features, norm=RootMeanSquare(), seed=0).double()
    assert_equivariant(change(network), group, normal(2, 1, 7, 7), tolerance=1e-11)


@pytest.mark.parametrize(
    "network",
    [
        BiasFreeDnCNN(1, 6, 5, seed=0),
        UNet(1, 4, 3, norm=BiasFree(), seed=0),
        Shuffled(1, 6, 3, seed=0),
        FoldedUNet(1, 6, 2, seed=0),
        GroupResidual(1, 2, 2, norm=BiasFree(), seed=0),
        GroupResidual(1, 2, 2, subgroup=Reflections(), norm=BiasFree(), seed=0),
        SteerableResidual(1, 2, 1, norm=BiasFree(), seed=0),
        PolyphaseUNet(1, 2, 2, group=Dihedral(4), norm=BiasFree(), seed=0),
    ],
    ids=lambda network: type(network).__name__,
)
def test_networks_without_additive_terms_follow_the_gain(network):
    x = normal(2, 1, 8, 8)
    network = network.double()
    assert not any(name.endswith("bias") for name, _ in network.named_parameters())
    assert_homogeneous(network, x, tolerance=1e-14)
    assert torch.equal(network(0.125 * x), 0.125 * network(x))  # a power of two rounds nothing
    assert torch.equal(network(0 * x), 0 * x)


def test_a_network_with_additive_terms_does_not():
    network, x = DnCNN(1, 4, 3, seed=0).double(), normal(1, 1, 8, 8)
    added = change(network)
    with pytest.raises(ContractError, match="error under gains"):
        assert_homogeneous(added, x, tolerance=1e-6)


def test_parameters_are_counted_and_matched():
    small = GroupResidual(1, 4, 2, group=Dihedral(4), norm=BiasFree())
    assert small.parameter_count == sum(weight.numel() for weight in small.parameters())
    # lifting, two blocks of two layers with one filter of each of 8 orientations a pair of fields, projection
    assert small.parameter_count == 9 * (4 + 4 * 8 * 4 * 4 + 4)
    frozen = sum(weight.numel() for weight in small.frozen().parameters())
    assert frozen == 9 * (32 + 4 * 32 * 32 + 32)
    width = matched_width(lambda width: DnCNN(1, width, 6), small.parameter_count)
    counts = [abs(DnCNN(1, w, 6).parameter_count - small.parameter_count) for w in (width - 1, width, width + 1)]
    assert counts[1] == min(counts)
    assert matched_width(lambda width: DnCNN(1, width, 6), 1) == 1


def test_trivial_group_is_an_ordinary_network():
    network = GroupResidual(1, 6, 2, group=Trivial(), seed=0).double()
    enter = nn.Conv2d(1, 6, 3, padding=1).double()
    enter.load_state_dict({"weight": network.enter.weight[:, :, 0], "bias": network.enter.bias})
    x = normal(1, 1, 5, 5)
    torch.testing.assert_close(network.enter(x), enter(x))


@pytest.mark.parametrize(
    "network",
    [GroupResidual(1, 2, 1, group=QuarterTurns(), seed=0), SteerableResidual(1, 2, 1, kernel=3, seed=0)],
    ids=lambda network: type(network).__name__,
)
def test_learns_a_known_map(network):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 8, 8, generator=generator)
    truth = x - 0.25 * torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (network(x) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 20


def test_curve_of_an_ordinary_network_is_large_and_of_a_pointwise_map_small():
    axis = torch.arange(33, dtype=torch.float64) - 16
    x = torch.exp(-((axis[:, None] - 3) ** 2 + axis**2) / 20)[None, None]
    degrees = [0.0, 30.0, 90.0, 200.0]
    assert float(equivariance_curve(lambda z: 2 * z, x, degrees).max()) < 1e-12
    down = equivariance_curve(lambda z: z.roll(4, 2), x, degrees)
    assert float(down[0]) == 0 and float(down[1:].min()) > 0.3


def test_contracts_refuse_what_does_not_follow():
    x = normal(1, 1, 4, 4)
    with pytest.raises(ContractError, match=r"should be <= 1.0e-06"):
        assert_equivariant(lambda z: z.roll(1, 2), QuarterTurns(), x, tolerance=1e-6)
    assert assert_equivariant(lambda z: z.roll(1, 2), Shifts((4, 4)), x, tolerance=0.0) == 0


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: GroupResidual(1, 2, 2, restricted=3), "0 to 2 restricted blocks"),
        (lambda: GroupResidual(1, 2, 0), "depth of at least 1"),
        (lambda: GroupResidual(1, group=Rotations(8)), "only moves the pixels"),
        (lambda: GroupResidual(1, subgroup=Rotations(8)), "has others than"),
        (lambda: PolyphaseUNet(1, 2, 2, out_channels=2), "1 to 1 output channels"),
        (lambda: GroupResidual(1, 2, 1)(torch.zeros(1, 2, 4, 4)), r"\(batch, 1, height, width\)"),
    ],
)
def test_bad_input_is_one_clear_sentence(build, words):
    with pytest.raises(InputError, match=words):
        build()
