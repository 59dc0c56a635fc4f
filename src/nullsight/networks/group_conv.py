"""Group convolution: every filter is used in all its turned forms, for groups that turn kernels exactly.

Cohen, Welling, "Group equivariant convolutional networks", ICML 2016. With the shifts that every convolution follows,
quarter turns make the plane group p4, the dihedral group p4m. Written once, with what every finite group has: how it
composes, inverts, and acts on a kernel.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup
from nullsight.linalg import linear_map
from nullsight.networks.borders import ZERO_BORDER, Border
from nullsight.networks.expanding import Expanding, check_kernel
from nullsight.networks.fields import Fields, RegularField, TrivialField, products
from nullsight.types import InputError


class _Turned(Expanding):
    """A convolution whose kernel holds copies of a filter with its entries in another order, one order a copy."""

    _source: Tensor
    _back: Tensor

    def __init__(self, inputs: Fields, outputs: Fields, kernel: int, border: Border, *, bias: bool) -> None:
        super().__init__()
        (_, incoming), (_, outgoing) = inputs.parts[0], outputs.parts[0]
        if min(incoming, outgoing) < 1:
            raise InputError(f"expected at least one field in and one out, but {incoming} and {outgoing} came")
        self.inputs, self.outputs, self.group = inputs, outputs, inputs.group
        self.kernel, self.border = kernel, border
        source = self._order(turned_pixels(self.group, kernel))
        self._copies, entries = source.shape
        back = source.argsort(1) + entries * torch.arange(self._copies)[:, None]
        self.register_buffer("_source", source.flatten(), persistent=False)
        self.register_buffer("_back", back.flatten(), persistent=False)
        self.weight = nn.Parameter(torch.empty(outgoing, incoming, entries // kernel**2, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(outgoing)) if bias else None
        self.draw(torch.Generator().manual_seed(0), 0.0)

    @abstractmethod
    def _order(self, pixels: Tensor) -> Tensor:
        """Return where the entries of every copy are read from, ``(copies, entries)``: permutations."""

    @abstractmethod
    def _arrange(self, copies: Tensor) -> Tensor:
        """Return the kernel from ``(outgoing, incoming, copies, entries)``, without its two axes of space."""

    def filters(self) -> Tensor:
        """Return the turned filters, ``(out_channels, in_channels, side, side)``."""
        flat = self.weight.flatten(2)
        if self.group.order > 1:
            flat = linear_map(flat, self._copy, self._collect)  # its own gradient sums in the same order every time
        arranged = self._arrange(torch.unflatten(flat, 2, (self._copies, -1)))
        return torch.unflatten(arranged, 2, (self.kernel, self.kernel))

    def offset(self) -> Tensor | None:
        """Return one additive term a field, the same for all its components."""
        return None if self.bias is None else self.bias.repeat_interleave(self.outputs.channels // len(self.bias))

    def draw(self, generator: torch.Generator, slope: float) -> None:
        """Set the weights as those of an ordinary convolution of as many channels."""
        inputs = self.inputs.channels * self.kernel**2
        drawn = torch.randn(self.weight.shape, generator=generator, dtype=torch.float64, device="cpu")
        with torch.no_grad():
            self.weight.copy_((2 / ((1 + slope**2) * inputs)) ** 0.5 * drawn)
            if self.bias is not None:
                self.bias.zero_()

    def _copy(self, flat: Tensor) -> Tensor:
        return flat.index_select(2, self._source)

    def _collect(self, copied: Tensor) -> Tensor:
        return torch.unflatten(copied.index_select(2, self._back), 2, (self._copies, -1)).sum(2)


class Lifting(_Turned):
    """From images to regular fields: ``F(g, .) = (T_g k) * x``, correlations with all turned forms of each filter.

    Cohen, Welling, ICML 2016, section 6, the first layer; the copies are about the centre, the convolution shifts them.

    Args:
        channels: of the images, trivial fields.
        fields: regular fields that come out, ``order`` channels each.
        group: what the filters are turned by; exact and about the centre.
        kernel: side of the filters, odd.
        bias: whether every field has an additive term.
        border: what is beyond the border.

    Raises:
        InputError: numbers below 1, an even kernel, or a group that does not turn kernels exactly.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> Lifting(1, 3, QuarterTurns())(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 12, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        fields: int,
        group: FiniteGroup,
        *,
        kernel: int = 3,
        bias: bool = True,
        border: Border = ZERO_BORDER,
    ) -> None:
        images, lifted = Fields(group, ((TrivialField(), channels),)), Fields(group, ((RegularField(), fields),))
        super().__init__(images, lifted, kernel, border, bias=bias)
        self.channels, self.fields = channels, fields

    def _order(self, pixels: Tensor) -> Tensor:
        return pixels

    def _arrange(self, copies: Tensor) -> Tensor:
        return copies.transpose(1, 2).flatten(0, 1)


