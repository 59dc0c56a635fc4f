"""Steerable convolution: for the rotations (and reflections) by 360 / n degrees, n any, and fields of any kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup
from nullsight.networks.borders import ZERO_BORDER, Border
from nullsight.networks.expanding import Expanding, check_kernel
from nullsight.networks.fields import Field, Fields, RegularField
from nullsight.networks.harmonics import harmonic_action, rings, sample, solve
from nullsight.types import InputError


class SteerableConvolution(Expanding):
    """A convolution of fields: turning what comes in turns what comes out, as its fields turn.

    The kernel is a learned combination of a basis of all kernels with ``k(H x) D_in(H) = D_out(H) k(x)`` (Weiler, Cesa,
    "General E(2)-equivariant steerable CNNs", NeurIPS 2019, eq. 2): Gaussian rings times circular harmonics, solved for
    when the layer is built, in closed form where one side is a regular field. Turns by multiples of 90 degrees are
    followed exactly. For others polynomials of degree below the side of the kernel are, and the finer detail that the
    pixel grid does not turn sets the error, which :func:`nullsight.contracts.equivariance_curve` measures.

    Args:
        inputs: what comes in.
        outputs: what comes out; of the same group.
        kernel: side of the kernel, odd.
        bias: whether fields whose components change places (trivial, regular) have an additive term each.
        border: what is beyond the border.

    Raises:
        InputError: fields of two groups or an even kernel.

    Example:
        >>> from nullsight.groups import Rotations
        >>> from nullsight.networks.fields import TrivialField, VectorField
        >>> group = Rotations(8)
        >>> layer = SteerableConvolution(Fields(group, ((TrivialField(), 1),)), Fields(group, ((VectorField(), 3),)))
        >>> layer(torch.rand(2, 1, 9, 9)).shape
        torch.Size([2, 6, 9, 9])
    """

    def __init__(
        self, inputs: Fields, outputs: Fields, *, kernel: int = 5, bias: bool = True, border: Border = ZERO_BORDER
    ) -> None:
        super().__init__()
        check_kernel(kernel)
        if repr(inputs.group) != repr(outputs.group):
            raise InputError(f"expected fields of one group, but {inputs.group!r} and {outputs.group!r} came")
        self.inputs, self.outputs, self.kernel, self.border = inputs, outputs, kernel, border
        group = inputs.group
        self.blocks = nn.ModuleList(
            _block(group, out, many, into, few, kernel) for out, many in outputs.parts for into, few in inputs.parts
        )
        biased = [count for field, count in outputs.parts if field.permutes]
        self.bias = nn.Parameter(torch.empty(sum(biased))) if bias and biased else None
        self.draw(torch.Generator().manual_seed(0), 0.0)

    def filters(self) -> Tensor:
        """Return the kernel expanded in its basis, ``(out_channels, in_channels, side, side)``."""
        return torch.cat([torch.cat([block.expand() for block in row], 1) for row in self._rows()], 0)

    def offset(self) -> Tensor | None:
        """Return the additive terms, the same for all components of a field, zero for fields with a direction."""
        if self.bias is None:
            return None
        parts, first = [], 0
        for (field, count), channels in zip(self.outputs.parts, self.outputs.sizes, strict=True):
            if field.permutes:
                parts.append(self.bias[first : first + count].repeat_interleave(channels // count))
                first += count
            else:
                parts.append(self.bias.new_zeros(channels))
        return torch.cat(parts)

    def draw(self, generator: torch.Generator, slope: float) -> None:
        """Set the weights so that every outgoing channel has the variance of an ordinary layer's."""
        with torch.no_grad():
            for row in self._rows():
                total = sum(block.power for block in row)
                for block in row:
                    drawn = torch.randn(block.weight.shape, generator=generator, dtype=torch.float64, device="cpu")
                    block.weight.copy_((2 / ((1 + slope**2) * max(total, 1e-9))) ** 0.5 * drawn)
            if self.bias is not None:
                self.bias.zero_()

    def _rows(self) -> "list[list[_Block]]":
        blocks = [block for block in self.blocks if isinstance(block, _Block)]
        many = len(self.inputs.parts)
        return [blocks[first : first + many] for first in range(0, len(blocks), many)]


