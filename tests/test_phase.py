"""The smooth phase that makes magnitudes complex."""

import math

import pytest
import torch

from nullsight.data import with_smooth_phase
from nullsight.types import InputError

MAGNITUDES = torch.rand(200, 1, 12, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def phases(degrees: float, seed: int = 0) -> torch.Tensor:
    re, im = with_smooth_phase(torch.ones_like(MAGNITUDES), degrees, seed=seed).unbind(1)
    return torch.rad2deg(torch.atan2(im, re))


def test_magnitudes_stay() -> None:
    x = with_smooth_phase(MAGNITUDES, 80.0, seed=3)
    assert torch.allclose(x.square().sum(1).sqrt(), MAGNITUDES[:, 0])
    assert with_smooth_phase(MAGNITUDES.float(), 80.0).dtype == torch.float32


def test_the_phase_has_its_size_and_is_smooth() -> None:
    found = phases(30.0)
    assert float(found.mean()) == pytest.approx(0, abs=3)
    assert float(found.std()) == pytest.approx(30, rel=0.1)
    assert float(found.diff(dim=-1).abs().max()) < 30
    assert torch.equal(phases(0.0), torch.zeros_like(found))


def test_within_an_image_it_varies_by_two_thirds() -> None:
    assert float(phases(30.0).var((1, 2)).mean().sqrt()) == pytest.approx(0.67 * 30, rel=0.1)


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="floating-point"):
        with_smooth_phase(torch.ones(1, 1, 4, 4, dtype=torch.uint8), 10.0)


def test_each_sample_has_its_own() -> None:
    whole = with_smooth_phase(MAGNITUDES, 60.0, seed=1)
    assert torch.equal(with_smooth_phase(MAGNITUDES[:3], 60.0, seed=1), whole[:3])
    assert not torch.allclose(phases(60.0, 1)[0], phases(60.0, 1)[1])
    assert not torch.allclose(phases(60.0, 1), phases(60.0, 2))


def test_half_of_k_space_no_longer_says_the_other_half() -> None:
    for degrees, least, most in ((0.0, 0.0, 1e-12), (60.0, 0.3, 2.0)):
        re, im = with_smooth_phase(MAGNITUDES[:20], degrees).unbind(1)
        k = torch.fft.fft2(torch.complex(re, im))
        mirrored = k.flip((-2, -1)).roll((1, 1), (-2, -1)).conj()
        assert least <= float((k - mirrored).norm() / k.norm()) <= most


@pytest.mark.parametrize(
    ("shape", "degrees"), [((2, 2, 4, 4), 10.0), ((1, 4, 4), 10.0), ((2, 1, 4, 4), -1.0), ((2, 1, 4, 4), math.nan)]
)
def test_other_images_are_refused(shape: tuple[int, ...], degrees: float) -> None:
    with pytest.raises(InputError, match="magnitudes"):
        with_smooth_phase(torch.ones(shape), degrees)
