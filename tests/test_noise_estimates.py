"""Noise levels estimated from measurements whose level is known."""

import pytest
import torch

from nullsight.draws import Draws
from nullsight.noise import (
    ESTIMATES,
    FromDetail,
    FromNeighbours,
    FromRegion,
    FromRepetitions,
    FromRim,
    Gaussian,
    Noise,
    Noiseless,
    Poisson,
    PoissonGaussian,
)
from nullsight.types import InputError

MODELS: list[Noise] = [Gaussian(3.0), Poisson(0.5), PoissonGaussian(0.5, 3.0)]


def ramps(count: int = 24) -> torch.Tensor:
    """Return smooth measurements from about 10 to 200, ``(count, 1, 40, 64)``."""
    angle = torch.linspace(0, 3.1, 64, dtype=torch.float64)
    rows = torch.linspace(0.2, 1, 40 * count, dtype=torch.float64).reshape(count, 1, 40, 1)
    return 10 + 190 * rows * angle.sin()


def noisy(noise: Noise, clean: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return noise.sample(clean, Draws(seed, 0, tuple(range(len(clean)))).of("noise"))


def close(found: Noise, true: Noise, rel: float) -> None:
    """Check variances, not levels: gain and sigma can make up for each other."""
    levels = torch.tensor([30.0, 100.0, 180.0])
    assert float((found.variance(levels) / true.variance(levels) - 1).abs().max()) < rel


@pytest.mark.parametrize("repetitions", [2, 3, 12])
@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_from_repetitions(noise: Noise, repetitions: int) -> None:
    # two values have half of their variances below 0.45 of the true one: the mean is right, the median is not
    clean = ramps(1).expand(repetitions, 1, 40, 64)
    close(FromRepetitions().of(noisy(noise, clean)), noise, 0.2 if repetitions < 12 else 0.06)


@pytest.mark.parametrize("noise", [Poisson(0.5), PoissonGaussian(0.5, 3.0)], ids=repr)
def test_repetitions_of_things_on_a_dark_ground(noise: Noise) -> None:
    clean = ramps(1)
    clean[..., :40] = 0
    close(FromRepetitions().of(noisy(noise, clean.expand(12, 1, 40, 64))), noise, 0.1)


def test_what_is_dark_in_most_places_has_no_noise_to_show() -> None:
    y = torch.zeros(8, 1, 40, 64)
    y[:, :, :10] = noisy(Gaussian(1.0), y[:, :, :10])
    for estimate in (FromDetail(), FromNeighbours()):
        with pytest.raises(InputError, match="nothing varies in most"):
            estimate.of(y)
    bright = noisy(Poisson(0.5), torch.where(torch.arange(40)[:, None] < 30, ramps(), 0.0))
    close(FromNeighbours().of(bright), Poisson(0.5), 0.2)


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_from_neighbours(noise: Noise) -> None:
    close(FromNeighbours().of(noisy(noise, ramps())), noise, 0.2)
    turned = noisy(noise, ramps()).mT.contiguous()
    close(FromNeighbours(-2).of(turned), noise, 0.2)


def test_edges_and_what_is_not_measured_move_the_estimate_little() -> None:
    clean = ramps()
    clean[..., 20:22] += 100
    y = noisy(PoissonGaussian(0.5, 3.0), clean)
    close(FromNeighbours().of(y), PoissonGaussian(0.5, 3.0), 0.35)
    measured = Draws(0, 0, (0,)).of("mask").uniform((1, 40, 64)) < 0.8
    found = FromNeighbours().of(torch.where(measured, y, 0.0), measured)
    close(found, PoissonGaussian(0.5, 3.0), 0.35)


def test_from_a_region_and_from_detail() -> None:
    y = noisy(Gaussian(3.0), 0.1 * ramps())
    assert FromDetail().of(y).sigma == pytest.approx(3.0, rel=0.05)
    assert FromDetail((-1,)).of(y).sigma == pytest.approx(3.0, rel=0.05)
    region = torch.zeros(1, 40, 64, dtype=torch.bool)
    region[..., 30:34] = True
    dark = noisy(Gaussian(3.0), torch.zeros_like(ramps()))
    bright = dark.clone()
    bright[..., 8:-8] += ramps()[..., 8:-8]
    assert FromRim(0.24).of(bright).sigma == pytest.approx(3.0, rel=0.05)
    assert FromRim(0.24, (-2, -1)).of(bright).sigma == pytest.approx(3.0, rel=0.1)
    assert FromRegion(region).of(dark).sigma == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FromRegion(torch.zeros(1, 40, 64, dtype=torch.bool)).of(ramps(1)), "16 measured values"),
        (lambda: FromRegion(torch.ones(40, 64, dtype=torch.bool)).of(ramps(1)), "the shape of a measurement"),
        (lambda: FromRegion(torch.ones(1, 40, 64, dtype=torch.bool)).of(torch.ones(1, 1, 40, 64)), "Noiseless"),
        (lambda: FromRim(0.0), "share"),
        (lambda: FromRim(axes=(1,)), "counted from the last"),
        (lambda: FromDetail(axes=()), "counted from the last"),
        (lambda: FromNeighbours(axis=0), "counted from the last"),
        (lambda: FromRim(axes=(-4,)).of(ramps(1)), "-4 came"),
        (lambda: FromDetail((-1,)).of(ramps(1), torch.arange(64) % 2 == 0), "measured both"),
        (lambda: FromDetail().of(torch.zeros(1, 1, 1)), "2 entries"),
        (lambda: FromRepetitions().of(ramps(1)), "2 repetitions"),
        (lambda: FromRepetitions().of(torch.ones(3, 4)), "Noiseless"),
        (lambda: FromNeighbours().of(torch.ones(1, 5, 5)), "6 entries"),
        (lambda: FromNeighbours().of(torch.ones(1, 5, 7)), "400"),
        (lambda: FromNeighbours(order=9), "order"),
        (lambda: FromNeighbours().of(noisy(Noiseless(), torch.ones(1, 40, 40))), "Noiseless"),
    ],
)
def test_too_little_is_said(call: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()  # type: ignore[operator]


def test_table() -> None:
    assert set(ESTIMATES.values()) == {FromDetail, FromNeighbours, FromRegion, FromRepetitions, FromRim}
