"""A planted range of angles is recovered, from angles and from measurements of images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import RotationsWithin
from nullsight.noise import Gaussian
from nullsight.physics import Inpainting, ParallelBeamCT, bernoulli_mask
from nullsight.reconstructors import SmoothFill
from nullsight.trust.range_of_angles import fit_range, log_likelihood, range_of_angles
from tests.test_invariance import bars

DEGREES = torch.arange(0, 180, 0.05, dtype=torch.float64)


def planted(count: int, middle: float, most: float, blur: float, seed: int) -> torch.Tensor:
    draws = Draws(seed, 0, tuple(range(count)))
    return middle + most * (2 * draws.of("range").uniform() - 1) + blur * draws.of("blur").normal()


@given(middle=st.floats(0, 180), most=st.floats(8, 60), seed=st.integers(0, 20))
@settings(max_examples=8)
def test_the_range_of_directions_is_recovered(middle: float, most: float, seed: int) -> None:
    found = fit_range(planted(150, middle, most, 2.0, seed))
    assert abs(found.degrees - most) < 5
    assert found.low - 2 <= most <= found.high + 2
    assert abs((found.direction - middle + 90) % 180 - 90) < 5
    assert not found.everything
    assert found.low <= found.degrees <= found.high


def test_all_directions_are_told_from_most() -> None:
    everything = fit_range(planted(200, 0.0, 90.0, 0.0, 1))
    assert everything.everything and everything.family.limit == 180
    assert "all rotations may be used" in str(everything)
    most = fit_range(planted(200, 0.0, 60.0, 2.0, 1))
    assert not most.everything and most.family.limit == most.degrees
    assert repr(most.family) in str(most)


@pytest.mark.parametrize(("count", "most", "blur"), [(30, 25.0, 1.0), (60, 60.0, 2.0), (60, 12.0, 4.0)])
def test_intervals_hold_as_often_as_they_say(count: int, most: float, blur: float) -> None:
    """60 intervals at 95 %: fewer than 52 hold in one of a hundred cases."""
    found = [fit_range(planted(count, 37.3, most, blur, seed)) for seed in range(60)]
    assert sum(one.low <= most <= one.high for one in found) >= 52
    assert sum(one.everything for one in found) <= 3
    assert sum(one.high - one.low for one in found) / 60 < 0.8 * (most + 2 * blur), "they say something"


@pytest.mark.parametrize("count", [20, 100])
def test_all_directions_are_held_for_possible_as_often_as_stated(count: int) -> None:
    """60 samples from all directions at 95 %: fewer than 52 are told for such in one of a hundred cases."""
    assert sum(fit_range(planted(count, 0.0, 90.0, 0.0, seed)).everything for seed in range(60)) >= 52


def test_a_few_outliers_do_not_widen_the_range() -> None:
    angles = torch.cat([planted(100, 90.0, 20.0, 1.0, 0), torch.tensor([0.0, 5.0]).double()])
    assert abs(fit_range(angles).degrees - 20) < 5


def test_densities_are_densities() -> None:
    middles, widths, blurs = (torch.tensor(v).double() for v in ([0.0, 33.0, 179.0], [1.0, 30.0, 90.0], [0.5, 8.0]))
    each = torch.stack([log_likelihood(one[None], middles, widths, blurs) for one in DEGREES[::40]])
    mass = (each.exp() * 2.0).sum(0)  # 90 points, 2 degrees apart; a narrow peak needs finer ones
    torch.testing.assert_close(mass[:, 1:], torch.ones_like(mass[:, 1:]), atol=0.02, rtol=0)
    flat = each[:, :, 2, 0].exp()
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / 180), rtol=0.02, atol=0)


@pytest.mark.parametrize("scanner", ["mask", "tomography"])
def test_a_planted_range_is_recovered_from_measurements(scanner: str) -> None:
    count, most = 100, 25.0
    x = bars(count, 0, planted(count, 120.0, most, 0.0, 3), 24)
    mask = Inpainting((1, 24, 24), bernoulli_mask((24, 24), 0.7, seed=1))
    physics = {"mask": mask, "tomography": ParallelBeamCT((1, 24, 24), 20)}[scanner]
    y = Gaussian(0.02).observe(physics.A(x), physics.measured, Draws(0, 0, tuple(range(count))).of("noise"))
    images = SmoothFill()(y, physics) if physics is mask else physics.A_dagger(y)
    found = range_of_angles(images)
    assert abs(found.degrees - most) < 8
    assert abs(found.direction - 120) < 8
    assert isinstance(found.family, RotationsWithin)
    assert found.images == count


def test_images_without_direction_are_not_counted() -> None:
    disk = torch.exp(-torch.linspace(-3, 3, 16).square())
    round_ones = (disk[:, None] * disk).expand(20, 1, 16, 16)
    with pytest.raises(InputError, match="at least 10 images whose structures have a direction, but 0 came"):
        range_of_angles(round_ones)
    with pytest.raises(InputError, match="but 3 came"):
        fit_range(torch.zeros(3))
