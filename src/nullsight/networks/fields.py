"""Fields: channels that mix in a known way when the image is turned, by an orthogonal representation of the group."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup, PointGroup
from nullsight.networks.norms import Norm
from nullsight.types import Element, Image, InputError


class Field(ABC):
    """A kind of field: what its components do under ``T_g``, as orthogonal matrices with ``D(g) D(h) = D(g h)``.

    Attributes:
        permutes: whether the components only change places, so that functions of every component alone (ReLU, bias)
            keep it a field of that kind.
    """

    permutes: ClassVar[bool] = False

    @abstractmethod
    def matrices(self, group: FiniteGroup) -> Tensor:
        """Return ``D(g)`` for every element, float64 ``(order, size, size)``; InputError where the group has none."""

    def size(self, group: FiniteGroup) -> int:
        """Return the number of components."""
        return self.matrices(group).shape[-1]


@dataclass(frozen=True)
class TrivialField(Field):
    """One component that stays: an image, a density."""

    permutes = True

    def matrices(self, group: FiniteGroup) -> Tensor:
        """Return ones."""
        return torch.ones(group.order, 1, 1, dtype=torch.float64)


@dataclass(frozen=True)
class RegularField(Field):
    """One component an element of the group: ``D(g) e_h = e_gh``. What turned copies of one filter answer."""

    permutes = True

    def matrices(self, group: FiniteGroup) -> Tensor:
        """Return permutation matrices."""
        found = torch.zeros((group.order,) * 3, dtype=torch.float64)
        g, h = torch.arange(group.order)[:, None], torch.arange(group.order)[None]
        found[g, products(group), h] = 1.0
        return found

    def size(self, group: FiniteGroup) -> int:
        """Return the order of the group."""
        return group.order


@dataclass(frozen=True)
class VectorField(Field):
    """Two components that turn as displacements do: (rows down, columns right). A gradient, a flow."""

    def matrices(self, group: FiniteGroup) -> Tensor:
        """Return the matrices of the displacements."""
        return _point_group(group).matrix(torch.arange(group.order))


@dataclass(frozen=True)
class IrreducibleField(Field):
    """The irreducible representation of angular frequency ``frequency`` of a group of n turns, real.

    Two components that turn ``frequency`` times as fast as the image for ``0 < frequency < n / 2``; one component for
    the frequencies 0 and n / 2, which ``sign`` multiplies where the image is mirrored.

    Args:
        frequency: 0 .. n // 2.
        sign: 1 or -1.

    Raises:
        InputError: another sign; later, for a group, a frequency above n / 2 or a sign that it cannot have.
    """

    frequency: int
    sign: int = 1

    def __post_init__(self) -> None:
        if self.sign not in (1, -1) or self.frequency < 0:
            raise InputError(f"expected a frequency >= 0 and a sign of 1 or -1, but {self.frequency}, {self.sign} came")

    def matrices(self, group: FiniteGroup) -> Tensor:
        """Return rotations by multiples of the angle, or signs."""
        matrix = _point_group(group).matrix(torch.arange(group.order))
        mirrored = torch.linalg.det(matrix) < 0
        turns = int((~mirrored).sum())
        if 2 * self.frequency > turns or (self.sign < 0 and not bool(mirrored.any())):
            raise InputError(
                f"expected a frequency of at most {turns // 2} for {group!r}, and sign = -1 for groups with "
                f"reflections alone, but {self!r} came: choose a group of more turns or another field"
            )
        if 0 < 2 * self.frequency < turns:
            return turning(group, self.frequency)
        angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
        signs = torch.cos(self.frequency * angle).round() * torch.where(mirrored, float(self.sign), 1.0)
        return signs.double()[:, None, None]


@dataclass(frozen=True)
class Fields:
    """Which fields the channels of an image are: kinds and how many of each, one after the other.

    Args:
        group: what turns them.
        parts: pairs of a kind and a number; the components of one field are next to each other.

    Example:
        >>> from nullsight.groups import Rotations
        >>> fields = Fields(Rotations(8), ((TrivialField(), 3), (VectorField(), 2)))
        >>> fields.channels
        7
        >>> fields.act(torch.tensor([2]), torch.rand(1, 7, 5, 5)).shape
        torch.Size([1, 7, 5, 5])
    """

    group: FiniteGroup
    parts: tuple[tuple[Field, int], ...]

    @property
    def sizes(self) -> list[int]:
        """Channels of every part."""
        return [field.size(self.group) * count for field, count in self.parts]

    @property
    def channels(self) -> int:
        """How many there are in all."""
        return sum(self.sizes)

    def act(self, g: Element, x: Image) -> Image:
        """Return ``D(g) x(R_g^-1 p)``: the image turned and its components mixed, ``(batch, channels, n, n)``."""
        mixed = []
        for (field, count), part in zip(self.parts, torch.split(x, self.sizes, 1), strict=True):
            matrices = field.matrices(self.group)[g].to(part)
            apart = torch.unflatten(part, 1, (count, -1))
            mixed.append(torch.einsum("bij,bfjyx->bfiyx", matrices, apart).flatten(1, 2))
        return self.group.act(g, torch.cat(mixed, 1))


class FieldNorm(nn.Module):
    """A norm for fields: each is one channel of it, its components one more axis of space.

    So all components of a field are divided by the same number and share their weights.

    Args:
        norm: what to do.
        fields: what the channels are.

    Raises:
        InputError: a norm that subtracts means, for fields whose components do more than change places.
    """

    def __init__(self, norm: Norm, fields: Fields) -> None:
        super().__init__()
        if not norm.scales and not all(field.permutes for field, _ in fields.parts):
            raise InputError(
                f"expected a norm that only multiplies, for fields with a direction, but {type(norm).__name__} came: "
                f"choose RootMeanSquare() or NoNorm()"
            )
        self._sizes, self._counts = fields.sizes, tuple(count for _, count in fields.parts)
        self.layers = nn.ModuleList(norm.layer(count, 3) for count in self._counts)

    def forward(self, x: Image) -> Image:
        """Return the image normalised, of the same shape."""
        if all(isinstance(layer, nn.Identity) for layer in self.layers):
            return x
        parts = zip(self.layers, self._counts, torch.split(x, self._sizes, 1), strict=True)
        return torch.cat(
            [layer(torch.unflatten(part, 1, (count, -1))).flatten(1, 2) for layer, count, part in parts], 1
        )


def products(group: FiniteGroup) -> Tensor:
    """Return the table of ``g h``, int64 ``(order, order)``."""
    n = group.order
    g = torch.arange(n)
    return group.compose(g.repeat_interleave(n), g.repeat(n)).reshape(n, n)


def turning(group: FiniteGroup, frequency: int) -> Tensor:
    """Return how ``(cos k a, sin k a)`` turns where the direction of angle ``a`` is turned, ``(order, 2, 2)``.

    The angle is counted from the first axis (down) towards the second (right). A reflection is one of the second axis
    followed by a turn, so it is ``R(k angle) diag(1, -1)``.
    """
    matrix = _point_group(group).matrix(torch.arange(group.order))
    angle = frequency * torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    cos, sin, sign = torch.cos(angle), torch.sin(angle), torch.linalg.det(matrix).round()
    return torch.stack([cos, -sin * sign, sin, cos * sign], -1).reshape(-1, 2, 2)


def _point_group(group: FiniteGroup) -> PointGroup:
    if not isinstance(group, PointGroup):
        raise InputError(
            f"expected a group that turns directions (Rotations, Dihedral, QuarterTurns, Reflections), but {group!r} "
            f"came: Rotations(1) is the one without symmetry"
        )
    return group
