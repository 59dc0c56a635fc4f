"""Tests on a random image of whether two groups go together: do they commute, do they overlap."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nullsight.groups.base import FiniteGroup
from nullsight.types import Element, Image, InputError

_PROBE = (1, 12, 12)  # the shape of the random image where nothing else gives one
_BLOCK = 16  # images turned together


def common_space(groups: Sequence[FiniteGroup]) -> tuple[int, ...] | None:
    """Return the one spatial shape the groups act on, None for any; InputError where they differ."""
    spaces = {group.space for group in groups} - {None}
    if len(spaces) > 1:
        raise InputError(f"expected groups for one size of images, but {sorted(map(str, spaces))} came")
    return next(iter(spaces), None)


def probe(image_shape: Sequence[int] | None, space: tuple[int, ...] | None) -> Image:
    """Return the random image ``(1, channels, *space)``, float64."""
    shape = tuple(image_shape) if image_shape is not None else _PROBE if space is None else (1, *space)
    return torch.randn((1, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def tolerance(a: FiniteGroup, b: FiniteGroup) -> float:
    """Return how much what should be the same may differ: rounding, and the interpolation where there is any.

    White noise is interpolated several times worse than the images that ``action_error`` is stated for.
    """
    stated = math.hypot(a.action_error, b.action_error)
    return 1e-9 if stated == 0 else 0.7


def pairs(a: FiniteGroup, b: FiniteGroup) -> tuple[Element, Element]:
    """Return all pairs of generators, with a few more elements of groups that interpolate."""
    mine, theirs = _some(a), _some(b)
    return mine.repeat_interleave(len(theirs)), theirs.repeat(len(mine))


def gap(x: Image, first: Callable[[Tensor, Image], Image], second: Callable[[Tensor, Image], Image], n: int) -> float:
    """Return the largest relative difference of two maps of ``(rows, copies of x)`` over ``n`` rows."""
    worst = 0.0
    for rows in torch.split(torch.arange(n), _BLOCK) if n else ():
        z = x.expand(len(rows), *x.shape[1:])
        one, other = first(rows, z).flatten(1), second(rows, z).flatten(1)
        size = torch.maximum(one.norm(dim=1), other.norm(dim=1)).clamp_min(1e-300)
        worst = max(worst, float(((one - other).norm(dim=1) / size).max()))
    return worst


def check_commuting(a: FiniteGroup, b: FiniteGroup, x: Image) -> None:
    """Raise an InputError unless ``T_g T_h x = T_h T_g x`` for generators of both."""
    g, h = pairs(a, b)
    found = gap(x, lambda r, z: a.act(g[r], b.act(h[r], z)), lambda r, z: b.act(h[r], a.act(g[r], z)), len(g))
    if found > tolerance(a, b):
        raise InputError(
            f"expected factors that commute, but {a!r} and {b!r} do not (a random image differs by {found:.1e}): use "
            f"SemidirectProduct where one maps the other to itself"
        )


def check_apart(a: FiniteGroup, b: FiniteGroup, x: Image) -> None:
    """Raise an InputError if both contain the same transformation, the identity aside.

    A common subgroup would have an element of prime order (Cauchy), so only those are compared.
    """
    common = math.gcd(a.order, b.order)
    for prime in (p for p in range(2, common + 1) if common % p == 0 and all(p % q for q in range(2, p))):
        g, h = _of_order(a, prime), _of_order(b, prime)
        mine, theirs = _images(a, g, x), _images(b, h, x)
        near = torch.cdist(mine, theirs) / x.norm()
        if near.numel() and float(near.min()) <= tolerance(a, b):
            raise InputError(
                f"expected factors that share only the identity, but {a!r} and {b!r} have a transformation of order "
                f"{prime} in common: leave it out of one of them"
            )


def _some(group: FiniteGroup) -> Element:
    few = set(group.generators())
    if group.action_error > 0:
        few |= set(range(1, group.order, max(1, group.order // 5)))
    return torch.tensor(sorted(few), dtype=torch.int64)


def _of_order(group: FiniteGroup, prime: int) -> Element:
    g = torch.arange(1, group.order)
    power = torch.zeros_like(g)
    for _ in range(prime):
        power = group.compose(power, g)
    return g[power == 0]


def _images(group: FiniteGroup, g: Element, x: Image) -> Tensor:
    """Return ``T_g x`` for a single image and many elements, as rows."""
    turned = [group.act(few, x.expand(len(few), *x.shape[1:])).flatten(1) for few in torch.split(g, _BLOCK) if len(few)]
    return torch.cat(turned) if turned else x.new_zeros(0, x.numel())
