"""Measurements made from images, with noise that is each sample's own."""

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.types import InputError, check_batch


def simulate(x: Tensor, physics: Physics, noise: Noise, *, seed: int = 0, batch: int = 16) -> Tensor:
    """Return ``y = A(x) + noise``, ``(samples, *physics.measurement_shape)``; zero where nothing is measured.

    Sample i's noise depends on the seed and on i alone, not on how many samples there are or on the batch size.

    Args:
        x: images, ``(samples, *physics.image_shape)``, finite.
        physics: one operator for all samples, or as many as there are samples.
        noise: what the detector adds.
        seed: of the noise.
        batch: samples computed at a time.

    Raises:
        InputError: wrong shape, no sample, NaN or infinite values, or another number of operators.

    Example:
        >>> from nullsight.noise import Gaussian
        >>> from nullsight.physics import Inpainting
        >>> x = torch.ones(3, 1, 4, 4)
        >>> y = simulate(x, Inpainting((1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)), Gaussian(0.1), seed=0)
        >>> y.shape
        torch.Size([3, 1, 4, 4])
    """
    check_batch(x, physics.image_shape, "image")
    if len(x) == 0:
        raise InputError("expected at least one image to measure, but none came: check the file")
    if not bool(torch.isfinite(x).all()):
        raise InputError("expected finite images, but NaN or infinite values came: remove those samples")
    if physics.samples not in (None, len(x)):
        raise InputError(f"expected one operator for all or {len(x)} operators, but {physics.samples} came")
    if batch < 1:
        raise InputError(f"expected a batch of at least 1 sample, but {batch} came")
    made: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, len(x), batch):
            ids = tuple(range(first, min(first + batch, len(x))))
            part = physics.take(ids)
            stream = Draws(seed, 0, ids).of("simulate")
            made.append(noise.observe(part.A(x[first : first + batch]), part.measured, stream))
    return torch.cat(made)


def block_means(images: Tensor, factor: int) -> Tensor:
    """Return images with ``factor`` times fewer pixels along each axis, each the mean of those it stands for.

    Args:
        images: ``(samples, channels, *space)``.
        factor: >= 1; 1 leaves the images as they are.

    Raises:
        InputError: an axis that is no multiple of the factor.

    Example:
        >>> block_means(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    if factor < 1 or any(n % factor for n in images.shape[2:]):
        raise InputError(
            f"expected images whose sides are multiples of {factor}, but {tuple(images.shape[2:])} came: choose "
            f"another factor"
        )
    for axis in range(2, images.ndim):
        shape = images.shape
        images = images.reshape(*shape[:axis], -1, factor, *shape[axis + 1 :]).mean(axis + 1)
    return images
