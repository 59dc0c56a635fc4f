"""Group convolutions: the law for every element, a dense count of what they are, restriction, the plain network."""

import pytest
import torch
from torch.nn import functional

from nullsight.groups import Dihedral, FiniteGroup, QuarterTurns, Reflections, Rotations, Shifts, Trivial
from nullsight.networks import (
    CircularBorder,
    Fields,
    Frozen,
    GroupConvolution,
    Lifting,
    Projection,
    RegularField,
    Restriction,
    TrivialField,
)
from nullsight.networks.borders import ZERO_BORDER
from nullsight.networks.group_conv import turned_pixels
from nullsight.networks.restriction import embedding
from nullsight.types import InputError

EXACT = [Trivial(), QuarterTurns(), Rotations(2), Rotations(4), Dihedral(1), Dihedral(2), Dihedral(4), Reflections()]
GROUPS = [pytest.param(group, id=repr(group)) for group in EXACT]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layers(group: FiniteGroup, kernel: int, border=ZERO_BORDER):
    made = [
        Lifting(2, 3, group, kernel=kernel, border=border),
        GroupConvolution(2, 3, group, kernel=kernel, border=border),
        Projection(3, 2, group, kernel=kernel, border=border),
    ]
    for layer in made:
        with torch.no_grad():
            layer.double().bias.copy_(normal(len(layer.bias), seed=1))
    return made


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("kernel", "side"), [(1, 4), (3, 5), (3, 6), (5, 6)])
def test_layers_keep_the_law_for_every_element(group, kernel, side):
    for layer in layers(group, kernel):
        x = normal(1, layer.inputs.channels, side, side)
        out = layer(x)
        assert out.shape == (1, layer.outputs.channels, side, side)
        for g in group.elements():
            one = torch.tensor([g])
            torch.testing.assert_close(layer(layer.inputs.act(one, x)), layer.outputs.act(one, out))


def test_circular_layers_follow_shifts():
    for layer in layers(QuarterTurns(), 3, CircularBorder()):
        x = normal(1, layer.inputs.channels, 4, 5)
        torch.testing.assert_close(layer(x.roll((1, 2), (2, 3))), layer(x).roll((1, 2), (2, 3)))


def test_a_layer_that_is_no_group_convolution_fails_the_law():
    layer = torch.nn.Conv2d(1, 12, 3, padding=1).double()
    fields = Lifting(1, 3, QuarterTurns()).outputs
    x, one = normal(1, 1, 5, 5), torch.tensor([1])
    assert not torch.allclose(layer(x.rot90(1, (2, 3))), fields.act(one, layer(x)), atol=1e-3)


@pytest.mark.parametrize("group", [QuarterTurns(), Dihedral(4)], ids=repr)
def test_the_layers_are_the_sums_of_the_definition(group):
    lift, inner, project = layers(group, 3)

    def act(g: int, filters: torch.Tensor) -> torch.Tensor:
        return group.act(torch.full((len(filters),), g), filters)

    def index(g: int) -> torch.Tensor:
        return torch.tensor([g])

    x = normal(2, 2, 6, 6)
    found = lift(x).unflatten(1, (3, -1))
    for g in group.elements():
        expected = functional.conv2d(x, act(g, lift.weight[:, :, 0]), lift.bias, padding=1)
        torch.testing.assert_close(found[:, :, g], expected)
    fields = normal(2, 2 * group.order, 6, 6)
    apart, found = fields.unflatten(1, (2, -1)), inner(fields).unflatten(1, (3, -1))
    for g in group.elements():
        expected = inner.bias[:, None, None]
        for h in group.elements():
            relative = int(group.compose(group.inverse(index(g)), index(h)))
            expected = expected + functional.conv2d(apart[:, :, h], act(g, inner.weight[:, :, relative]), padding=1)
        torch.testing.assert_close(found[:, :, g], expected)
    fields = normal(2, 3 * group.order, 6, 6)
    apart, expected = fields.unflatten(1, (3, -1)), project.bias[:, None, None]
    for h in group.elements():
        expected = expected + functional.conv2d(apart[:, :, h], act(h, project.weight[:, :, 0]), padding=1)
    torch.testing.assert_close(project(fields), expected)


@pytest.mark.parametrize("kind", range(3))
def test_gradients_are_those_of_the_map(kind):
    layer = layers(QuarterTurns(), 3)[kind]
    x = normal(1, layer.inputs.channels, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, x), (x, layer.weight)
    )


def test_variance_is_kept_as_in_an_ordinary_layer():
    layer = GroupConvolution(16, 16, Dihedral(4), bias=False).double()
    kernel = layer.filters()
    assert 0.9 < float(kernel.detach().square().sum((1, 2, 3)).mean()) / 2 < 1.1


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_is_the_same_map_with_weights_of_its_own(kind, dtype):
    layer = layers(Dihedral(4), 3, CircularBorder())[kind].to(dtype)
    x = normal(2, layer.inputs.channels, 6, 6).to(dtype)
    plain, kept = Frozen(layer), layer(x).detach()
    assert isinstance(plain.network, torch.nn.Conv2d) and not plain.network.weight.requires_grad
    torch.testing.assert_close(plain(x), kept, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-13)
    with torch.no_grad():
        layer.weight.mul_(2)
    torch.testing.assert_close(plain(x), kept, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize(
    ("group", "subgroup"),
    [
        (Dihedral(4), QuarterTurns()),
        (Dihedral(4), Reflections()),
        (Dihedral(4), Dihedral(1)),
        (Dihedral(4), Trivial()),
        (QuarterTurns(), Rotations(2)),
        (Rotations(4), QuarterTurns()),
    ],
    ids=repr,
)
def test_restriction_keeps_the_law_of_the_subgroup(group, subgroup):
    change = Restriction(2, group, subgroup)
    assert change.out_fields * subgroup.order == 2 * group.order
    x = normal(1, 2 * group.order, 5, 5)
    inside = embedding(subgroup, group)
    assert sorted(change(x).flatten().tolist()) == sorted(x.flatten().tolist())
    for h in subgroup.elements():
        turned = change.inputs.act(inside[h : h + 1], x)
        torch.testing.assert_close(change(turned), change.outputs.act(torch.tensor([h]), change(x)))


def test_restriction_refuses_what_is_no_subgroup():
    with pytest.raises(InputError, match="has others than"):
        Restriction(1, QuarterTurns(), Dihedral(4))


@pytest.mark.parametrize("group", [Rotations(8), Dihedral(3), Shifts((3, 3))], ids=repr)
def test_groups_that_do_not_turn_kernels_exactly_are_refused(group):
    with pytest.raises(InputError, match="only moves the pixels of a kernel"):
        turned_pixels(group, 3)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Lifting(1, 1, QuarterTurns(), kernel=4), "odd side"),
        (lambda: Projection(0, 1, QuarterTurns()), "at least one field"),
        (lambda: GroupConvolution(1, 1, Rotations(5), kernel=1), "only moves the pixels"),
    ],
)
def test_bad_input_is_one_clear_sentence(build, words):
    with pytest.raises(InputError, match=words):
        build()


def test_fields_act_as_their_group():
    group = Dihedral(4)
    fields = Fields(group, ((TrivialField(), 1), (RegularField(), 2)))
    x = normal(1, fields.channels, 4, 4)
    for g in group.elements():
        for h in group.elements():
            one, other = torch.tensor([g]), torch.tensor([h])
            torch.testing.assert_close(
                fields.act(one, fields.act(other, x)), fields.act(group.compose(one, other), x), rtol=0, atol=0
            )
