"""Vector fields under rotations and reflections: places move, and the vectors turn along."""

import torch
from torch import Tensor

from nullsight.groups.base import PointGroup
from nullsight.types import Element, Image, InputError


class VectorFields(PointGroup):
    """``(T_g^pi v)(p) = M_g v(g^-1 p)``: images whose channels are vectors (down, right), turned with the vectors.

    With the orthogonal matrices ``M_g = group.matrix(g)`` that is how gradients and displacements go along with the
    image: ``grad(T_g x) = T_g^pi grad x``. Channels are pairs, ``(d1, r1, d2, r2, ...)``; as exact as the group is, and
    as near orthogonal.

    Args:
        group: rotations, reflections or both.

    Raises:
        InputError: images without pairs of channels, where they come.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> right = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
        >>> VectorFields(QuarterTurns()).act(torch.tensor([1]), right).flatten()  # now up
        tensor([-1.,  0.])
    """

    def __init__(self, group: PointGroup) -> None:
        self.group = group
        self.order = group.order
        self.space = group.space
        self.region = group.region
        self.action_error = group.action_error

    def generators(self) -> tuple[int, ...]:
        """Return those of the group."""
        return self.group.generators()

    def compose(self, g: Element, h: Element) -> Element:
        """Return the product in the group."""
        return self.group.compose(g, h)

    def inverse(self, g: Element) -> Element:
        """Return the inverse in the group."""
        return self.group.inverse(g)

    def matrix(self, g: Element) -> Tensor:
        """Return the matrices of the group, ``(batch, 2, 2)``, quarter turns to the last bit."""
        matrix = self.group.matrix(g)
        whole = matrix.round()
        return torch.where((matrix - whole).abs() < 1e-12, whole, matrix)

    def act(self, g: Element, x: Image) -> Image:
        """Return every field with its places moved and its vectors turned."""
        self._check(g, x)
        return _turned(self.matrix(g), self.group.act(g, x))

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose: vectors turned back, and places by the group's transpose."""
        self._check(g, x)
        return self.group.act_adjoint(g, _turned(self.matrix(g).mT, x))

    def _check(self, g: Element, x: Image) -> None:
        self.check(g, x)
        if x.ndim != 4 or x.shape[1] % 2:
            raise InputError(
                f"expected vector fields (batch, 2 * vectors, height, width), but shape {tuple(x.shape)} came: give "
                f"the components down and right of each vector as channels"
            )


def _turned(matrix: Tensor, x: Image) -> Image:
    pairs = x.reshape(len(x), -1, 2, *x.shape[2:])
    return torch.einsum("bij,bkjhw->bkihw", matrix.to(x), pairs).reshape(x.shape)
