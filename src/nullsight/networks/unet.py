"""The papers' residual U-Net at any width, depth and number of space dimensions."""

import torch
from torch import nn

from nullsight.networks.layers import (
    NEAR_ZERO,
    POOLINGS,
    Network,
    add_input,
    check_channels,
    check_layout,
    check_outputs,
    conv_norm_relu,
    convolution,
    draw_weights,
    enlarge_and_convolve,
    pad_to_multiple,
    quietly,
)
from nullsight.networks.norms import NO_NORM, Norm
from nullsight.types import Image


class UNet(Network):
    """A residual U-Net: blocks of two 3x3 convolutions at ``depth`` scales, joined by skip concatenations.

    Down by max-pooling, up by nearest-neighbour upsampling and a convolution, a 1x1 convolution at the end, and the
    input added to the output. After Ronneberger et al., "U-Net", MICCAI 2015, as Chen, Tachella, Davies, "Equivariant
    Imaging", ICCV 2021, use it: ``UNet(1, width=64, depth=4, norm=BatchNorm())`` is theirs, with 64-128-256-512
    channels and 8 559 617 parameters. The default has no norm, so images of a batch do not touch each other.

    The last layer of the residual form starts a hundredfold smaller than usual: the untrained network nearly returns
    its input, an untrained ``ArtifactRemoval`` nearly ``A_dagger y``. Images of any size are padded to a multiple of
    ``2^(depth - 1)`` by repeating their border, and cropped back. Works in ``torch.channels_last``.

    Args:
        channels: of the input images.
        width: channels of the finest scale; every coarser scale has twice as many.
        depth: number of scales, >= 1.
        seed: of the weights.
        residual: whether the first ``out_channels`` channels of the input are added to the output.
        out_channels: of the output images; None means ``channels``.
        norm: what follows each convolution but the last.
        dimension: 1 for signals ``(batch, channels, length)``, 2 for images, 3 for volumes.

    Raises:
        InputError: numbers that describe no network, or a residual with more output than input channels.

    Example:
        >>> network = UNet(1, width=8, depth=3, seed=0)
        >>> network(torch.rand(2, 1, 30, 21)).shape
        torch.Size([2, 1, 30, 21])
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 4,
        *,
        seed: int = 0,
        residual: bool = True,
        out_channels: int | None = None,
        norm: Norm = NO_NORM,
        dimension: int = 2,
    ) -> None:
        super().__init__()
        check_layout(channels, width, depth, 1, dimension)
        if residual:
            check_outputs(channels, out_channels, ": set residual=False")
        outputs = channels if out_channels is None else out_channels
        self.channels, self.width, self.depth, self.seed = channels, width, depth, seed
        self.residual, self.out_channels, self.norm, self.dimension = residual, out_channels, norm, dimension
        widths = [width * 2**k for k in range(depth)]
        with quietly():
            inputs = [channels, *widths[:-1]]
            self.down = nn.ModuleList(self._block(i, o) for i, o in zip(inputs, widths, strict=True))
            self.up = nn.ModuleList(
                nn.Sequential(*conv_norm_relu(2 * w, w, norm, dimension)) for w in reversed(widths[:-1])
            )
            self.merge = nn.ModuleList(self._block(2 * w, w) for w in reversed(widths[:-1]))
            self.last = convolution(width, outputs, 1, dimension, bias=not norm.homogeneous)
            self.pool = POOLINGS[dimension](2)
        self._draw()

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, *space)``."""
        check_channels(x, self.channels, self.dimension)
        h, skips = pad_to_multiple(x, 2 ** (self.depth - 1)), []
        for k, block in enumerate(self.down):
            h = block(h if k == 0 else self.pool(h))
            skips.append(h)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            assert isinstance(up, nn.Sequential)
            h = merge(torch.cat([skip, up[1:](enlarge_and_convolve(up[0], h))], 1))
        out: Image = self.last(h)
        for axis, size in enumerate(x.shape[2:], start=2):
            out = out.narrow(axis, 0, size)
        return add_input(x, out) if self.residual else out

    def _block(self, channels: int, out_channels: int) -> nn.Sequential:
        first = conv_norm_relu(channels, out_channels, self.norm, self.dimension)
        return nn.Sequential(*first, *conv_norm_relu(out_channels, out_channels, self.norm, self.dimension))

    def _draw(self) -> None:
        draw_weights(self, self.seed)
        if self.residual:
            with torch.no_grad():
                next(self.last.parameters()).mul_(NEAR_ZERO)
