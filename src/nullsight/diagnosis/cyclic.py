"""The cyclic subgroup that says most about how many measurements are enough."""

import math
from typing import NamedTuple

import torch

from nullsight.groups.base import Family, FiniteGroup, PointGroup, Trivial
from nullsight.groups.shifts import Shifts
from nullsight.types import Element

Shape = tuple[int, ...]


class CyclicSubgroup(NamedTuple):
    """A cyclic subgroup: its order, and how often the most frequent of its irreducible representations occurs."""

    order: int
    multiplicity: int


def cyclic_subgroup(group: Family, image_shape: Shape) -> CyclicSubgroup | None:
    """Return the cyclic subgroup that only moves pixels and whose most frequent representation is the least frequent.

    A set of images that is invariant to a group is invariant to each of its subgroups, so that what is proven for
    cyclic groups serves every group by the best of its cyclic subgroups.

    Args:
        group: shifts, or a group that keeps the centre in place; of interpolated turns the exact ones count.
        image_shape: without batch.

    Returns:
        None for a group whose elements are not known here.

    Example:
        >>> cyclic_subgroup(Shifts((6, 4)), (1, 6, 4))
        CyclicSubgroup(order=12, multiplicity=2)
    """
    pixels = math.prod(image_shape)
    if isinstance(group, Trivial):
        return CyclicSubgroup(1, pixels)
    if isinstance(group, Shifts):  # no shift but the identity leaves a pixel in place: all representations occur alike
        counts = [size // step for size, step in zip(group.shape, group.steps, strict=True)]
        order = math.lcm(*counts)
        return CyclicSubgroup(order, pixels // order)
    if not isinstance(group, PointGroup):
        return None
    matrices = group.matrix(torch.arange(group.order))
    exact = ((matrices - matrices.round()).abs().amax((1, 2)) < 1e-9).nonzero().flatten().tolist()
    return min((_generated(group, g, image_shape) for g in exact), key=lambda one: one.multiplicity)


def fixed_pixels(group: FiniteGroup, g: Element, image_shape: Shape) -> float:
    """Return the trace of ``T_g`` where it moves pixels to pixels: how many it leaves in place."""
    names = torch.arange(1.0, math.prod(image_shape) + 1, dtype=torch.float64).reshape(1, *image_shape)
    return float((group.act(g, names) == names).sum())


def _generated(group: PointGroup, g: int, image_shape: Shape) -> CyclicSubgroup:
    """By characters: the representation j occurs ``mean over k of exp(-2 pi i j k / r) tr T_g^k`` times."""
    one, power = torch.tensor([g]), group.identity(1)
    traces: list[float] = []
    while not traces or int(power) != 0:  # the identity is element 0
        traces.append(fixed_pixels(group, power, image_shape))
        power = group.compose(power, one)
    often = torch.fft.fft(torch.tensor(traces, dtype=torch.float64)).real / len(traces)
    return CyclicSubgroup(len(traces), round(float(often.max())))
