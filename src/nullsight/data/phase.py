"""Complex images made from magnitudes: a smooth phase of its own for each."""

import math

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.types import InputError

_WAVES = 4  # cosines along each axis: the highest makes one and a half periods over the image


def with_smooth_phase(images: Tensor, degrees: float, *, seed: int = 0) -> Tensor:
    """Return ``(samples, 2, height, width)``, re and im, with the given magnitudes and a random smooth phase.

    Real images have a k-space that is symmetric, so that half of it says the other half; measured ones have not. The
    phase is a sum of cosines with up to one and a half periods over the image and normal weights that fall with their
    frequency; a constant is among them, so within one image it varies by about two thirds of ``degrees``. Sample i's
    depends on the seed and on i alone.

    Args:
        images: magnitudes, floating-point ``(samples, 1, height, width)``, >= 0.
        degrees: standard deviation of the phase over samples and pixels, in degrees, >= 0.
        seed: of the weights.

    Raises:
        InputError: images of more than one channel or of whole numbers, or a negative deviation.

    Example:
        >>> x = with_smooth_phase(torch.ones(1, 1, 4, 4), 60.0)
        >>> x.shape, bool(torch.allclose(x.square().sum(1), torch.ones(1, 4, 4)))
        (torch.Size([1, 2, 4, 4]), True)
    """
    if images.ndim != 4 or images.shape[1] != 1 or not degrees >= 0:
        raise InputError(
            f"expected magnitudes of shape (samples, 1, height, width) and a phase of 0 degrees or more, but "
            f"{tuple(images.shape)} and {degrees} came: take images of one channel"
        )
    if not images.is_floating_point():
        raise InputError(f"expected floating-point images, but {images.dtype} came: convert them with images.float()")
    samples, _, height, width = images.shape
    order = torch.arange(_WAVES, dtype=torch.float64)
    weights = Draws(seed, 0, tuple(range(samples))).of("phase").normal((_WAVES, _WAVES))
    falling = 1 / (1 + order[:, None] ** 2 + order**2)
    weights = weights * falling / falling.square().sum().sqrt()
    phase = torch.einsum("nkl,ky,lx->nyx", weights, _cosines(height), _cosines(width)) * math.radians(degrees)
    turned = torch.stack([phase.cos(), phase.sin()], 1)
    return images * turned.to(images)


def _cosines(size: int) -> Tensor:
    """Return cosines of unit mean square, ``(waves, size)``."""
    place = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    waves = torch.cos(torch.pi * torch.arange(_WAVES, dtype=torch.float64)[:, None] * place)
    waves[1:] *= math.sqrt(2)
    return waves
