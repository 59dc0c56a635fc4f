"""Measurements made from images."""

import pytest
import torch

from nullsight.data import block_means, simulate
from nullsight.noise import Gaussian, Noiseless, Poisson
from nullsight.physics import Inpainting
from nullsight.types import InputError

MASK = torch.tensor([[[True, False, True], [True, True, False]]])
X = torch.rand(7, 1, 2, 3, generator=torch.Generator().manual_seed(0)) + 0.5


@pytest.mark.parametrize("noise", [Noiseless(), Gaussian(0.1), Poisson(0.05)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_sample_has_its_own_noise(noise, dtype):
    physics = Inpainting((1, 2, 3), MASK).to(dtype)
    x = X.to(dtype)
    y = simulate(x, physics, noise, seed=3)
    assert y.dtype == dtype and y.shape == x.shape
    for batch in (1, 3, 100):
        assert torch.equal(simulate(x, physics, noise, seed=3, batch=batch), y)
    assert torch.equal(simulate(x[:4], physics, noise, seed=3), y[:4])
    assert (y * ~MASK == 0).all()
    assert torch.equal(simulate(x, physics, noise, seed=4), y) == isinstance(noise, Noiseless)


def test_noise_has_its_size():
    x = torch.ones(40, 1, 16, 16)
    y = simulate(x, Inpainting((1, 16, 16), torch.ones(1, 16, 16, dtype=torch.bool)), Gaussian(0.1), seed=0)
    assert (y - x).std().item() == pytest.approx(0.1, rel=0.05)
    assert (y - x).flatten(1).mean(1).abs().max() < 0.04


def test_one_operator_a_sample():
    masks = torch.rand(7, 1, 2, 3, generator=torch.Generator().manual_seed(1)) > 0.5
    y = simulate(X, Inpainting((1, 2, 3), masks), Noiseless(), batch=3)
    assert torch.equal(y, X * masks)
    with pytest.raises(InputError, match="or 5 operators, but 7"):
        simulate(X[:5], Inpainting((1, 2, 3), masks), Noiseless())


@pytest.mark.parametrize(
    ("x", "match"),
    [(X[0], "batch axis"), (X[:0], "at least one"), (X / 0, "finite"), (X[..., :2], "shape"), (X.int(), "floating")],
)
def test_bad_images(x, match):
    with pytest.raises(InputError, match=match):
        simulate(x, Inpainting((1, 2, 3), MASK), Noiseless())


def test_batch_of_nothing():
    with pytest.raises(InputError, match="batch of at least 1"):
        simulate(X, Inpainting((1, 2, 3), MASK), Noiseless(), batch=0)


@pytest.mark.parametrize("shape", [(2, 1, 6, 9), (3, 2, 12)])
def test_block_means_keep_the_mean_and_undo_repetition(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    small = block_means(x, 3)
    assert small.shape[2:] == tuple(n // 3 for n in shape[2:])
    assert torch.allclose(small.flatten(2).mean(2), x.flatten(2).mean(2))
    repeated = x
    for axis in range(2, x.ndim):
        repeated = repeated.repeat_interleave(2, axis)
    assert torch.allclose(block_means(repeated, 2), x)


def test_sides_that_are_no_multiples_are_refused():
    with pytest.raises(InputError, match="multiples of 2"):
        block_means(torch.zeros(1, 1, 4, 5), 2)
