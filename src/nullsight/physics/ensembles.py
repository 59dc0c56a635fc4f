"""Named random images for which the error of an approximate inverse is stated."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.draws import Stream


def white(image_shape: Sequence[int], stream: Stream) -> Tensor:
    """Return white noise, ``(batch, *image_shape)`` float64: every frequency weighs the same."""
    return stream.normal(tuple(image_shape))


def blobs(image_shape: Sequence[int], stream: Stream) -> Tensor:
    """Return smooth non-negative images, ``(batch, *image_shape)`` float64, for operators meant for natural images.

    Each channel is the sum of 12 Gaussian blobs, 0.04 to 0.12 of the shortest side wide (but at least 1 pixel), with
    centres in the disk of half the inscribed radius and heights from 0 to 1: all but nothing of it leaves the disk.
    """
    channels, *space = (int(n) for n in image_shape)
    short = min(space)
    centre = stream.uniform((channels, 12, len(space)))
    width = ((0.04 + 0.08 * stream.uniform((channels, 12))) * short).clamp_min(1.0)
    height = stream.uniform((channels, 12))
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in space]
    reach = short / 4 / len(space) ** 0.5  # half the side of the square in the disk of half the inscribed radius
    drawn = []
    for k in range(12):
        blob = height[:, :, k].reshape(-1, channels, *[1] * len(space))
        for d, axis in enumerate(axes):
            along = [1] * len(space)
            along[d] = len(axis)
            middle = ((2 * centre[:, :, k, d] - 1) * reach).reshape(-1, channels, *[1] * len(space))
            spread = width[:, :, k].reshape(-1, channels, *[1] * len(space))
            blob = blob * torch.exp(-0.5 * ((axis.reshape(along) - middle) / spread) ** 2)
        drawn.append(blob)
    return torch.stack(drawn).sum(0)
