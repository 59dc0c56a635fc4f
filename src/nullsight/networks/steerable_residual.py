"""A residual network of steerable convolutions: for rotations finer than quarter turns."""

from torch import nn

from nullsight.groups.base import PointGroup
from nullsight.groups.rotations import Rotations
from nullsight.networks.borders import ZERO_BORDER, Border
from nullsight.networks.equivariant_blocks import Block, EquivariantResidual
from nullsight.networks.features import REGULAR_FEATURES, Features
from nullsight.networks.fields import FieldNorm, Fields, TrivialField
from nullsight.networks.layers import check_layout, check_outputs, quietly
from nullsight.networks.norms import NO_NORM, Norm
from nullsight.networks.steerable import SteerableConvolution
from nullsight.types import InputError


class SteerableResidual(EquivariantResidual):
    """Steerable convolutions in residual blocks, plus the input: turning the image turns what comes out.

    After Weiler, Cesa, "General E(2)-equivariant steerable CNNs", NeurIPS 2019. Exact for the group's turns by
    multiples of 90 degrees and its reflections; for the others, and for all angles between, to an error that the pixel
    grid sets and :func:`nullsight.contracts.equivariance_curve` measures. With ``norm=BiasFree()`` and regular features
    also ``f(gain x) = gain f(x)``. :meth:`frozen` makes the network for use, at the cost of an ordinary one.

    Args:
        channels: of the input images.
        width: hidden fields of every kind that ``features`` has.
        blocks: residual blocks of two convolutions each, >= 1.
        group: rotations by multiples of 360 / n degrees, n any, or those with reflections (``Dihedral``).
        features: kinds of hidden fields and their nonlinearity.
        kernel: side of the kernels, odd.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.
        norm: what stands before each nonlinearity; fields with a direction want one that only multiplies.
        border: what is beyond the border.

    Raises:
        InputError: numbers that describe no network, a norm that does not suit the features, or one that promises to
            follow the gain with features that do not.

    Example:
        >>> import torch
        >>> from nullsight.networks.features import GatedFeatures
        >>> network = SteerableResidual(1, width=2, blocks=1, features=GatedFeatures(), seed=0)
        >>> network(torch.rand(2, 1, 9, 9)).shape
        torch.Size([2, 1, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        width: int = 4,
        blocks: int = 3,
        *,
        group: PointGroup = Rotations(8),  # noqa: B008 (a value)
        features: Features = REGULAR_FEATURES,
        kernel: int = 5,
        seed: int = 0,
        out_channels: int | None = None,
        norm: Norm = NO_NORM,
        border: Border = ZERO_BORDER,
    ) -> None:
        super().__init__()
        check_layout(channels, width, blocks, 1, 2)
        outputs = check_outputs(channels, out_channels)
        if norm.homogeneous and not features.homogeneous:
            raise InputError(
                f"expected features that follow the gain, as {norm!r} promises, but {features!r} came: choose "
                f"RegularFeatures(), or RootMeanSquare() or NoNorm() with these"
            )
        self.channels, self.width, self.blocks, self.group, self.features = channels, width, blocks, group, features
        self.kernel, self.seed, self.out_channels, self.norm, self.border = kernel, seed, out_channels, norm, border
        hidden, bias = features.fields(group, width), not norm.homogeneous
        with quietly():
            self.enter = self._layer(Fields(group, ((TrivialField(), channels),)), hidden, bias)
            self.body = nn.Sequential(*(self._block() for _ in range(blocks)))
            self.leave = self._layer(hidden, Fields(group, ((TrivialField(), outputs),)), bias)
        self._draw()

    def _block(self) -> Block:
        hidden, before = (make(self.group, self.width) for make in (self.features.fields, self.features.before))
        first = self._layer(hidden, before, self.norm.bias)
        second = self._layer(hidden, hidden, not self.norm.homogeneous)
        return Block(first, FieldNorm(self.norm, before), self.features.activation(self.group, self.width), second)

    def _layer(self, inputs: Fields, outputs: Fields, bias: bool) -> SteerableConvolution:
        return SteerableConvolution(inputs, outputs, kernel=self.kernel, bias=bias, border=self.border)
