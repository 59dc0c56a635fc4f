"""Groups made of groups: direct products, and semidirect products such as shifts with quarter turns."""

import math
from collections.abc import Sequence

import torch

from nullsight.groups.base import FiniteGroup, NormalGroup, PointGroup
from nullsight.groups.probing import check_apart, check_commuting, common_space, gap, pairs, probe, tolerance
from nullsight.types import Element, Image, InputError


class Product(FiniteGroup):
    """Commuting groups applied together: ``T_(g1, g2, ...) = T_g1 T_g2 ...``; the first factor's index varies fastest.

    Whether the factors commute is tested on a random image: for generators (exact groups; that is enough), and a few
    more elements where they interpolate. Whether they overlap (share more than the identity) is tested on the elements
    of prime order: by Cauchy's theorem every common subgroup has one.

    Args:
        factors: at least one finite group.
        image_shape: without batch, of the random image; None: one channel, of the size a factor is built for.

    Raises:
        InputError: factors that do not commute, that overlap, or that are built for different sizes.

    Example:
        >>> from nullsight.groups import Reflections
        >>> group = Product([Reflections(("horizontal",)), Reflections(("vertical",))])
        >>> group.order
        4
    """

    def __init__(self, factors: Sequence[FiniteGroup], image_shape: Sequence[int] | None = None) -> None:
        self.factors = tuple(factors)
        self.image_shape = None if image_shape is None else tuple(image_shape)
        if not self.factors:
            raise InputError("expected at least one factor, but none came: Trivial() is the group without symmetry")
        self._orders = tuple(factor.order for factor in self.factors)
        self.order = math.prod(self._orders)
        self.space = common_space(self.factors)
        self.action_error = math.hypot(*(factor.action_error for factor in self.factors))
        self.linear = all(factor.linear for factor in self.factors)
        if len(self.factors) > 1:
            rest = Product(self.factors[:-1], image_shape)
            x = probe(self.image_shape, self.space)
            check_commuting(rest, self.factors[-1], x)
            check_apart(rest, self.factors[-1], x)

    def split(self, g: Element) -> tuple[Element, ...]:
        """Return the element of every factor."""
        parts = []
        for order in self._orders:
            parts.append(g % order)
            g = g // order
        return tuple(parts)

    def join(self, parts: Sequence[Element]) -> Element:
        """Return the element made of one element a factor."""
        g = torch.zeros_like(parts[0])
        for order, part in zip(reversed(self._orders), reversed(parts), strict=True):
            g = g * order + part
        return g

    def generators(self) -> tuple[int, ...]:
        """Return the generators of every factor."""
        strides = [math.prod(self._orders[:i]) for i in range(len(self._orders))]
        return tuple(s * g for s, factor in zip(strides, self.factors, strict=True) for g in factor.generators())

    def compose(self, g: Element, h: Element) -> Element:
        """Return the products factor by factor."""
        pairs = zip(self.factors, self.split(g), self.split(h), strict=True)
        return self.join([factor.compose(a, b) for factor, a, b in pairs])

    def inverse(self, g: Element) -> Element:
        """Return the inverses factor by factor."""
        return self.join([factor.inverse(a) for factor, a in zip(self.factors, self.split(g), strict=True)])

    def act(self, g: Element, x: Image) -> Image:
        """Return ``T_g1 T_g2 ... x``."""
        self.check(g, x)
        for factor, part in reversed(list(zip(self.factors, self.split(g), strict=True))):
            x = factor.act(part, x)
        return x

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``... T_g2^T T_g1^T x``."""
        self.check(g, x)
        for factor, part in zip(self.factors, self.split(g), strict=True):
            x = factor.act_adjoint(part, x)
        return x


class SemidirectProduct(FiniteGroup):
    """A normal group and a point group that turns it: ``(h, H)(h', H') = (h H h' H^-1, H H')``, ``T_(h,H) = T_h T_H``.

    With shifts as the normal group that is ``(h + H h', H H')``: shifts with quarter turns are the plane group p4, with
    ``Dihedral(4)`` p4m. Rotations with one reflection are the dihedral group. The normal group states ``H h H^-1``
    (``conjugate``); that ``T_H T_h = T_(H h H^-1) T_H`` is tested for generators on a random image.
    Element ``g = h + order(normal) * H``.

    Args:
        normal: the group that is mapped to itself.
        acting: the point group that maps it; it has only the identity in common with ``normal``.
        image_shape: without batch, of the random image; None: one channel, of the size a factor is built for.

    Raises:
        InputError: the acting group does not map the normal one to itself, or they overlap.

    Example:
        >>> from nullsight.groups import QuarterTurns, Shifts
        >>> p4 = SemidirectProduct(Shifts((8, 8)), QuarterTurns())
        >>> p4.order
        256
    """

    def __init__(self, normal: NormalGroup, acting: PointGroup, image_shape: Sequence[int] | None = None) -> None:
        self.normal = normal
        self.acting = acting
        self.image_shape = None if image_shape is None else tuple(image_shape)
        self.order = normal.order * acting.order
        self.space = common_space((normal, acting))
        self.action_error = math.hypot(normal.action_error, acting.action_error)
        x = probe(self.image_shape, self.space)
        h, H = pairs(normal, acting)
        turned = self._conjugate(H, h)
        found = gap(
            x,
            lambda rows, z: acting.act(H[rows], normal.act(h[rows], z)),
            lambda rows, z: normal.act(turned[rows], acting.act(H[rows], z)),
            len(h),
        )
        if found > tolerance(normal, acting):
            raise InputError(
                f"expected {acting!r} to map {normal!r} to itself as stated, but a random image differs by {found:.1e}"
            )
        check_apart(normal, acting, x)

    def generators(self) -> tuple[int, ...]:
        """Return the generators of both groups."""
        return (*self.normal.generators(), *(self.normal.order * g for g in self.acting.generators()))

    def split(self, g: Element) -> tuple[Element, Element]:
        """Return ``(h, H)``."""
        return g % self.normal.order, g // self.normal.order

    def join(self, h: Element, H: Element) -> Element:
        """Return the element ``(h, H)``."""
        return h + self.normal.order * H

    def compose(self, g: Element, h: Element) -> Element:
        """Return ``(h H h' H^-1, H H')``."""
        (h1, H1), (h2, H2) = self.split(g), self.split(h)
        return self.join(self.normal.compose(h1, self._conjugate(H1, h2)), self.acting.compose(H1, H2))

    def inverse(self, g: Element) -> Element:
        """Return ``(H^-1 h^-1 H, H^-1)``."""
        h, H = self.split(g)
        back = self.acting.inverse(H)
        return self.join(self._conjugate(back, self.normal.inverse(h)), back)

    def act(self, g: Element, x: Image) -> Image:
        """Return ``T_h T_H x``."""
        self.check(g, x)
        h, H = self.split(g)
        return self.normal.act(h, self.acting.act(H, x))

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``T_H^T T_h^T x``."""
        self.check(g, x)
        h, H = self.split(g)
        return self.acting.act_adjoint(H, self.normal.act_adjoint(h, x))

    def _conjugate(self, H: Element, h: Element) -> Element:
        return self.normal.conjugate(h, self.acting.matrix(H))