class GroupConvolution(_Turned):
    """From regular fields to regular fields: ``F'(g, .) = sum_h (T_g k(g^-1 h)) * F(h, .)``.

    Cohen, Welling, ICML 2016, section 6, the layers after the first.

    Args:
        fields: regular fields that come in, ``order`` channels each.
        out_fields: regular fields that come out.
        group: what the filters are turned by; exact and about the centre.
        kernel: side of the filters, odd.
        bias: whether every field has an additive term.
        border: what is beyond the border.

    Raises:
        InputError: numbers below 1, an even kernel, or a group that does not turn kernels exactly.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> GroupConvolution(2, 3, Dihedral(4))(torch.rand(2, 16, 8, 8)).shape
        torch.Size([2, 24, 8, 8])
    """

    def __init__(
        self,
        fields: int,
        out_fields: int,
        group: FiniteGroup,
        *,
        kernel: int = 3,
        bias: bool = True,
        border: Border = ZERO_BORDER,
    ) -> None:
        inputs, outputs = (Fields(group, ((RegularField(), count),)) for count in (fields, out_fields))
        super().__init__(inputs, outputs, kernel, border, bias=bias)
        self.fields, self.out_fields = fields, out_fields

    def _order(self, pixels: Tensor) -> Tensor:
        relative = products(self.group)[self.group.inverse(torch.arange(self.group.order))]  # g^-1 h
        return (relative[:, :, None] * pixels.shape[1] + pixels[:, None]).flatten(1)

    def _arrange(self, copies: Tensor) -> Tensor:
        turned = torch.unflatten(copies, 3, (self.group.order, -1))  # out, in, g, h, pixels
        return turned.permute(0, 2, 1, 3, 4).flatten(2, 3).flatten(0, 1)


class Projection(_Turned):
    """From regular fields back to images: ``x = sum_h (T_h k) * F(h, .)``.

    The transpose of :class:`Lifting`, with filters of its own. With a kernel of 1 it is the weighted sum over fields of
    their means over the group.

    Args:
        fields: regular fields that come in, ``order`` channels each.
        channels: of the images that come out, trivial fields.
        group: what the filters are turned by; exact and about the centre.
        kernel: side of the filters, odd.
        bias: whether every image has an additive term.
        border: what is beyond the border.

    Raises:
        InputError: numbers below 1, an even kernel, or a group that does not turn kernels exactly.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> Projection(3, 1, QuarterTurns())(torch.rand(2, 12, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        fields: int,
        channels: int,
        group: FiniteGroup,
        *,
        kernel: int = 3,
        bias: bool = True,
        border: Border = ZERO_BORDER,
    ) -> None:
        lifted, images = Fields(group, ((RegularField(), fields),)), Fields(group, ((TrivialField(), channels),))
        super().__init__(lifted, images, kernel, border, bias=bias)
        self.fields, self.channels = fields, channels

    def _order(self, pixels: Tensor) -> Tensor:
        return pixels

    def _arrange(self, copies: Tensor) -> Tensor:
        return copies.flatten(1, 2)


def turned_pixels(group: FiniteGroup, side: int) -> Tensor:
    """Return where ``T_g`` reads every pixel of a square kernel from, int64 ``(order, side^2)``.

    Raises:
        InputError: an even side, or a group that interpolates or moves the centre.
    """
    check_kernel(side)
    least = max(side, 3)  # on a single pixel every group would look exact
    numbers = torch.arange(least**2, dtype=torch.float64).reshape(1, 1, least, least)
    turned = group.orbit(numbers)
    whole = turned.reshape(group.order, least, least).round().long()
    exact = torch.equal(whole.flatten(1).sort(1).values, torch.arange(least**2).expand(group.order, -1))
    if not exact or bool((whole[:, least // 2, least // 2] != least**2 // 2).any()):
        raise InputError(
            f"expected a group that only moves the pixels of a kernel, about its centre (QuarterTurns, Dihedral of 1, "
            f"2 or 4, Reflections, Trivial), but {group!r} came: SteerableResidual takes other rotations"
        )
    if side == least:
        return whole.flatten(1)
    return torch.zeros(group.order, 1, dtype=torch.int64)
