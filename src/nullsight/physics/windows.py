"""Windows of images: the same size for all samples, a place for each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.types import InputError


def windows(values: Tensor, corner: Tensor, size: Sequence[int]) -> Tensor:
    """Cut one window out of each sample.

    Args:
        values: ``(batch, channels, *space)``.
        corner: the first sample of each window along the spatial axes, int64 ``(batch, spatial axes)``.
        size: of the windows along the spatial axes.

    Raises:
        InputError: a window that does not lie within its image, or not one corner a sample.

    Example:
        >>> windows(torch.arange(12.0).reshape(1, 1, 3, 4), torch.tensor([[1, 2]]), (2, 2))
        tensor([[[[ 6.,  7.],
                  [10., 11.]]]])
    """
    space = values.shape[2:]
    fits = corner.shape == (values.shape[0], len(space)) and len(size) == len(space)
    if not fits or bool((corner < 0).any()) or bool((corner.cpu() + torch.tensor(size) > torch.tensor(space)).any()):
        raise InputError(
            f"expected one window of {tuple(size)} within {tuple(space)} for each of {values.shape[0]} samples, but "
            f"corners {corner.tolist()} came: let each lie between 0 and the image's size less the window's"
        )
    cut = [tuple(slice(a, a + n) for a, n in zip(place, size, strict=True)) for place in corner.tolist()]
    return torch.stack([one[(slice(None), *slices)] for one, slices in zip(values, cut, strict=True)])


def random_corners(space: Sequence[int], size: Sequence[int], stream: Stream) -> Tensor:
    """Return a random place for a window of ``size`` in images of ``space`` pixels, int64 ``(batch, spatial axes)``."""
    return torch.stack([stream.integers(n - w + 1) for n, w in zip(space, size, strict=True)], 1)
