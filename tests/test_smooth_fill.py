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
    assert torch.allclose(physics.A(found), physics.A(x), atol=1e-6)
    flat = torch.full_like(x, 0.3)
    assert torch.allclose(SmoothFill(200)(physics.A(flat), physics), flat, atol=1e-5)


def test_it_converges_to_the_solution_of_the_discrete_equation():
    physics = Inpainting((1, 9, 8), bernoulli_mask((9, 8), 0.5, seed=2))
    x = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = SmoothFill(400)(physics.A(x), physics)
    again = SmoothFill(401)(physics.A(x), physics)
    assert torch.allclose(found, again, atol=1e-9)
    gaps = found[~physics.mask.expand_as(found)]
    assert float(gaps.min()) >= float(x.min()) and float(gaps.max()) <= float(x.max()), "no new extremes"


def test_more_iterations_are_nearer_in_large_gaps():
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(20.0), indexing="ij")
    x = (rows - 2 * columns)[None, None]  # harmonic
    mask = torch.ones(24, 20, dtype=torch.bool)
    mask[6:11, 4:12] = mask[15:18, 9:16] = False
    physics = Inpainting((1, 24, 20), mask)
    errors = [float((SmoothFill(k)(physics.A(x), physics) - x).norm()) for k in (0, 4, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_fewer_than_no_iterations_are_refused():
    with pytest.raises(InputError, match="at least 0"):
        SmoothFill(-1)
