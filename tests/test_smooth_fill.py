"""The first image for masks: seen pixels stay, planes come back, gaps fill with what is around them."""

import pytest
import torch

from nullsight.physics import Inpainting, bernoulli_mask
from nullsight.reconstructors import SmoothFill
from nullsight.types import InputError


@pytest.mark.parametrize("shape", [(2, 40), (3, 12, 15), (1, 5, 6, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_seen_pixels_stay_and_constants_come_back(shape, dtype):
    physics = Inpainting(shape, bernoulli_mask((1, *shape[1:]), 0.7, seed=0))
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    found = SmoothFill()(physics.A(x), physics)
    assert torch.equal(torch.where(physics.mask, found, 0), torch.where(physics.mask, x, 0))
    flat = torch.full_like(x, 0.3)
    assert torch.allclose(SmoothFill()(physics.A(flat), physics), flat, atol=1e-6)


def test_it_converges_to_the_solution_of_the_discrete_equation():
    physics = Inpainting((1, 9, 8), bernoulli_mask((9, 8), 0.5, seed=2))
    x = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = SmoothFill(400)(physics.A(x), physics)
    again = SmoothFill(401)(physics.A(x), physics)
    assert torch.allclose(found, again, atol=1e-9)
    gaps = found[~physics.mask.expand_as(found)]
    assert float(gaps.min()) >= float(x.min()) and float(gaps.max()) <= float(x.max()), "no new extremes"


def test_more_iterations_are_nearer_on_smooth_images():
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 24), torch.linspace(0, 2, 20), indexing="ij")
    x = (rows.sin() + columns)[None, None]
    physics = Inpainting((1, 24, 20), bernoulli_mask((24, 20), 0.6, seed=4))
    errors = [float((SmoothFill(k)(physics.A(x), physics) - x).norm()) for k in (0, 4, 16)]
    assert errors[0] > errors[1] > errors[2]


def test_fewer_than_no_iterations_are_refused():
    with pytest.raises(InputError, match="at least 0"):
        SmoothFill(-1)
