"""Turns within a limit: what is drawn, how it acts, what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nullsight.contracts.groups import assert_action_error
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Bilinear, Rotations, RotationsWithin
from nullsight.physics import ParallelBeamCT
from nullsight.physics.composed import behind

MANY = Draws(0, 0, tuple(range(4000)))


@given(limit=st.floats(1.0, 180.0), n=st.integers(360, 4000))
def test_what_is_drawn_lies_within_the_limit_and_fills_it(limit: float, n: int) -> None:
    group = RotationsWithin(limit, n)
    few = Draws(0, 0, tuple(range(200)))
    angles = group.degrees(group.sample(few.of("turns")))
    assert float(angles.abs().max()) <= limit + 1e-9
    assert float(angles.max()) > 0.8 * limit - 360 / n and float(angles.min()) < -0.8 * limit + 360 / n


def test_draws_are_uniform() -> None:
    group = RotationsWithin(2.0, 360)
    angles = group.degrees(group.sample(MANY.of("turns")))
    counts = torch.bincount((angles + 2).round().long(), minlength=5)
    assert len(counts) == 5
    assert float(((counts - 800) ** 2 / 800).sum()) < 18.5  # chi-squared of 4 degrees of freedom, 0.1 %


@pytest.mark.parametrize("degrees", [-17.0, 0.0, 60.0, 135.0, 180.0])
def test_acts_as_the_group_of_all_turns(degrees: float) -> None:
    group, every = RotationsWithin(20, 360), Rotations(360)
    x = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    g = group.element(torch.tensor([degrees]))
    assert float(group.degrees(g)) == degrees
    assert torch.equal(group.act(g, x), every.act(torch.tensor([int(degrees) % 360]), x))
    back = group.inverse(g)
    assert torch.equal(group.compose(g, back), group.identity(1))


def test_products_may_leave_the_limit() -> None:
    group = RotationsWithin(20)
    g = group.element(torch.tensor([20.0]))
    assert float(group.degrees(group.compose(g, g))) == pytest.approx(40)


def test_stated_error_is_that_of_what_is_drawn() -> None:
    group = RotationsWithin(15, interpolation=Bilinear())
    assert assert_action_error(group) > 0  # neither more nor less than half is measured


def test_scanners_are_turned_without_interpolation() -> None:
    physics, group = ParallelBeamCT((1, 16, 16), 6), RotationsWithin(20)
    turned = behind(physics, group, group.element(torch.tensor([10.0])))
    assert isinstance(turned, ParallelBeamCT)


@pytest.mark.parametrize(("limit", "n"), [(0.0, 360), (181.0, 360), (0.5, 360), (90.0, 2)])
def test_limits_that_draw_nothing_or_too_much_are_refused(limit: float, n: int) -> None:
    with pytest.raises(InputError, match="from one step to 180 degrees"):
        RotationsWithin(limit, n)
