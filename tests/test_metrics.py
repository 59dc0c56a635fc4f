"""Scores against scikit-image and against what the papers' formulas say."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nullsight.metrics import magnitude, nmse, paper_psnr, psnr, reference_peak, ssim
from nullsight.types import InputError


def pair(channels: int = 3, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(4, channels, 17, 23, generator=generator, dtype=torch.float64)
    noise = torch.randn(reference.shape, generator=generator, dtype=torch.float64)
    scale = torch.tensor([0.01, 0.1, 0.3, 1.0], dtype=torch.float64)[:, None, None, None]
    return (reference + scale * noise).to(dtype), reference.to(dtype)


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_that_of_scikit_image(channels: int) -> None:
    x, reference = pair(channels)
    for k, value in enumerate(psnr(x, reference, data_range=1.7)):
        expected = peak_signal_noise_ratio(reference[k].numpy(), x[k].numpy(), data_range=1.7)
        assert float(value) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=str)
def test_ssim_is_that_of_scikit_image(channels: int, dtype: torch.dtype, tolerance: float) -> None:
    x, reference = pair(channels, dtype)
    for k, value in enumerate(ssim(x, reference, data_range=1.3)):
        expected = structural_similarity(
            reference[k].double().numpy(),
            x[k].double().numpy(),
            data_range=1.3,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert float(value) == pytest.approx(expected, abs=tolerance)


def test_data_range_can_differ_between_images() -> None:
    x, reference = pair()
    peaks = reference_peak(reference)
    for score in (psnr, ssim):
        together = score(x, reference, data_range=peaks)
        alone = [score(x[k : k + 1], reference[k : k + 1], data_range=float(peaks[k])) for k in range(4)]
        assert torch.allclose(together, torch.cat(alone), atol=1e-12)


def test_the_papers_psnr_forgets_the_channels() -> None:
    for channels in (1, 3):
        x, reference = pair(channels)
        true = psnr(x, reference, data_range=reference_peak(reference))
        gap = true - paper_psnr(x, reference)
        assert torch.allclose(gap, torch.full((4,), 10 * math.log10(channels), dtype=torch.float64))


def test_nmse_of_a_known_error() -> None:
    reference = torch.ones(2, 1, 4, 4)
    assert torch.allclose(nmse(1.1 * reference, reference), torch.tensor([0.01, 0.01]), atol=1e-6)


def test_equal_images_are_infinitely_good() -> None:
    x, _ = pair()
    assert bool(torch.isinf(psnr(x, x, data_range=1.0)).all())
    assert torch.allclose(ssim(x, x, data_range=1.0), torch.ones(4, dtype=torch.float64))


def test_magnitude_is_the_complex_modulus() -> None:
    z = torch.randn(2, 5, 6, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    x = torch.stack((z.real, z.imag), 1)
    assert np.allclose(magnitude(x)[:, 0].numpy(), np.abs(z.numpy()))


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), torch.ones(3)])
def test_a_senseless_data_range_is_refused(score: object, bad: object) -> None:
    x, reference = pair()
    with pytest.raises(InputError, match="expected a data range above 0"):
        score(x, reference, data_range=bad)  # type: ignore[operator]


def test_other_shapes_are_refused() -> None:
    x, reference = pair()
    with pytest.raises(InputError, match="of one shape"):
        psnr(x[:, :1], reference, data_range=1.0)
    with pytest.raises(InputError, match="at least 11x11"):
        ssim(x[..., :8], reference[..., :8], data_range=1.0)
    with pytest.raises(InputError, match="channels re and im"):
        magnitude(x)
