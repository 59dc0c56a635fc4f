"""A residual network of group convolutions: turning or mirroring the image turns or mirrors what comes out, exactly."""

from torch import nn

from nullsight.groups.base import FiniteGroup
from nullsight.groups.rotations import Dihedral
from nullsight.networks.borders import ZERO_BORDER, Border
from nullsight.networks.equivariant_blocks import Block, EquivariantResidual
from nullsight.networks.fields import FieldNorm
from nullsight.networks.group_conv import GroupConvolution, Lifting, Projection
from nullsight.networks.layers import check_layout, check_outputs, quietly
from nullsight.networks.norms import NO_NORM, Norm
from nullsight.networks.restriction import Restriction
from nullsight.types import InputError


class GroupResidual(EquivariantResidual):
    """Lifting, residual blocks of group convolutions, projection, plus the input: ``f(T_g x) = T_g f(x)`` exactly.

    After Cohen, Welling, "Group equivariant convolutional networks", ICML 2016. Has ``order * width`` channels, and
    about one weight for every ``order`` of an ordinary network of as many; ``Trivial()`` makes it that network. Norms
    see a field as one channel. With ``norm=BiasFree()`` also ``f(gain x) = gain f(x)``. With a ``subgroup`` the last
    blocks keep that alone: fine details may tell up from down where large ones do not. Serves as the proximal network
    of unrolled reconstructors; :meth:`frozen` makes the network for use.

    Args:
        channels: of the input images.
        width: regular fields of the hidden layers, each of ``order`` channels.
        blocks: residual blocks of two convolutions each, >= 1.
        group: only moves pixels, about the centre of the image.
        subgroup: what the last blocks and the output keep; None: the group.
        restricted: how many of the blocks those are, 0 .. ``blocks``.
        kernel: side of the filters, odd.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.
        norm: what stands before each ReLU.
        border: what is beyond the border; with ``CircularBorder()`` cyclic shifts are followed exactly, too.

    Raises:
        InputError: numbers that describe no network, or a group that does not turn kernels exactly.

    Example:
        >>> import torch
        >>> network, x = GroupResidual(1, width=2, blocks=1, seed=0), torch.rand(1, 1, 9, 9)
        >>> torch.allclose(network(x.rot90(1, (2, 3))), network(x).rot90(1, (2, 3)), atol=1e-5)
        True
    """

    def __init__(
        self,
        channels: int,
        width: int = 8,
        blocks: int = 4,
        *,
        group: FiniteGroup = Dihedral(4),  # noqa: B008 (a value)
        subgroup: FiniteGroup | None = None,
        restricted: int = 1,
        kernel: int = 3,
        seed: int = 0,
        out_channels: int | None = None,
        norm: Norm = NO_NORM,
        border: Border = ZERO_BORDER,
    ) -> None:
        super().__init__()
        check_layout(channels, width, blocks, 1, 2)
        if not 0 <= restricted <= blocks:
            raise InputError(f"expected 0 to {blocks} restricted blocks, as there are blocks, but {restricted} came")
        outputs = check_outputs(channels, out_channels)
        self.channels, self.width, self.blocks, self.group, self.subgroup = channels, width, blocks, group, subgroup
        self.restricted, self.kernel, self.seed, self.out_channels = restricted, kernel, seed, out_channels
        self.norm, self.border = norm, border
        bias, last = not norm.homogeneous, group
        with quietly():
            self.enter = Lifting(channels, width, group, kernel=kernel, bias=bias, border=border)
            whole = blocks if subgroup is None else blocks - restricted
            body: list[nn.Module] = [self._block(width, group) for _ in range(whole)]
            if subgroup is not None:
                change, last = Restriction(width, group, subgroup), subgroup
                width = change.out_fields
                body += [change, *(self._block(width, subgroup) for _ in range(restricted))]
            self.body = nn.Sequential(*body)
            self.leave = Projection(width, outputs, last, kernel=kernel, bias=bias, border=border)
        self._draw()

    def _block(self, width: int, group: FiniteGroup) -> Block:
        first, second = (self._convolution(width, group, bias) for bias in (self.norm.bias, not self.norm.homogeneous))
        return Block(first, FieldNorm(self.norm, first.outputs), nn.ReLU(), second)

    def _convolution(self, width: int, group: FiniteGroup, bias: bool) -> GroupConvolution:
        return GroupConvolution(width, width, group, kernel=self.kernel, bias=bias, border=self.border)
