"""A small fast network: a stack of convolutions on the image folded to half its size and four times its channels."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from nullsight.networks.layers import (
    NEAR_ZERO,
    Network,
    add_input,
    check_channels,
    check_layout,
    check_outputs,
    convolution,
    draw_weights,
    pad_to_multiple,
    quietly,
)
from nullsight.types import Image


class Shuffled(Network):
    """Fold 2 x 2 pixels into channels, convolve ``depth`` times with ReLU between, unfold, add the input.

    No additive terms, so ``G(gain x) = gain G(x)``. A convolution at half size sees twice as far and costs a quarter,
    so a network of this kind in every stage of an unrolled reconstructor trains in minutes on a processor. After
    Zhang, Zuo, Zhang, "FFDNet", IEEE TIP 2018 (the folding), without its noise map. The last layer starts small, so
    that the untrained network nearly returns its input. Odd sizes are padded by repeating the border.

    Args:
        channels: of the input images.
        width: channels of the hidden layers.
        depth: number of convolutions, >= 2.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.

    Raises:
        InputError: numbers that describe no network.

    Example:
        >>> Shuffled(1, width=8, depth=3, seed=0)(torch.rand(2, 1, 9, 14)).shape
        torch.Size([2, 1, 9, 14])
    """

    def __init__(
        self, channels: int, width: int = 48, depth: int = 4, *, seed: int = 0, out_channels: int | None = None
    ) -> None:
        super().__init__()
        check_layout(channels, width, depth, 2, 2)
        self.channels, self.width, self.depth, self.seed, self.out_channels = channels, width, depth, seed, out_channels
        outputs = check_outputs(channels, out_channels)
        sizes = [4 * channels, *[width] * (depth - 1), 4 * outputs]
        with quietly():
            self.layers = nn.ModuleList(convolution(i, o, 3, 2, bias=False) for i, o in pairwise(sizes))
        self._draw()

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, height, width)``."""
        check_channels(x, self.channels, 2)
        height, width = x.shape[2:]
        h = functional.pixel_unshuffle(pad_to_multiple(x, 2), 2)
        for k, layer in enumerate(self.layers):
            h = layer(torch.relu(h) if k else h)
        return add_input(x, functional.pixel_shuffle(h, 2)[:, :, :height, :width])

    def _draw(self) -> None:
        draw_weights(self, self.seed)
        with torch.no_grad():
            next(self.layers[-1].parameters()).mul_(NEAR_ZERO)
