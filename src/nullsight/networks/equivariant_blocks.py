"""The frame of equivariant residual networks: a layer in, residual blocks, a layer out, plus the input."""

from torch import Tensor, nn

from nullsight.networks.expanding import EquivariantNetwork, Expanding
from nullsight.networks.fields import FieldNorm
from nullsight.networks.layers import NEAR_ZERO, add_input, check_channels, draw_weights, shrink
from nullsight.types import Image

_BRANCH = 0.2  # what the last layer of a residual block is scaled by at the start, so that depth adds little variance


class Block(nn.Module):
    """``h + second(activation(norm(first(h))))``; what is added up is never cut off.

    The order of Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPR Workshops 2017.

    Args:
        first: from the fields to what the norm and the activation take.
        norm: of those.
        activation: back to the fields.
        second: from the fields to the fields.
    """

    def __init__(self, first: Expanding, norm: FieldNorm, activation: nn.Module, second: Expanding) -> None:
        super().__init__()
        self.first, self.norm, self.activation, self.second = first, norm, activation, second

    def forward(self, h: Tensor) -> Tensor:
        """Return the fields, changed."""
        changed: Tensor = self.second(self.activation(self.norm(self.first(h))))
        return h + changed


class EquivariantResidual(EquivariantNetwork):
    """``x + leave(body(enter(x)))``; the last layer starts small, so that the untrained network nearly returns x."""

    channels: int
    enter: nn.Module
    body: nn.Sequential
    leave: nn.Module

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, height, width)``."""
        check_channels(x, self.channels, 2)
        out: Image = self.leave(self.body(self.enter(x)))
        return add_input(x, out)

    def _draw(self) -> None:
        draw_weights(self, self.seed)
        for module in self.modules():
            if isinstance(module, Block):
                shrink(module.second, _BRANCH)
        shrink(self.leave, NEAR_ZERO)
