"""What a convolution reads beyond the border of the image, as values."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional


class Border(ABC):
    """What is beyond the border; the size of the image stays, whatever the odd side of the kernel.

    Attributes:
        mode: PyTorch's name of it, as ``nn.Conv2d(padding_mode=...)`` takes it.
    """

    mode: ClassVar[Literal["zeros", "circular"]]

    @abstractmethod
    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return ``x`` convolved with kernels ``(out_channels, channels, side, side)`` of odd side."""


@dataclass(frozen=True)
class ZeroBorder(Border):
    """Zeros, as in ordinary networks: shifts of the image are followed up to the border."""

    mode = "zeros"

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution."""
        return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


@dataclass(frozen=True)
class CircularBorder(Border):
    """The other side of the image: cyclic shifts are followed exactly."""

    mode = "circular"

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution."""
        margin = weight.shape[-1] // 2
        wide = functional.pad(x, (margin,) * 4, mode="circular") if margin else x
        return functional.conv2d(wide, weight, bias)


ZERO_BORDER = ZeroBorder()
CIRCULAR_BORDER = CircularBorder()

TABLE: dict[str, type[Border]] = {"zero_border": ZeroBorder, "circular_border": CircularBorder}
