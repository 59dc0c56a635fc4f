"""Rotations about the centre of the image: quarter turns, fine rotations, and both with reflections."""

from collections.abc import Callable

import torch
from torch import Tensor

from nullsight.groups.base import FiniteGroup, NormalGroup, PointGroup, by_kind
from nullsight.groups.interpolation import FourierShears, Interpolation
from nullsight.types import Element, Image, InputError


class QuarterTurns(PointGroup, NormalGroup):
    """Turns by multiples of 90 degrees, counter-clockwise as displayed; square images. Exact and orthogonal.

    Example:
        >>> group = QuarterTurns()
        >>> group.act(torch.tensor([1]), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        tensor([[[[2., 4.],
                  [1., 3.]]]])
    """

    order = 4

    def generators(self) -> tuple[int, ...]:
        """Return one quarter turn."""
        return (1,)

    def compose(self, g: Element, h: Element) -> Element:
        """Return the turn by both angles."""
        return (g + h) % 4

    def inverse(self, g: Element) -> Element:
        """Return the turn back."""
        return -g % 4

    def act(self, g: Element, x: Image) -> Image:
        """Return every image turned; InputError unless they are square."""
        self.check(g, x)
        _check_square(self, x)
        return _quarter_turns(g, x)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return every image turned back."""
        return self.act(self.inverse(g), x)

    def matrix(self, g: Element) -> Tensor:
        """Return rotation matrices for (rows down, columns right), ``(batch, 2, 2)``."""
        return _matrix(g, 4)

    def conjugate(self, h: Element, matrix: Tensor) -> Element:
        """Return the same turn for a turning H, the opposite one for a mirroring H."""
        return _conjugate(h, matrix, 4)


class Rotations(PointGroup, NormalGroup):
    """Turns by ``360 g / n`` degrees, counter-clockwise as displayed; square images (any images for n = 1, 2).

    Multiples of 90 degrees only move samples; for other angles the nearest quarter turn is followed by an interpolated
    turn of at most 45 degrees. The transpose is exact; ``T_g`` is nearly orthogonal on the inscribed disk, and cuts
    off what leaves the square.

    Args:
        n: the number of angles, >= 1.
        interpolation: how to turn by the rest; ``Bilinear()`` is the choice of the equivariant imaging papers.

    Raises:
        InputError: ``n`` below 1.

    Example:
        >>> group = Rotations(360)
        >>> turned = group.act(torch.tensor([30, 60]), torch.rand(2, 1, 16, 16))  # by 30 and by 60 degrees
    """

    def __init__(self, n: int, interpolation: Interpolation = FourierShears()) -> None:  # noqa: B008 (a frozen value)
        if n < 1:
            raise InputError(f"expected at least one angle, but n = {n} came")
        self.n = n
        self.interpolation = interpolation
        self.order = n
        self.action_error = 0.0 if 4 % n == 0 else interpolation.action_error

    def generators(self) -> tuple[int, ...]:
        """Return the turn by the smallest angle."""
        return (1,) if self.n > 1 else ()

    def degrees(self, g: Element) -> Tensor:
        """Return the angles, float64 ``(batch,)``."""
        return g.double() * 360 / self.n

    def compose(self, g: Element, h: Element) -> Element:
        """Return the turn by both angles."""
        return (g + h) % self.n

    def inverse(self, g: Element) -> Element:
        """Return the turn back."""
        return -g % self.n

    def act(self, g: Element, x: Image) -> Image:
        """Return every image turned by its own angle; InputError unless they are square."""
        before, rest, after = self._split(g, x)
        turned = _where(rest, _quarter_turns(before, x), self.interpolation.turn)
        return _quarter_turns(after, turned)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose: the same steps backwards."""
        before, rest, after = self._split(g, x)
        back = _where(rest, _quarter_turns(-after % 4, x), self.interpolation.turn_adjoint)
        return _quarter_turns(-before % 4, back)

    def matrix(self, g: Element) -> Tensor:
        """Return rotation matrices for (rows down, columns right), ``(batch, 2, 2)``."""
        return _matrix(g, self.n)

    def conjugate(self, h: Element, matrix: Tensor) -> Element:
        """Return the same turn for a turning H, the opposite one for a mirroring H."""
        return _conjugate(h, matrix, self.n)

    def _split(self, g: Element, x: Image) -> tuple[Tensor, Tensor, Tensor]:
        """Return the quarter turns before, the rest in degrees (exactly 0 if there is none), the quarter turns after.

        Interpolation may treat rows and columns differently, so it does not commute with a quarter turn. Splitting g
        and its inverse into mirrored steps (half a quarter rounds towards 0; three quarters are two before and one
        after) makes the turn back undo what interpolation did.
        """
        self.check(g, x)
        if self.n > 2:
            _check_square(self, x)
        elif x.ndim != 4:
            raise InputError(f"expected images (batch, channels, height, width), but shape {tuple(x.shape)} came")
        up, down = (8 * g + self.n) // (2 * self.n), -((self.n - 8 * g) // (2 * self.n))  # 4 g / n, rounded
        quarters = torch.where(2 * g <= self.n, down, up)
        rest = (4 * g - self.n * quarters).double() * 90 / self.n
        after = (quarters % 4 == 3).long()
        return quarters % 4 - after, rest, after


