"""Gain, inversion and exchange of channels beyond their contracts."""

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nullsight.contracts.findings import ContractError
from nullsight.contracts.groups import assert_group_adjoint, check_group
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import ChannelPermutations, ColourInversion, Gain, Mixture, QuarterTurns
from nullsight.linalg import dense_matrix


def _image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_gains_multiply(a: float, b: float) -> None:
    group, x = Gain(), _image(1, 2, 3, 3)
    g, h = torch.tensor([[a]], dtype=torch.float64), torch.tensor([[b]], dtype=torch.float64)
    assert torch.allclose(group.act(g, x), math.exp(a) * x)
    assert torch.allclose(group.act(group.compose(g, h), x), math.exp(a + b) * x)
    assert torch.allclose(group.act(group.inverse(g), group.act(g, x)), x)
    assert torch.equal(group.act_adjoint(g, x), group.act(g, x))


def test_gains_are_log_uniform_in_their_range() -> None:
    drawn = Gain(0.5, 2.0).sample(Draws(0, 0, tuple(range(4000))).of("g"))[:, 0]
    assert float(drawn.min()) >= math.log(0.5) and float(drawn.max()) <= math.log(2.0)
    assert abs(float(drawn.mean())) < 0.03
    assert float((drawn > math.log(2.0) / 2).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_half_precision_and_gradients_stay_what_they_are() -> None:
    x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)
    assert Gain().act(torch.zeros(1, 1, dtype=torch.float64), x).dtype == torch.bfloat16
    assert ColourInversion().act(torch.tensor([1]), x).dtype == torch.bfloat16


def test_inversion_is_affine_and_its_adjoint_that_of_the_linear_part() -> None:
    group, g, x = ColourInversion(peak=3.0), torch.tensor([0, 1]), _image(2, 1, 3, 3)
    assert torch.equal(group.act(g, x), torch.stack([x[0], 3 - x[1]])) and not group.linear
    zero = torch.zeros(1, 9, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.int64)
    linear = dense_matrix(lambda z: group.act(one.expand(len(z)), z) - group.act(one.expand(len(z)), 0 * z), (1, 3, 3))
    back = dense_matrix(lambda z: group.act_adjoint(one.expand(len(z)), z), (1, 3, 3))
    assert torch.equal(linear.T, back) and torch.equal(linear, zero - torch.eye(9))
    leaf = x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: group.act(g, z), leaf)


def test_an_affine_family_that_says_it_is_linear_is_caught() -> None:
    class Claims(ColourInversion):
        linear = True

    with pytest.raises(ContractError):
        assert_group_adjoint(Claims(), (1, 3, 3))
    assert any(not one.passed for one in check_group(Claims(), (1, 3, 3)))
    assert not Mixture([QuarterTurns(), ColourInversion()]).linear


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_go_where_the_permutation_says(channels: int) -> None:
    group, every = ChannelPermutations(channels), list(permutations(range(channels)))
    assert group.order == len(every)
    x = _image(group.order, channels, 2)
    moved = group.act(torch.arange(group.order), x)
    for one, places, image in zip(moved, every, x, strict=True):
        assert all(torch.equal(one[place], image[k]) for k, place in enumerate(places))


def test_what_is_no_such_group_is_refused() -> None:
    for low, high in ((0.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (1.0, math.inf), (1.0, math.nan)):
        with pytest.raises(InputError, match="0 < low <= high"):
            Gain(low, high)
    for peak in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(InputError, match="positive intensity"):
            ColourInversion(peak)
    for channels in (0, 7):
        with pytest.raises(InputError, match="1 to 6 channels"):
            ChannelPermutations(channels)
    with pytest.raises(InputError, match="images of 3 channels, but 2 came"):
        ChannelPermutations(3).act(torch.tensor([0]), _image(1, 2, 4))
    with pytest.raises(InputError, match="one element per image"):
        Gain().act(torch.zeros(2, 1), _image(1, 1, 4))
