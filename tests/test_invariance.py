"""The test of invariance: its level on invariant images (interpolation and oriented operators included), its power."""

import math

import pytest
import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.evaluation import dagger
from nullsight.groups import QuarterTurns, Reflections, Rotations, Shifts
from nullsight.groups.base import FiniteGroup
from nullsight.noise import Gaussian, Noiseless
from nullsight.physics import Inpainting, ParallelBeamCT, bernoulli_mask
from nullsight.physics.base import Physics
from nullsight.reconstructors import SmoothFill
from nullsight.trust.invariance import Invariance, invariance, randomisation
from nullsight.trust.orientation import axes, features, layout, spectrum_by_direction, window

SIZE = 16
MASK = Inpainting((1, SIZE, SIZE), bernoulli_mask((SIZE, SIZE), 0.7, seed=1))
WEDGE = ParallelBeamCT((1, SIZE, SIZE), [float(a) for a in range(0, 120, 10)])  # a third of the angles is missing
HALF = ParallelBeamCT((1, SIZE, SIZE), [float(a) for a in range(0, 80, 10)])  # more than half of them
FILL = SmoothFill()
STRIPE = (torch.arange(SIZE)[:, None] + torch.arange(-2, 3)) % SIZE  # the five pixels around each, along a row
POOR = {  # what f makes of images is far from them, and oriented: by holes, by missing angles, by f itself
    "holes": (MASK, dagger),
    "missing half": (HALF, dagger),
    "blurred along rows": (MASK, lambda y, A: FILL(y, A)[..., STRIPE].mean(-1)),
}


def bars(count: int, seed: int, degrees: Tensor, size: int = SIZE) -> Tensor:
    """Return smooth bars of random place and width, all of an image along one direction, degrees from the right."""
    drawn = Draws(seed, 0, tuple(range(count))).of("bars").uniform((3, 3))
    at = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    angle = torch.deg2rad(degrees.double()).reshape(-1, 1, 1, 1)
    right, up = at, -at[:, None]
    across = -torch.sin(angle) * right + torch.cos(angle) * up
    along = torch.cos(angle) * right + torch.sin(angle) * up
    place = (0.5 * size * (drawn[..., 0] - 0.5)).reshape(count, 3, 1, 1)
    offset = (0.4 * size * (drawn[..., 1] - 0.5)).reshape(count, 3, 1, 1)
    width = (0.07 + 0.05 * drawn[..., 2]).reshape(count, 3, 1, 1) * size
    one = torch.exp(-((across - place) ** 2) / (2 * width**2) - (along - offset) ** 2 / (2 * (0.35 * size) ** 2))
    return one.sum(1, keepdim=True).float()


def any_direction(count: int, seed: int) -> Tensor:
    return 360 * Draws(seed, 0, tuple(range(count))).of("directions").uniform()


def judged(x: Tensor, physics: Physics, group: FiniteGroup, *, seed: int = 0, transforms: int = 3) -> Invariance:
    draws = Draws(seed, 0, tuple(range(len(x))))
    y = Gaussian(0.02).observe(physics.A(x), physics.measured, draws.of("noise"))
    f = FILL if physics is MASK else dagger
    return invariance(f, y, physics, group, Gaussian(0.02), draws, transforms=transforms, permutations=199)


def waves(degrees: Tensor, n: int) -> Tensor:
    """Return stripes along directions, 0.2 cycles a pixel, of phases of their own."""
    at = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    angle = torch.deg2rad(degrees.double()).reshape(-1, 1, 1, 1)
    across = -torch.sin(angle) * at - torch.cos(angle) * at[:, None]
    phase = torch.arange(len(degrees)).double().reshape(-1, 1, 1, 1)
    return torch.sin(0.4 * math.pi * across + phase)


