"""A U-Net of residual blocks without additive terms, on the image or on the image folded to a part of its size."""

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
from nullsight.types import Image, InputError

# what passes of negative values from one scale to another and to the output: where nothing did, long trainings lost
# whole scales, or whole networks, whose weights then ran away without a gradient that could hold them
_LEAK = 0.1
_BRANCH = 0.2  # what the last layer of a residual block is scaled by at the start, so that depth adds little variance


class FoldedUNet(Network):
    """Fold squares of pixels into channels, pass residual blocks at ``scales`` sizes and back, unfold, add the input.

    Width doubles from one scale to the next smaller one (strided 2 x 2 convolution; channels unfolded on the way back,
    where what was there before is added). No additive terms, so ``G(gain x) = gain G(x)``. Sees far and costs little:
    most of its weights work at a quarter of the pixels or less. After Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015,
    and He et al., "Identity mappings in deep residual networks", ECCV 2016 (the order within a block); the folding
    after Zhang, Zuo, Zhang, "FFDNet", IEEE TIP 2018. The last layer starts small, so that the untrained network nearly
    returns its input. Sizes that the scales do not divide are padded by repeating the border.

    Args:
        channels: of the input images.
        width: channels of the hidden layers at the largest scale.
        scales: number of sizes, >= 1; the first is that of the folded image.
        blocks: residual blocks (two 3 x 3 convolutions each) at each size and way, >= 1.
        fold: pixels along each axis that are folded into channels, >= 1: 2 is four times cheaper than 1, which is worth
            its price where single pixels matter, as those that are missing at random do.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.

    Raises:
        InputError: numbers that describe no network.

    Example:
        >>> FoldedUNet(1, width=8, seed=0)(torch.rand(2, 1, 9, 14)).shape
        torch.Size([2, 1, 9, 14])
    """

    def __init__(
        self,
        channels: int,
        width: int = 48,
        scales: int = 2,
        blocks: int = 1,
        fold: int = 2,
        *,
        seed: int = 0,
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        check_layout(channels, width, 1, 1, 2)
        if min(scales, blocks, fold) < 1:
            raise InputError(f"expected scales, blocks and fold of at least 1, but {scales}, {blocks}, {fold} came")
        outputs = check_outputs(channels, out_channels)
        self.channels, self.width, self.scales, self.blocks = channels, width, scales, blocks
        self.fold, self.seed, self.out_channels = fold, seed, out_channels
        widths = [width * 2**k for k in range(scales)]
        with quietly():
            self.enter = convolution(fold**2 * channels, width, 3, 2, bias=False)
            self.there = nn.ModuleList(_blocks(w, blocks) for w in widths)
            self.smaller = nn.ModuleList(convolution(w, 2 * w, 2, 2, stride=2, bias=False) for w in widths[:-1])
            self.larger = nn.ModuleList(convolution(2 * w, 4 * w, 1, 2, bias=False) for w in widths[:-1])
            self.back = nn.ModuleList(_blocks(w, blocks) for w in widths[:-1])
            self.leave = convolution(width, fold**2 * outputs, 3, 2, bias=False)
        # which function the weights are of: 2 since negative features reach the last layer; those of before lack it
        self.register_buffer("revision", torch.tensor(2))
        self._draw()

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, height, width)``."""
        check_channels(x, self.channels, 2)
        height, width = x.shape[2:]
        whole = pad_to_multiple(x, self.fold * 2 ** (self.scales - 1))
        h = self.enter(functional.pixel_unshuffle(whole, self.fold))
        kept = []
        for blocks, smaller in zip(self.there, self.smaller, strict=False):
            h = blocks(h)
            kept.append(h)
            h = smaller(functional.leaky_relu(h, _LEAK))
        h = self.there[-1](h)
        for blocks, larger in zip(reversed(self.back), reversed(self.larger), strict=True):
            h = blocks(kept.pop() + functional.pixel_shuffle(larger(functional.leaky_relu(h, _LEAK)), 2))
        out = functional.pixel_shuffle(self.leave(functional.leaky_relu(h, _LEAK)), self.fold)
        return add_input(x, out[:, :, :height, :width])

    def _draw(self) -> None:
        draw_weights(self, self.seed)
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, _Residual):
                    next(layer.second.parameters()).mul_(_BRANCH)
            next(self.leave.parameters()).mul_(NEAR_ZERO)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width, 3, 2, bias=False)
        self.second = convolution(width, width, 3, 2, bias=False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.second(torch.relu(self.first(torch.relu(h))))
        return h + changed


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))