class Dihedral(PointGroup):
    """Turns by ``360 k / n`` degrees, each with and without mirroring left and right first; order ``2 n``.

    Exact for n = 1, 2 and 4 (the eight symmetries of the square); for other n the turns interpolate. Element
    ``g = k + n m``: mirrored if m = 1, then turned by k steps.

    Args:
        n: the number of angles, >= 1.
        interpolation: how to turn by angles that are no multiple of 90 degrees.

    Example:
        >>> group = Dihedral(4)
        >>> group.act(torch.tensor([4]), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        tensor([[[[2., 1.],
                  [4., 3.]]]])
    """

    def __init__(self, n: int, interpolation: Interpolation = FourierShears()) -> None:  # noqa: B008 (a frozen value)
        self.n = n
        self.interpolation = interpolation
        self._turns = Rotations(n, interpolation)
        self.order = 2 * n
        self.action_error = self._turns.action_error

    def generators(self) -> tuple[int, ...]:
        """Return the turn by the smallest angle and the reflection."""
        return (*self._turns.generators(), self.n)

    def compose(self, g: Element, h: Element) -> Element:
        """Return ``(k, m)(k', m') = (k + (-1)^m k', m + m')``."""
        mirrored = g // self.n
        k = g % self.n + (1 - 2 * mirrored) * (h % self.n)
        return k % self.n + self.n * (mirrored ^ (h // self.n))

    def inverse(self, g: Element) -> Element:
        """Return the turn back; a mirroring element is its own inverse."""
        return torch.where(g < self.n, -g % self.n, g)

    def act(self, g: Element, x: Image) -> Image:
        """Return every image mirrored where its element says so, then turned."""
        self.check(g, x)
        return self._turns.act(g % self.n, _mirror(g // self.n, x))

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose: turned back, then mirrored."""
        self.check(g, x)
        return _mirror(g // self.n, self._turns.act_adjoint(g % self.n, x))

    def matrix(self, g: Element) -> Tensor:
        """Return orthogonal matrices for (rows down, columns right), ``(batch, 2, 2)``."""
        mirror = torch.ones(len(g), 1, 2, dtype=torch.float64)
        mirror[:, 0, 1] = 1.0 - 2.0 * (g // self.n)
        return _matrix(g % self.n, self.n) * mirror


def _check_square(group: FiniteGroup, x: Image) -> None:
    if x.ndim != 4 or x.shape[-1] != x.shape[-2]:
        raise InputError(
            f"expected square images (batch, channels, n, n) for {group!r}, but shape {tuple(x.shape)} came: pad them "
            f"to a square, or use Reflections or Dihedral(2)"
        )


def _quarter_turns(k: Tensor, x: Image) -> Image:
    return by_kind(k, x, lambda turns, _, few: few.rot90(turns, (-2, -1)) if turns else few)


def _mirror(mirrored: Tensor, x: Image) -> Image:
    return by_kind(mirrored, x, lambda kind, _, few: few.flip(-1) if kind else few)


def _where(rest: Tensor, x: Image, turn: Callable[[Tensor, Image], Image]) -> Image:
    return by_kind((rest != 0).long(), x, lambda kind, rows, few: turn(rest[rows], few) if kind else few)


def _matrix(g: Element, n: int) -> Tensor:
    angle = torch.deg2rad(g.double() * 360 / n)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)


def _conjugate(h: Element, matrix: Tensor, n: int) -> Element:
    return torch.where(torch.linalg.det(matrix) > 0, h, -h % n)
