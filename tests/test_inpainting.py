"""Missing pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nullsight.physics import Inpainting, bernoulli_mask, periodic_mask
from nullsight.types import InputError


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_mask_keeps_what_it_says(data: st.DataObject) -> None:
    channels, *space = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=3))
    batch = data.draw(st.integers(1, 3))
    lead = data.draw(st.sampled_from([(), (1,), (channels,), (batch, 1), (batch, channels)]))
    mask = bernoulli_mask((*lead, *space), 0.5, seed=data.draw(st.integers(0, 99)))
    physics = Inpainting((channels, *space), mask)
    x = torch.randn(batch, channels, *space, generator=torch.Generator().manual_seed(0))
    expected = x * mask.reshape(*[1] * (len(space) + 2 - mask.ndim), *mask.shape)
    assert torch.equal(physics.A(x), expected)
    assert torch.equal(physics.A_dagger(physics.A(x)), expected)
    assert torch.equal(physics.measured.expand(batch, -1, *[-1] * len(space)), (x * 0 == 0) & (expected == x))


def test_what_is_missing_does_not_matter_even_if_it_is_nan() -> None:
    physics = Inpainting((1, 3), torch.tensor([1, 0, 1]))
    assert torch.equal(physics.A(torch.tensor([[[1.0, float("nan"), 2.0]]])), torch.tensor([[[1.0, 0.0, 2.0]]]))


def test_a_subset_is_inpainting_again() -> None:
    physics = Inpainting((2, 3, 3), bernoulli_mask((3, 3), 0.8, seed=0))
    keep = bernoulli_mask((2, 3, 3), 0.5, seed=1)
    part = physics.subset(keep)
    assert isinstance(part, Inpainting)
    assert torch.equal(part.measured, physics.measured & keep)


@pytest.mark.parametrize("mask", [torch.ones(4), torch.ones(3, 4), torch.ones(2, 4, 4), torch.ones(1, 1, 1, 4, 4)])
def test_masks_that_do_not_fit_are_refused(mask: torch.Tensor) -> None:
    with pytest.raises(InputError, match="expected a mask of shape"):
        Inpainting((3, 4, 4), mask)


def test_a_grey_mask_is_refused() -> None:
    with pytest.raises(InputError, match="zeros and ones"):
        Inpainting((1, 4, 4), torch.full((4, 4), 0.5))


def test_random_masks_depend_on_the_seed_alone() -> None:
    mask = bernoulli_mask((200, 200), 0.7, seed=3)
    assert torch.equal(mask, bernoulli_mask((200, 200), 0.7, seed=3))
    assert not torch.equal(mask, bernoulli_mask((200, 200), 0.7, seed=4))
    assert float(mask.float().mean()) == pytest.approx(0.7, abs=0.01)
    with pytest.raises(InputError, match="share of kept pixels"):
        bernoulli_mask((2, 2), 1.5, seed=0)


def test_periodic_masks() -> None:
    mask = periodic_mask((4, 6), (2, 3), (1, 0))
    assert mask.nonzero().tolist() == [[1, 0], [1, 3], [3, 0], [3, 3]]
    assert int(periodic_mask((6,), 2, 1).sum()) == 3
    with pytest.raises(InputError, match="period"):
        periodic_mask((4, 6), (2,))