class _Block(nn.Module, ABC):
    """The kernels from one kind of field to another.

    Attributes:
        weight: what is learned.
        power: the sum of squares of an outgoing channel's kernel, on average, where the weights have variance 1.
    """

    weight: nn.Parameter
    power: float

    @abstractmethod
    def expand(self) -> Tensor:
        """Return the kernels, ``(out_channels, in_channels, side, side)``."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Convert the weights, and move the basis, which stays float64: rounded once, it could not be made exact."""
        kept = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, basis in kept.items():
            moved = self._buffers[name]
            assert basis is not None and moved is not None
            self._buffers[name] = basis.to(moved.device)
        return self


class _Solved(_Block):
    """A basis found as a null space: ``k = sum_n w_n k_n``, for small fields."""

    basis: Tensor

    def __init__(self, group: FiniteGroup, out: Field, many: int, into: Field, few: int, side: int) -> None:
        super().__init__()
        found = [
            torch.einsum("nabc,cyx->nabyx", solve(group, out, into, ring.frequency), sample(ring, side))
            for ring in rings(side)
        ]
        basis = torch.cat(found)
        size = basis.flatten(1).norm(dim=1)[:, None, None, None, None]
        self.register_buffer("basis", basis * (basis.shape[1] ** 0.5 / size), persistent=False)
        self.weight = nn.Parameter(torch.empty(many, few, len(basis)))
        self.power = float(few * len(basis))

    def expand(self) -> Tensor:
        kernels = torch.einsum("oin,nabyx->oaibyx", self.weight, self.basis.to(self.weight))
        return kernels.flatten(2, 3).flatten(0, 1)


class _Turning(_Block):
    """The closed form where one side is regular: the component of the identity is free, the others are it turned.

    ``k_h(x) = k_1(H^-1 x) D_in(H)^T`` where the regular side comes out, ``D_out(H) k_1(H^-1 x)`` where it comes in.
    """

    turned: Tensor
    mixing: Tensor

    def __init__(self, group: FiniteGroup, other: Field, many: int, few: int, side: int) -> None:
        super().__init__()
        back = group.inverse(torch.arange(group.order))
        found = []
        for ring in rings(side):
            turns = harmonic_action(group, ring.frequency)[back]
            found.append(torch.einsum("gcd,dyx->gcyx", turns, sample(ring, side)))
        self.register_buffer("turned", torch.cat(found, 1), persistent=False)
        self.register_buffer("mixing", other.matrices(group), persistent=False)
        self._scalar = bool((self.mixing == 1).all())
        self.weight = nn.Parameter(torch.empty(many, few, self.mixing.shape[-1], self.turned.shape[1]))

    def _turn(self) -> Tensor:
        """Return the other side's components for every turn, ``(many, few, order, components, side, side)``."""
        kernels = torch.einsum("oibc,gcyx->oigbyx", self.weight, self.turned.to(self.weight))
        if self._scalar:
            return kernels
        return torch.einsum("gab,oigbyx->oigayx", self.mixing.to(self.weight), kernels)


class _OutOfRegular(_Turning):
    """From any field to regular ones."""

    def __init__(self, group: FiniteGroup, into: Field, many: int, few: int, side: int) -> None:
        super().__init__(group, into, many, few, side)
        self.power = float(self.weight[0].numel())

    def expand(self) -> Tensor:
        return self._turn().permute(0, 2, 1, 3, 4, 5).flatten(2, 3).flatten(0, 1)


class _IntoRegular(_Turning):
    """From regular fields to another kind."""

    def __init__(self, group: FiniteGroup, out: Field, many: int, few: int, side: int) -> None:
        super().__init__(group, out, many, few, side)
        self.power = float(few * self.turned.shape[0] * self.turned.shape[1])

    def expand(self) -> Tensor:
        return self._turn().permute(0, 3, 1, 2, 4, 5).flatten(2, 3).flatten(0, 1)


def _block(group: FiniteGroup, out: Field, many: int, into: Field, few: int, side: int) -> _Block:
    if isinstance(out, RegularField):
        return _OutOfRegular(group, into, many, few, side)
    if isinstance(into, RegularField):
        return _IntoRegular(group, out, many, few, side)
    return _Solved(group, out, many, into, few, side)
