"""Halving and doubling the size of an image so that a shift by one pixel is not lost: adaptive polyphase sampling.

Every second pixel along both axes can be kept in four ways, the polyphase components. A shift of the image by one pixel
makes them change places, so a rule that looks at their content alone finds the same content again: Chaman, Dokmanic,
"Truly shift-invariant convolutional neural networks", CVPR 2021, and "Truly shift-equivariant convolutional neural
networks with adaptive polyphase upsampling", Asilomar 2021. Mirroring and turning an image of even sides permutes them
as well, so the rule serves these groups too. Images are cyclic.
"""

import torch
from torch import Tensor
from torch.nn import functional

from nullsight.groups.base import by_kind
from nullsight.types import Image


def phase_energies(x: Image) -> Tensor:
    """Return the squared norms of the four polyphase components, ``(batch, 4)``; number ``2 i + j`` begins at (i, j).

    Over all channels, summed in float64, so that what is equal but for a shift differs by rounding of the image alone.
    """
    height, width = x.shape[2:]
    energy = x.square().sum(1).reshape(-1, height // 2, 2, width // 2, 2)
    return energy.sum((1, 3), dtype=torch.float64).flatten(1)


def largest_phase(energies: Tensor) -> Tensor:
    """Return the component of largest norm of every image, int64 ``(batch,)`` on the CPU; the first of several."""
    return energies.detach().argmax(1).cpu()


def phase_gap(energies: Tensor) -> Tensor:
    """Return by how much the largest energy exceeds the second, relative to the largest, ``(batch,)``; 0 is a tie."""
    first, second = energies.topk(2, 1).values.unbind(1)
    return (first - second) / first.clamp_min(1e-300)


def halve(x: Image, phase: Tensor) -> Image:
    """Return one polyphase component of each image, of every pixel averaged with its neighbours first.

    The average (weights 1, 2, 1 along both axes, over 16) keeps details that half the pixels cannot hold from turning
    up as others: Zhang, "Making convolutional networks shift-invariant again", ICML 2019. Only the pixels that are
    kept are averaged.

    Args:
        x: images of even sides, ``(batch, channels, height, width)``.
        phase: which component, int64 ``(batch,)`` on the CPU.
    """
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)

    def take(kind: int, rows: Tensor, few: Image) -> Image:
        i, j = divmod(kind, 2)
        around = functional.pad(few, (1 - j, j, 1 - i, i), mode="circular")
        return functional.conv2d(around, kernel, stride=2, groups=few.shape[1])

    return by_kind(phase, x, take)


def double(x: Image, phase: Tensor) -> Image:
    """Return images of twice the size whose component ``phase`` is ``x``, the pixels between from linear interpolation.

    Zeros in between, averaged with the weights 1, 2, 1 (over 4): the transpose of :func:`halve`, four times.

    Args:
        x: images ``(batch, channels, height, width)``.
        phase: which component, int64 ``(batch,)`` on the CPU.
    """

    def put(kind: int, rows: Tensor, few: Image) -> Image:
        i, j = divmod(kind, 2)
        return _between(_between(few, j, -1), i, -2)

    return by_kind(phase, x, put)


def _between(x: Image, first: int, axis: int) -> Image:
    """Double one axis, counted from the end: samples go to the even places (``first`` 0) or the odd, means between."""
    pair = [(x + x.roll(1, axis)) / 2, x] if first else [x, (x + x.roll(-1, axis)) / 2]
    return torch.stack(pair, x.ndim + 1 + axis).flatten(x.ndim + axis, x.ndim + axis + 1)
