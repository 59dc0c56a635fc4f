"""What stands between a convolution and its activation, as values: a norm, nothing, or not even a bias.

Batch statistics couple the images of a batch (and the processes of a run), so no network uses them unless asked to.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nullsight.types import Image, InputError

_BATCH_NORMS: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}


class Norm(ABC):
    """What follows a convolution.

    Attributes:
        bias: whether the convolution before it has a bias (a norm that subtracts the mean makes it idle).
        homogeneous: whether a network made of it has no additive term at all: ``G(gain x) = gain G(x)`` for gain >= 0
            (in eval mode, where it keeps statistics).
        scales: whether it only multiplies all components of a field by one number, or does nothing: then it suits
            vector fields, too. Others suit fields whose components change places when the image is turned.
    """

    bias: ClassVar[bool] = False
    homogeneous: ClassVar[bool] = False
    scales: ClassVar[bool] = False

    @abstractmethod
    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return the layer for ``channels`` channels in ``dimension`` space dimensions."""


@dataclass(frozen=True)
class NoNorm(Norm):
    """No norm; convolutions have a bias."""

    bias = True
    scales = True

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return the identity."""
        return nn.Identity()


@dataclass(frozen=True)
class BiasFree(Norm):
    """No norm and no bias: the network is homogeneous and so serves every noise level and intensity alike.

    Mohan et al., "Robust and interpretable blind image denoising via bias-free convolutional neural networks",
    ICLR 2020.
    """

    homogeneous = True
    scales = True

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return the identity."""
        return nn.Identity()


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Batch normalisation, as in the papers' U-Net: it couples the images of a batch while training."""

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return a batch norm of ``dimension`` space dimensions."""
        return _BATCH_NORMS[dimension](channels)


@dataclass(frozen=True)
class BiasFreeBatchNorm(Norm):
    """Batch normalisation without additive terms: divides by the standard deviation, no mean, no shift.

    Homogeneous in eval mode (Mohan et al., ICLR 2020, section 3).
    """

    homogeneous = True

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return the layer."""
        return ScaleOnlyBatchNorm(channels)


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Normalisation over groups of channels of one image; knows nothing of the rest of the batch.

    Args:
        groups: how many groups; must divide the channels of every layer, so the network's width.
    """

    groups: int = 8

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return a group norm; InputError where the groups do not divide the channels."""
        if self.groups < 1 or channels % self.groups:
            raise InputError(
                f"expected groups that divide the {channels} channels of a layer, but {self.groups} came: choose a "
                f"width that is a multiple of it"
            )
        return nn.GroupNorm(self.groups, channels)


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Normalisation over all channels and pixels of one image; knows nothing of the rest of the batch."""

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return a group norm with one group."""
        return nn.GroupNorm(1, channels)


@dataclass(frozen=True)
class RootMeanSquare(Norm):
    """Division of each channel of one image by its root mean square, times a weight; no mean, no shift.

    Zhang, Sennrich, "Root mean square layer normalization", NeurIPS 2019, here a channel (a field) and an image at a
    time. Knows nothing of the rest of the batch.
    """

    scales = True

    def layer(self, channels: int, dimension: int) -> nn.Module:
        """Return the layer."""
        return RootMeanSquareNorm(channels)


class RootMeanSquareNorm(nn.Module):
    """Divide each channel of each image by its root mean square over space, times a weight."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))

    def reset_parameters(self) -> None:
        """Forget what was learned."""
        nn.init.ones_(self.weight)

    def forward(self, x: Image) -> Image:
        """Return ``weight x / sqrt(mean(x^2))``."""
        square = x.square().mean(tuple(range(2, x.ndim)), keepdim=True)
        return x * torch.rsqrt(square + 1e-5) * self.weight.reshape(-1, *[1] * (x.ndim - 2))  # 1e-5: as nn.GroupNorm


class ScaleOnlyBatchNorm(nn.Module):
    """Divide each channel by its standard deviation over the batch (running one in eval mode), times a weight."""

    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def reset_parameters(self) -> None:
        """Forget what was learned."""
        nn.init.ones_(self.weight)
        nn.init.ones_(self.running_var)

    def forward(self, x: Image) -> Image:
        """Return ``weight x / sqrt(variance)``."""
        if self.training:
            variance = x.transpose(0, 1).flatten(1).var(1, correction=0)
            with torch.no_grad():
                # one part in ten of the new batch, as nn.BatchNorm2d has it
                self.running_var.lerp_(variance.to(self.running_var.dtype), 0.1)
        else:
            variance = self.running_var
        factor = self.weight * torch.rsqrt(variance + 1e-5)  # 1e-5: as nn.BatchNorm2d has it
        return x * factor.reshape(-1, *[1] * (x.ndim - 2))


NO_NORM = NoNorm()
BIAS_FREE = BiasFree()

TABLE: dict[str, type[Norm]] = {
    "no_norm": NoNorm,
    "bias_free": BiasFree,
    "batch_norm": BatchNorm,
    "bias_free_batch_norm": BiasFreeBatchNorm,
    "group_norm": GroupNorm,
    "layer_norm": LayerNorm,
    "root_mean_square": RootMeanSquare,
}
