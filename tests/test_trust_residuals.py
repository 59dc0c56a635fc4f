"""Residual tests on exact draws: pure noise passes at the stated rate, what is not noise fails."""

import math

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.draws import Draws
from nullsight.noise.base import Noise
from nullsight.trust import Residuals, residual_tests

P, N = ns.physics, ns.noise
SHAPE = (1, 24, 24)
WHOLE = P.Inpainting(SHAPE, torch.ones(24, 24))
TRIALS = 200


def normal(seed: int, batch: int = 1) -> Tensor:
    return Draws(seed, 0, tuple(range(batch))).of("noise").normal(SHAPE)


def of_noise(noise: Tensor, sigma: float = 0.1, physics: ns.physics.Physics = WHOLE) -> Residuals:
    """Return the tests of the true image, whose measurement carries this noise."""
    x = torch.full_like(noise, 2.0)
    return residual_tests(x, physics.A(x + noise), physics, N.Gaussian(sigma))


def test_white_noise_passes_at_the_stated_rate() -> None:
    found = [of_noise(0.1 * normal(seed)) for seed in range(TRIALS)]
    assert sum(not one.white for one in found) <= 7, "one of a hundred, of all correlations together"
    assert sum(not one.explained for one in found) <= 3, "three standard deviations"
    means, sizes = (torch.tensor([getattr(one, name) for one in found]) for name in ("mean", "discrepancy"))
    assert abs(float(means.mean())) < 0.3 and float(means.std()) == pytest.approx(1, abs=0.15)
    assert float(sizes.mean()) == pytest.approx(1, abs=0.02)
    assert float(sizes.std()) == pytest.approx(found[0].deviation, rel=0.2)
    scores = torch.tensor([[one.score for one in each.correlations] for each in found])
    assert scores.shape == (TRIALS, 6), "two axes, three lags: the channel is none"
    assert float(scores.mean()) == pytest.approx(0, abs=0.15) and float(scores.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("axis", [1, 2])
def test_correlated_noise_fails_along_its_axis(axis: int) -> None:
    drawn = normal(0)
    mixed = 0.1 * (drawn + 0.5 * drawn.roll(1, axis + 1)) / 1.25**0.5
    found = of_noise(mixed)
    assert found.explained and not found.white
    worst = max(found.correlations, key=lambda one: abs(one.score))
    assert (worst.axis, worst.lag) == (axis, 1) and worst.value == pytest.approx(0.4, abs=0.1)
    assert any("structure" in line for line in found.lines())


def test_a_wrong_level_and_an_offset_are_found() -> None:
    assert not of_noise(0.12 * normal(1)).explained
    assert any("too large" not in line for line in of_noise(0.12 * normal(1)).lines())
    shifted = of_noise(0.1 * normal(1) + 0.03)
    assert shifted.mean is not None and shifted.mean < -5 and not shifted.explained


@pytest.mark.parametrize(("off", "explained"), [(0.0, True), (0.009, True), (0.011, False), (0.12, False)])
def test_without_noise_one_percent_is_not_explained(off: float, explained: bool) -> None:
    x = torch.full((2, *SHAPE), 2.0)
    found = residual_tests(x * (1 + off), WHOLE.A(x), WHOLE, N.Noiseless())
    assert found.relative == pytest.approx(off, abs=1e-6) and found.explained == explained
    [line] = found.lines()
    assert ("not explained" in line) != explained


def test_only_measured_entries_and_pairs_of_them_count() -> None:
    columns = torch.zeros(24, 24)
    columns[:, ::2] = 1
    physics = P.Inpainting(SHAPE, columns)
    drawn = 0.1 * normal(2)
    found = of_noise(drawn, physics=physics)
    assert found.entries == 288
    assert {(one.axis, one.lag) for one in found.correlations} == {(1, 1), (1, 2), (1, 3), (2, 2)}
    assert [one.pairs for one in found.correlations if one.axis == 2] == [24 * 11]
    x = torch.full_like(drawn, 2.0)
    other = x + 5 * (1 - columns)
    assert residual_tests(other, physics.A(x + drawn), physics, N.Gaussian(0.1)) == found


def test_least_squares_leave_what_a_full_fit_leaves() -> None:
    physics = P.MatrixOperator((1, 8), P.gaussian_matrix(20, 8, seed=0).double())
    draws = Draws(0, 0, tuple(range(400)))
    x = draws.of("images").normal((1, 8))
    y = physics.A(x) + 0.1 * draws.of("noise").normal((20,))
    fit = (torch.linalg.pinv(physics.to_matrix()) @ y.T).T.reshape(-1, 1, 8)
    found = residual_tests(fit, y, physics, N.Gaussian(0.1))
    assert found.least == pytest.approx(0.6)
    assert found.discrepancy == pytest.approx(0.6, abs=0.03)
    assert found.explained and any("as the noise explains" in line for line in found.lines())
    copied = residual_tests(0.1 * normal(3), 0.1 * normal(3), WHOLE, N.Gaussian(0.1))
    assert copied.discrepancy == 0 and copied.least == 0 and copied.explained
    stated_too_large = residual_tests(fit, y, physics, N.Gaussian(0.2))
    assert any("stated too large" in line for line in stated_too_large.lines())


@pytest.mark.parametrize("noise", [N.Poisson(0.05), N.PoissonGaussian(0.02, 0.1)], ids=repr)
def test_counts_have_a_discrepancy_of_one(noise: Noise) -> None:
    draws = Draws(0, 0, tuple(range(20)))
    x = 1 + draws.of("images").uniform(SHAPE)
    y = noise.sample(WHOLE.A(x), draws.of("counts"))
    found = residual_tests(x, y, WHOLE, noise)
    assert found.discrepancy == pytest.approx(1, abs=4 * found.deviation)
    assert found.explained and found.white


def test_without_noise_the_relative_residual_is_all() -> None:
    x = normal(4, 2)
    found = residual_tests(1.1 * x, WHOLE.A(x), WHOLE, N.Noiseless())
    assert found.relative == pytest.approx(0.1) and found.entries == 0
    assert found.discrepancy is None and found.correlations == ()
    assert len(found.lines()) == 1 and "without noise" in found.lines()[0]
    assert not math.isnan(residual_tests(x, 0 * x, WHOLE, N.Noiseless()).relative)
