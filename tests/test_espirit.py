"""Sensitivities from the middle of k-space: known ones come back, and what cannot matter does not."""

import pytest
import torch
from torch import Tensor

from nullsight.physics import MultiCoilMRI, espirit, sampled_mask
from nullsight.physics.coils import as_complex, as_parts
from nullsight.physics.mri import fourier
from nullsight.types import InputError
from tests.cases.coils import body, smooth_maps

SHAPE, COILS = (32, 28), 4


def kspace(shape: tuple[int, int] = SHAPE, coils: int = COILS, seed: int = 0) -> Tensor:
    """Return the k-space of a body in known coils, float64 ``(coils, 2, height, width)``."""
    return fourier(as_parts(smooth_maps(coils, shape) * body(shape, seed)))


def alike(one: Tensor, other: Tensor) -> Tensor:
    """Return ``|sum_c conj(a_c) b_c|`` of complex maps, pixel by pixel: 1 where they differ by a common phase alone."""
    return (one.conj() * other).sum(0).abs()


def distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Return ``|a - phase b|`` with the best phase, pixel by pixel, for maps with a sum of squares of 1."""
    return (2 - 2 * alike(found, wanted)).clamp_min(0).sqrt()


@pytest.mark.parametrize(
    ("shape", "coils", "calibration", "kernel", "seed"),
    [((32, 28), 4, 20, 5, 0), ((31, 28), 4, 21, 5, 1), ((27, 33), 3, 20, 6, 2), ((40, 40), 8, 24, 6, 3)],
)
def test_known_sensitivities_come_back(shape, coils: int, calibration: int, kernel: int, seed: int) -> None:
    wanted, inside = smooth_maps(coils, shape), body(shape, seed) != 0
    found = as_complex(espirit(kspace(shape, coils, seed), calibration, kernel))
    wrong = distance(found, wanted)[inside]
    assert float(wrong.mean()) < 0.01 and float(wrong.max()) < 0.05
    size = found.abs().square().sum(0)
    assert bool(((size - 1).abs() < 1e-9)[inside].all())
    assert bool((((size - 1).abs() < 1e-9) | (size == 0)).all())
    assert bool((size[0] == 0).any()), "corners are outside of the object"


def test_conjugated_or_shifted_maps_would_be_seen() -> None:
    wanted, inside = smooth_maps(COILS, SHAPE), body(SHAPE, 0) != 0
    for wrong in (wanted.conj(), wanted.roll(3, -1), wanted.flip(0)):
        assert float(distance(wrong, wanted)[inside].mean()) > 0.1


def test_noise_moves_them_little() -> None:
    y = kspace()
    noise = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
    noisy = y + 0.01 * noise  # the middle of k-space has an rms of about 1.5 a part
    found = as_complex(espirit(noisy, 20, 5, threshold=0.05))
    wrong = distance(found, smooth_maps(COILS, SHAPE))[body(SHAPE, 0) != 0]
    assert float(wrong.mean()) < 0.05


def test_the_phase_makes_the_first_component_real() -> None:
    y = kspace()
    found = as_complex(espirit(y, 20, 5))
    middle = as_complex(y)[:, 6:26, 4:24].flatten(1)
    main = torch.linalg.svd(middle, full_matrices=False)[0][:, 0]
    seen = (main.conj()[:, None, None] * found).sum(0)
    relative = seen * seen.flatten()[seen.abs().argmax()].conj()
    assert float(relative.imag.abs().max()) < 1e-9 and float(relative.real.min()) > -1e-9


def test_scale_and_order_of_coils_do_not_matter() -> None:
    y = kspace()
    found = espirit(y, 20, 5)
    torch.testing.assert_close(espirit(1e4 * y, 20, 5), found)
    torch.testing.assert_close(espirit(y.flip(0), 20, 5), found.flip(0))
    turned = as_parts(as_complex(y) * torch.polar(torch.tensor(1.0), torch.tensor(0.7)))
    torch.testing.assert_close(espirit(turned, 20, 5), found)


def test_mixed_coils_have_mixed_maps() -> None:
    y = kspace()
    drawn = torch.randn(COILS, COILS, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mixing = torch.linalg.qr(torch.view_as_complex(drawn))[0]
    mixed = torch.einsum("cd,dhw->chw", mixing, as_complex(y))
    found, before = as_complex(espirit(as_parts(mixed), 20, 5)), as_complex(espirit(y, 20, 5))
    assert float(distance(found, torch.einsum("cd,dhw->chw", mixing, before))[body(SHAPE, 0) != 0].max()) < 1e-5


def test_what_is_beyond_the_calibration_region_does_not_matter_and_precision_stays() -> None:
    y = kspace()
    cut = torch.zeros_like(y)
    cut[:, :, 6:26, 4:24] = y[:, :, 6:26, 4:24]
    torch.testing.assert_close(espirit(cut, 20, 5), espirit(y, 20, 5))
    single = espirit(y.float(), 20, 5)
    assert single.dtype == torch.float32
    assert float(distance(as_complex(single.double()), as_complex(espirit(y, 20, 5)))[16, 14]) < 1e-3


def test_several_k_spaces_have_maps_of_their_own() -> None:
    both = torch.stack([kspace(seed=0), kspace(seed=1).flip(0)])
    found = espirit(both, 20, 5)
    assert found.shape == (2, COILS, 2, *SHAPE)
    torch.testing.assert_close(found[1], espirit(both[1], 20, 5))


def test_an_undersampled_image_is_reconstructed_with_estimated_maps() -> None:
    y, x = kspace(), body(SHAPE, 0)
    mask = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[6:26, 4:24] = True
    seen = torch.where(mask, y, torch.zeros_like(y))
    assert bool((sampled_mask(seen) <= mask).all())
    maps = espirit(seen, 20, 5)
    found = as_complex(MultiCoilMRI((2, *SHAPE), maps, mask, 20).A_dagger(seen[None]))[0]
    zero_filled = as_complex(MultiCoilMRI((2, *SHAPE), maps, mask).A_adjoint(seen[None]))[0]
    assert float((found.abs() - x.abs()).norm() / x.norm()) < 0.03
    assert float((zero_filled.abs() - x.abs()).norm() / x.norm()) > 0.06


def test_masks_of_zero_filled_k_space() -> None:
    y = torch.zeros(2, 3, 2, 4, 5)
    y[0, 1, 1, 2, 3] = 1
    y[1, 0, 0, 0, 0] = -1
    wanted = torch.zeros(2, 4, 5, dtype=torch.bool)
    wanted[0, 2, 3] = wanted[1, 0, 0] = True
    assert torch.equal(sampled_mask(y), wanted)
    assert torch.equal(sampled_mask(y[0]), wanted[0])


def hole() -> Tensor:
    y = kspace()
    y[:, :, 16, 14] = 0
    return y


@pytest.mark.parametrize(
    ("y", "numbers", "message"),
    [
        (torch.ones(4, 16, 16), {}, r"k-space of shape \(coils, 2, height, width\).*\(4, 16, 16\) came"),
        (torch.ones(4, 3, 16, 16), {}, "stack the two parts behind the coils"),
        (torch.full((2, 2, 16, 16), torch.nan), {"calibration": 12}, "finite k-space"),
        (torch.ones(2, 2, 16, 16), {}, "within 16 x 16 samples, but 24 came for a kernel of 6"),
        (torch.ones(2, 2, 16, 16), {"calibration": 6}, "larger than the kernel"),
        (torch.ones(2, 2, 16, 16), {"calibration": 8, "kernel": 0}, "larger than the kernel"),
        (hole(), {}, "24 x 24 samples in the middle of k-space to be measured.*give a smaller calibration region"),
        (torch.ones(2, 2, 16, 16), {"calibration": 8, "threshold": 1.0}, "a threshold from 0 to below 1"),
        (torch.ones(2, 2, 16, 16), {"calibration": 8, "crop": 1.5}, "a crop from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(y: Tensor, numbers: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        espirit(y, **numbers)


def test_a_mask_of_anything_else_is_refused() -> None:
    with pytest.raises(InputError, match="expected k-space of shape"):
        sampled_mask(torch.ones(4, 4))
