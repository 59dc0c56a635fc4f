"""Convolutions whose kernels are made from fewer weights, and the plain network they come to once trained."""

import copy
from abc import abstractmethod

import torch
from torch import Tensor, nn

from nullsight.networks.borders import Border
from nullsight.networks.layers import Drawn, Network, quietly
from nullsight.types import Image, InputError


class Expanding(Drawn):
    """A convolution whose kernel follows from fewer weights by a symmetry; the kernel is made at every call.

    Attributes:
        border: what is beyond the border of the image.
    """

    border: Border

    @abstractmethod
    def filters(self) -> Tensor:
        """Return the whole kernel, expanded, ``(out_channels, in_channels, side, side)``."""

    @abstractmethod
    def offset(self) -> Tensor | None:
        """Return the additive terms, ``(out_channels,)``; None where there are none."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the image convolved, ``(batch, out_channels, height, width)``."""
        return self.border.convolve(x, self.filters(), self.offset())

    def plain(self) -> nn.Conv2d:
        """Return the same map as an ordinary convolution with weights of its own."""
        with torch.no_grad(), quietly():
            weight, bias = self.filters(), self.offset()
            outputs, inputs, side, _ = weight.shape
            new = nn.Conv2d(
                inputs, outputs, side, padding=side // 2, padding_mode=self.border.mode, bias=bias is not None
            ).to(weight)
            new.weight.copy_(weight)
            if new.bias is not None and bias is not None:
                new.bias.copy_(bias)
        return new


class Frozen(nn.Module):
    """A network for use, no longer for training: every kernel is expanded once, every convolution an ordinary one.

    It gives the images of the network it was made from, costs what an ordinary network of its channels costs, and does
    not follow when that network is trained on.

    Args:
        network: any network; its convolutions of fewer weights are replaced in a copy.

    Example:
        >>> from nullsight.networks import GroupResidual
        >>> network, x = GroupResidual(1, width=2, blocks=1, seed=0), torch.rand(1, 1, 8, 8)
        >>> torch.allclose(Frozen(network)(x), network(x), atol=1e-6)
        True
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        whole = copy.deepcopy(network)
        for module in list(whole.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, Expanding):
                    setattr(module, name, child.plain())
        self.network = whole.plain() if isinstance(whole, Expanding) else whole
        self.eval().requires_grad_(False)

    def forward(self, x: Image) -> Image:
        """Return what the network returns."""
        out: Image = self.network(x)
        return out


class EquivariantNetwork(Network):
    """A network that turns its output with its input, by construction."""

    def frozen(self) -> Frozen:
        """Return the network for use: a new object, as fast as an ordinary network of its channels."""
        return Frozen(self)


def check_kernel(kernel: int) -> None:
    """Raise an :class:`InputError` unless the side of a kernel is odd: an even one has no centre to turn about."""
    if kernel < 1 or kernel % 2 == 0:
        raise InputError(
            f"expected a kernel of odd side, which has a pixel at its centre, but {kernel} came: choose {kernel + 1}"
        )
