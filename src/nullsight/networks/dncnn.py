"""DnCNN: a plain stack of convolutions that predicts what to take off the image, with and without additive terms."""

import torch
from torch import nn

from nullsight.networks.layers import (
    NEAR_ZERO,
    Network,
    add_input,
    check_channels,
    check_layout,
    check_outputs,
    conv_norm_relu,
    convolution,
    draw_weights,
    quietly,
)
from nullsight.networks.norms import BIAS_FREE, NO_NORM, Norm
from nullsight.types import Image, InputError


class _Stack(Network):
    """Convolution, ReLU; ``depth - 2`` times convolution, norm, ReLU; convolution; plus the input."""

    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 17,
        *,
        seed: int = 0,
        out_channels: int | None = None,
        norm: Norm = NO_NORM,
        dimension: int = 2,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        check_layout(channels, width, depth, 2, dimension)
        if not 0 <= slope < 1:
            raise InputError(f"expected a slope from 0 to below 1, but {slope} came: 0 for ReLU, 0.01 is common")
        outputs = check_outputs(channels, out_channels)
        self.channels, self.width, self.depth, self.seed = channels, width, depth, seed
        self.out_channels, self.norm, self.dimension, self.slope = out_channels, norm, dimension, slope
        plain = BIAS_FREE if norm.homogeneous else NO_NORM
        with quietly():
            layers = conv_norm_relu(channels, width, plain, dimension, slope=slope)
            for _ in range(depth - 2):
                layers += conv_norm_relu(width, width, norm, dimension, slope=slope)
            self.body = nn.Sequential(*layers)
            self.last = convolution(width, outputs, 3, dimension, bias=plain.bias)
        self._draw()

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, *space)``."""
        check_channels(x, self.channels, self.dimension)
        return add_input(x, self.last(self.body(x)))

    def _draw(self) -> None:
        draw_weights(self, self.seed, slope=self.slope)
        with torch.no_grad():
            next(self.last.parameters()).mul_(NEAR_ZERO)


class DnCNN(_Stack):
    """The residual denoiser of Zhang et al., "Beyond a Gaussian denoiser", IEEE TIP 2017, for images of any size.

    The published network has batch statistics (``norm=BatchNorm()``); the default has none. The last layer starts
    small, so that the untrained network nearly returns its input.

    Args:
        channels: of the input images.
        width: channels of the hidden layers.
        depth: number of convolutions, >= 2.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.
        norm: what follows each convolution but the first and the last.
        dimension: 1 for signals, 2 for images, 3 for volumes.
        slope: of the leaky ReLUs for negative values, 0 .. 1; 0 makes them ReLUs.

    Raises:
        InputError: numbers that describe no network.

    Example:
        >>> DnCNN(1, width=8, depth=4, seed=0)(torch.rand(2, 1, 9, 7)).shape
        torch.Size([2, 1, 9, 7])
    """


class BiasFreeDnCNN(_Stack):
    """DnCNN without any additive term: ``G(gain x) = gain G(x)`` for every gain >= 0, exactly.

    Such a network denoises far outside the noise levels it was trained on: Mohan et al., "Robust and interpretable
    blind image denoising via bias-free convolutional neural networks", ICLR 2020. Homogeneous also while training with
    the default; with ``BiasFreeBatchNorm()``, as published, in eval mode only.

    Args:
        channels: of the input images.
        width: channels of the hidden layers.
        depth: number of convolutions, >= 2.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.
        norm: a homogeneous one, ``BiasFree()`` or ``BiasFreeBatchNorm()``.
        dimension: 1 for signals, 2 for images, 3 for volumes.
        slope: as in :class:`DnCNN`.

    Raises:
        InputError: a norm with additive terms.

    Example:
        >>> network, x = BiasFreeDnCNN(1, width=8, depth=4, seed=0), torch.rand(1, 1, 8, 8)
        >>> torch.allclose(network(4 * x), 4 * network(x))
        True
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 17,
        *,
        seed: int = 0,
        out_channels: int | None = None,
        norm: Norm = BIAS_FREE,
        dimension: int = 2,
        slope: float = 0.0,
    ) -> None:
        if not norm.homogeneous:
            raise InputError(
                f"expected a norm without additive terms, but {type(norm).__name__} came: choose BiasFree() or "
                f"BiasFreeBatchNorm(), or DnCNN"
            )
        super().__init__(
            channels, width, depth, seed=seed, out_channels=out_channels, norm=norm, dimension=dimension, slope=slope
        )