@pytest.mark.parametrize("n", [16, 17])
def test_features_turn_with_the_image_and_know_no_grid(n: int) -> None:
    degrees = torch.arange(0, 180, 10).double()
    direction, clear = axes(waves(degrees, n))
    apart = (direction - degrees + 90) % 180 - 90
    assert float(apart.abs().max()) < 2
    assert float(clear.min()) > 0.8
    x = bars(3, 1, torch.tensor([10.0, 50.0, 100.0]), n)
    turned = spectrum_by_direction(x.rot90(1, (-2, -1)))
    torch.testing.assert_close(turned, spectrum_by_direction(x).roll(6, 1), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(spectrum_by_direction(x).sum(1), torch.ones(3).double())
    torch.testing.assert_close(spectrum_by_direction(3 * x + 1), spectrum_by_direction(x), rtol=1e-3, atol=1e-6)
    half = layout(x.rot90(2, (-2, -1)))
    torch.testing.assert_close(half.flip(1), layout(x), rtol=1e-4, atol=1e-6)
    noise = torch.randn(400, 1, n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    even = spectrum_by_direction(noise).mean(0)
    assert float(even.max() / even.min()) < 1.2


def test_the_window_leaves_nothing_in_the_corners() -> None:
    faded = window(torch.ones(1, 1, 16, 16))
    assert float(faded[0, 0, 0, 0]) < 1e-12 and float(faded[0, 0, 8, 8]) == 1
    assert torch.allclose(faded, faded.rot90(1, (-2, -1)))


def test_randomisation_is_exact_where_features_are_exchangeable() -> None:
    """400 tests at 5 %: between 5 and 38 rejections in all but one of ten thousand cases."""
    rejections, ids = 0, tuple(range(15))
    for seed in range(400):
        draws = Draws(seed, 0, ids)
        own = draws.of("image").normal((1, 6))  # images differ much, their transforms little and unevenly
        seen = 10 * own + draws.of("transforms").normal((6, 6)).exp()
        p_value, _ = randomisation(seen, draws, permutations=59)
        rejections += p_value <= 0.05
    assert 5 <= rejections <= 38


def test_strength_is_the_mean_in_units_of_the_spread() -> None:
    draws = Draws(0, 0, tuple(range(2000)))
    seen = draws.of("features").normal((9, 4))
    p_value, strength = randomisation(seen, draws, permutations=99)
    assert strength == pytest.approx(1 / 2000**0.5, rel=0.8)
    seen[:, 0] += 0.5
    p_value, strength = randomisation(seen, draws, permutations=99)
    assert p_value == 0.01
    assert strength == pytest.approx(0.5 * 8 / 9, abs=0.08)
    constant = torch.ones(20, 4, 3, dtype=torch.float64)
    assert randomisation(constant, Draws(0, 0, tuple(range(20))), permutations=99)[0] == 1.0


@pytest.mark.parametrize("physics", [MASK, WEDGE], ids=["mask", "missing wedge"])
def test_false_alarms_are_about_one_in_twenty(physics: Physics) -> None:
    """Invariant images behind an operator that is not: 60 tests at 5 %, more than 9 in one of a thousand cases."""
    rejections = 0
    for seed in range(60):
        x = bars(12, seed, any_direction(12, seed))
        rejections += judged(x, physics, Rotations(360), seed=seed, transforms=2).rejected
    assert rejections <= 9


@pytest.mark.parametrize("name", POOR)
def test_a_poor_reconstructor_does_not_accuse_invariant_images(name: str) -> None:
    """40 tests at 5 % each: more than 7 in one of a thousand cases; turns of x1 alone would not do (holes: 4 of 10)."""
    physics, f = POOR[name]
    rejections = 0
    for seed in range(40):
        draws = Draws(seed, 0, tuple(range(20)))
        y = Gaussian(0.02).observe(
            physics.A(bars(20, seed, any_direction(20, seed))), physics.measured, draws.of("noise")
        )
        found = invariance(f, y, physics, QuarterTurns(), Gaussian(0.02), draws, transforms=2, permutations=99)
        rejections += found.rejected
    assert rejections <= 7


@pytest.mark.parametrize("physics", [MASK, WEDGE], ids=["mask", "missing wedge"])
@pytest.mark.parametrize("direction", [0.0, 70.0])
def test_a_preferred_direction_is_found_and_named(physics: Physics, direction: float) -> None:
    tilts = 20 * (any_direction(24, 5) / 180 - 1)
    found = judged(bars(24, 3, direction + tilts), physics, Rotations(360))
    assert found.rejected and found.p_value <= 0.02
    assert found.direction is not None
    assert abs((found.direction - direction + 90) % 180 - 90) < 25
    assert "RotationsWithin" in found.words and f"{found.direction:.0f} degrees" in str(found)
    assert found.strength > 0.3  # 0.2 is that of invariant images


def test_images_that_are_never_upside_down_are_told_from_their_layout() -> None:
    """One bright end: all directions of structures are as they should be under half turns."""
    x = bars(20, 2, torch.zeros(20))
    x = x * torch.linspace(2, 0.5, SIZE).reshape(-1, 1)
    found = judged(x, MASK, Rotations(2))
    assert found.rejected and found.direction is None
    assert judged(bars(20, 2, torch.zeros(20)), MASK, Rotations(2)).p_value > 0.01  # half turns of bars are bars


def test_exact_groups_need_no_turns_there_and_back() -> None:
    upright = bars(20, 4, torch.full((20,), 90.0))
    assert judged(upright, MASK, QuarterTurns()).rejected
    assert judged(upright, MASK, Reflections()).p_value > 0.01
    assert judged(bars(20, 4, torch.full((20,), 30.0)), MASK, Reflections(("horizontal",))).rejected
    placed = judged(upright, MASK, Shifts((SIZE, SIZE)))
    assert placed.rejected and placed.direction is None and "fewer transformations" in placed.words


def test_what_is_not_rejected_is_not_called_invariant() -> None:
    x, draws = bars(12, 0, any_direction(12, 0)), Draws(0, 0, tuple(range(12)))
    # 99 permutations resolve no p-value below 0.01, so that chance cannot reject
    found = invariance(FILL, MASK.A(x), MASK, QuarterTurns(), Noiseless(), draws, level=0.005, permutations=99)
    assert not found.rejected
    assert "Nothing speaks against" in found.words and "too small" in found.words


def test_features_of_ones_own_may_be_looked_at() -> None:
    x = bars(20, 4, torch.full((20,), 90.0))
    draws = Draws(0, 0, tuple(range(20)))

    def nothing(images: Tensor) -> Tensor:
        return images.square().mean((1, 2, 3))[:, None] * 0 + 1

    y = MASK.A(x)
    blind = invariance(dagger, y, MASK, QuarterTurns(), Noiseless(), draws, permutations=19, look=nothing)
    assert blind.p_value == 1.0
    assert (
        invariance(dagger, y, MASK, QuarterTurns(), Noiseless(), draws, permutations=19, look=features).p_value == 0.05
    )


def test_what_cannot_be_tested_is_refused() -> None:
    y, draws = torch.zeros(2, 1, SIZE, SIZE), Draws(0, 0, (0, 1))
    with pytest.raises(InputError, match="at least two measurements"):
        invariance(dagger, y[:1], MASK, QuarterTurns(), Noiseless(), draws.take([0]))
    with pytest.raises(InputError, match="a level between 0 and 1"):
        invariance(dagger, y, MASK, QuarterTurns(), Noiseless(), draws, level=0.0)
    wide = Inpainting((1, 4, 6), torch.ones(4, 6))
    with pytest.raises(InputError, match="expected square images"):
        invariance(dagger, torch.zeros(2, 1, 4, 6), wide, Reflections(), Noiseless(), draws)
