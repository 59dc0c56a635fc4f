"""The discriminator of adversarial equivariant imaging: one score an image, whatever its size."""

from torch import Tensor, nn

from nullsight.networks.layers import Network, check_channels, check_layout, convolution, draw_weights, quietly
from nullsight.networks.norms import NO_NORM, Norm
from nullsight.types import Image, InputError

_SLOPE = 0.2  # of the leaky ReLU, as ESRGAN has it
_WIDEST = 8  # a scale has at most so many times the width of the first, as ESRGAN has it (64 .. 512)


class Discriminator(Network):
    """A stack of convolutions, each scale ending in a strided one, leaky ReLU (0.2), two linear layers: a score.

    After the discriminator of Wang et al., "ESRGAN", ECCV Workshops 2018 (their width 64, five scales, batch norm).
    Here the pixels are averaged before the linear layers, so images of any size of at least ``2^depth`` are scored.
    The default has no norm: scores of a batch do not touch each other.

    Args:
        channels: of the images.
        width: channels of the first scale; they double with every scale, up to eight times.
        depth: number of scales, each halving the size.
        hidden: width of the hidden linear layer.
        seed: of the weights.
        norm: what follows each convolution but the first.
        dimension: 1 for signals, 2 for images, 3 for volumes.

    Raises:
        InputError: images smaller than ``2^depth`` pixels along an axis.

    Example:
        >>> import torch
        >>> Discriminator(3, width=8, depth=3, seed=0)(torch.rand(4, 3, 20, 17)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 5,
        *,
        hidden: int = 100,
        seed: int = 0,
        norm: Norm = NO_NORM,
        dimension: int = 2,
    ) -> None:
        super().__init__()
        check_layout(channels, min(width, hidden), depth, 1, dimension)
        self.channels, self.width, self.depth, self.hidden = channels, width, depth, hidden
        self.seed, self.norm, self.dimension = seed, norm, dimension
        widths = [width * min(2**k, _WIDEST) for k in range(depth)]
        with quietly():
            layers: list[nn.Module] = []
            for k, (a, b) in enumerate(zip([channels, *widths[:-1]], widths, strict=True)):
                first = NO_NORM if k == 0 else norm
                layers += [convolution(a, b, 3, dimension, bias=first.bias), first.layer(b, dimension)]
                layers += [nn.LeakyReLU(_SLOPE), convolution(b, b, 4, dimension, bias=norm.bias, stride=2)]
                layers += [norm.layer(b, dimension), nn.LeakyReLU(_SLOPE)]
            self.features = nn.Sequential(*layers)
            self.score = nn.Sequential(nn.Linear(widths[-1], hidden), nn.LeakyReLU(_SLOPE), nn.Linear(hidden, 1))
        self._draw()

    def forward(self, x: Image) -> Tensor:
        """Return the scores, ``(batch,)``; unbounded, a least-squares GAN pulls them to 0 and 1."""
        check_channels(x, self.channels, self.dimension)
        if min(x.shape[2:]) < 2**self.depth:
            raise InputError(
                f"expected images of at least {2**self.depth} pixels along each axis, but {tuple(x.shape)} came: "
                f"choose a smaller depth"
            )
        pooled: Tensor = self.features(x).flatten(2).mean(2)
        scores: Tensor = self.score(pooled)
        return scores.flatten()

    def _draw(self) -> None:
        draw_weights(self, self.seed, slope=_SLOPE)
