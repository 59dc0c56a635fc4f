"""Spatial frequencies: where they are, how they are scaled, which are measured."""

import pytest
import torch

from nullsight.physics import CartesianMRI, cartesian_mask
from nullsight.physics.mri import fourier, inverse_fourier
from nullsight.types import InputError


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (1, 4)])
def test_the_transform_is_centred_and_orthonormal(shape: tuple[int, int]) -> None:
    x = torch.randn(3, 2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = fourier(x)
    assert float(y.norm()) == pytest.approx(float(x.norm()))
    assert torch.allclose(inverse_fourier(y), x)
    flat = torch.zeros(1, 2, *shape, dtype=torch.float64)
    flat[:, 0] = 1
    peak = fourier(flat)
    middle = (0, 0, shape[0] // 2, shape[1] // 2)
    assert float(peak[middle]) == pytest.approx((shape[0] * shape[1]) ** 0.5)
    peak[middle] = 0
    assert float(peak.abs().max()) < 1e-12


def test_a_point_in_the_middle_has_a_flat_real_spectrum() -> None:
    x = torch.zeros(1, 2, 6, 5)
    x[0, 0, 3, 2] = 1
    y = fourier(x)
    assert torch.allclose(y[:, 0], torch.full((1, 6, 5), 30**-0.5))
    assert float(y[:, 1].abs().max()) < 1e-6


@pytest.mark.parametrize("acceleration", [1, 2, 4, 6.5])
def test_line_masks(acceleration: float) -> None:
    mask = cartesian_mask((10, 80), acceleration, 0.08, seed=1)
    assert mask.shape == (10, 80)
    assert torch.equal(mask, mask[:1].expand(10, 80))
    assert int(mask[0].sum()) == round(80 / acceleration)
    assert bool(mask[0, 37:43].all())
    assert torch.equal(mask, cartesian_mask((10, 80), acceleration, 0.08, seed=1))
    if acceleration > 1:
        assert not torch.equal(mask, cartesian_mask((10, 80), acceleration, 0.08, seed=2))


@pytest.mark.parametrize(("acceleration", "centre"), [(0.5, 0.0), (4, 0.5), (1000, 0.0), (4, -0.1)])
def test_impossible_line_masks_are_refused(acceleration: float, centre: float) -> None:
    with pytest.raises(InputError, match="expected an acceleration"):
        cartesian_mask((10, 80), acceleration, centre, seed=0)


def test_a_subset_of_whole_frequencies_is_mri_again() -> None:
    physics = CartesianMRI((2, 4, 6), cartesian_mask((4, 6), 1.5, 0.2, seed=0))
    keep = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    part = physics.subset(keep.expand(1, 2, 4, 6))
    assert isinstance(part, CartesianMRI)
    assert torch.equal(part.measured[0, 0, 0], keep & physics.mask[0, 0, 0])
    one_sided = torch.stack([keep, ~keep])[None]
    assert not isinstance(physics.subset(one_sided), CartesianMRI)


def test_images_that_are_not_complex_and_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="stack the real"):
        CartesianMRI((1, 4, 4), torch.ones(4, 4))
    with pytest.raises(InputError, match="expected a mask of shape"):
        CartesianMRI((2, 4, 4), torch.ones(4, 5))
    with pytest.raises(InputError, match="zeros and ones"):
        CartesianMRI((2, 4, 4), torch.full((4, 4), 0.5))
