"""How often each irreducible representation of a group occurs in the images, and what the sensing theorems ask for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nullsight.diagnosis.cyclic import cyclic_subgroup, fixed_pixels
from nullsight.groups.base import Family, PointGroup, Trivial
from nullsight.groups.reflections import Reflections
from nullsight.groups.rotations import Dihedral, QuarterTurns, Rotations
from nullsight.groups.shifts import Shifts

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Irrep:
    """Irreducible representations of one kind: their dimension s, how often each occurs (c, the most), how many."""

    name: str
    dimension: int
    multiplicity: int
    number: int

    @property
    def necessary(self) -> int:
        """The least number of measurements of one image, ``c / s`` rounded up."""
        return -(-self.multiplicity // self.dimension)


@dataclass(frozen=True)
class Bounds:
    """What the sensing theorems ask of the number m of measurements of one image.

    Tachella, Chen, Davies, "Sensing theorems for unsupervised learning in linear inverse problems", JMLR 24(39), 2023.
    ``m >= max c_j / s_j`` is necessary for every A: the block of N of an irreducible representation has side c and at
    most the rank m s. Where the group is cyclic and the set of images has the box-counting dimension k,
    ``m > 2 k + max c_j + 1`` is enough for almost every A; a set that is invariant to any other group is invariant to
    its cyclic subgroups, so there c is that of the one which needs least. Without a group, but with G operators,
    ``m > k + n / G`` is enough for almost every choice of them (the same authors, "Unsupervised learning from
    incomplete measurements for inverse problems", NeurIPS 2022). That holds for generic A, drawn at random. Masks,
    views and blurs are not generic.

    Attributes:
        irreps: of the group in the space of images.
        necessary: measurements that any operator needs.
        sufficient: measurements that a generic operator needs at most, for a set of ``dimension``; None: none is given.
        dimension: k of the set of images; None: not given.
        cyclic: order of the cyclic subgroup by which they are enough; None: of several operators, without a group.
        exact: whether the transformations are a representation; interpolated ones are one approximately.
    """

    irreps: tuple[Irrep, ...]
    necessary: int
    sufficient: int | None
    dimension: int | None
    cyclic: int | None = None
    exact: bool = True


def bounds(group: Family, image_shape: Shape, dimension: int | None, *, operators: int = 1) -> Bounds | None:
    """Return the sensing theorems' bounds, None for a group whose representations are not known here.

    Args:
        group: of transformations of the images.
        image_shape: without batch.
        dimension: k of the set of images; None: only what needs no k.
        operators: how many different ones there are, one a sample; of several with a group nothing is known here.

    Example:
        >>> found = bounds(Shifts((12,)), (1, 12), dimension=3)
        >>> found.necessary, found.sufficient
        (1, 9)
    """
    count = _COUNTS.get(type(group))
    irreps = () if count is None or (operators > 1 and not isinstance(group, Trivial)) else count(group, image_shape)
    if not irreps:
        return None
    enough = None
    if operators > 1:
        pixels = math.prod(image_shape)
        if dimension is not None:
            enough = dimension + pixels // operators + 1  # the first m above k + n / G
        return Bounds(irreps, -(-pixels // operators), enough, dimension)
    inside = cyclic_subgroup(group, image_shape)
    assert inside is not None
    if dimension is not None:
        # the first m above 2 k + c + 1; where that is more than there are pixels, as many as pixels
        enough = min(2 * dimension + inside.multiplicity + 2, math.prod(image_shape))
    necessary = max(one.necessary for one in irreps)
    return Bounds(irreps, necessary, enough, dimension, inside.order, exact=group.action_error == 0)


def _trivial(group: Family, shape: Shape) -> tuple[Irrep, ...]:
    return (Irrep("all of the image", 1, math.prod(shape), 1),)


def _shifts(group: Family, shape: Shape) -> tuple[Irrep, ...]:
    assert isinstance(group, Shifts)
    return (Irrep("frequencies", 1, math.prod(shape) // group.order, group.order),)


def _reflections(group: Family, shape: Shape) -> tuple[Irrep, ...]:
    """Each axis of n pixels has ``ceil(n / 2)`` even and ``floor(n / 2)`` odd directions."""
    assert isinstance(group, Reflections)
    sides = {"vertical": shape[-2], "horizontal": shape[-1]}
    even = math.prod(-(-sides[axis] // 2) for axis in group.axes)
    rest = math.prod(shape) // math.prod(sides[axis] for axis in group.axes)
    return (Irrep("even and odd parts", 1, even * rest, group.order),)


def _cyclic(group: Family, shape: Shape) -> tuple[Irrep, ...]:
    """By characters: angular frequency j occurs as often as ``mean over k of cos(2 pi j k / n) tr T_k`` says."""
    assert isinstance(group, PointGroup)
    often = _angular(group, group.order, shape)
    return (Irrep("angular frequencies", 1, max(often), group.order),)


def _dihedral(group: Family, shape: Shape) -> tuple[Irrep, ...]:
    """Return those of turns and reflections; one of dimension 2 occurs as often as its angular frequency."""
    assert isinstance(group, Dihedral)
    n, pairs = group.n, (group.n - 1) // 2
    every = [_trace(group, g, shape) for g in range(group.order)]
    invariant = math.ceil(sum(every) / group.order - 1e-6)
    ones = Irrep("of dimension 1", 1, min(invariant, math.prod(shape)), 2 * n - 4 * pairs)
    if not pairs:
        return (ones,)
    return (ones, Irrep("of dimension 2", 2, max(_angular(group, n, shape)[1 : pairs + 1]), pairs))


def _angular(group: PointGroup, n: int, shape: Shape) -> list[int]:
    """Return how often each angular frequency 0 .. n - 1 of the turns (elements 0 .. n - 1) occurs."""
    traces = torch.tensor([_trace(group, k, shape) for k in range(n)], dtype=torch.float64)
    often = torch.fft.fft(traces).real / n
    return [min(math.ceil(float(one) - 1e-6), math.prod(shape)) for one in often]


def _trace(group: PointGroup, g: int, shape: Shape) -> float:
    """Return the trace of ``T_g``: the pixels that it leaves in place.

    An interpolated turn by the angle a has ``1 / |det(1 - H)| = 1 / (4 sin^2(a / 2))`` on a fine grid, an interpolated
    reflection half the pixels of its axis.
    """
    matrix = group.matrix(torch.tensor([g]))[0]
    if bool((matrix - matrix.round()).abs().max() < 1e-9):  # moves pixels to pixels
        return fixed_pixels(group, torch.tensor([g]), shape)
    away = float(torch.linalg.det(torch.eye(2, dtype=torch.float64) - matrix).abs())
    return shape[0] * (1 / away if away > 1e-9 else shape[-1] / 2)


_COUNTS: dict[type, Callable[[Family, Shape], tuple[Irrep, ...]]] = {
    Trivial: _trivial,
    Shifts: _shifts,
    Reflections: _reflections,
    QuarterTurns: _cyclic,
    Rotations: _cyclic,
    Dihedral: _dihedral,
}
