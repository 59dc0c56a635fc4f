"""Operators that weigh pixels, or frequencies, one by one, and what groups make of such weights."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.groups.base import FiniteGroup, PointGroup
from nullsight.groups.shifts import Shifts


def shifted_mean(weights: Tensor, group: Shifts) -> Tensor:
    """Return the mean of pixel weights ``(channels, *space)`` over all shifts."""
    pairs = [n for size, step in zip(group.shape, group.steps, strict=True) for n in (size // step, step)]
    split = weights.reshape(len(weights), *pairs)
    over = tuple(1 + 2 * axis for axis in range(len(group.steps)))
    return split.mean(over, keepdim=True).expand_as(split).reshape(weights.shape)


def moved_mean(weights: Tensor, group: FiniteGroup) -> Tensor:
    """Return the mean of pixel weights ``(channels, *space)`` over a group that only moves pixels."""
    total = torch.zeros_like(weights)
    for g in group.elements():
        total += group.act_adjoint(torch.tensor([g]), weights[None])[0]
    return total / group.order


def turned_mean(weights: Tensor, group: PointGroup) -> Tensor:
    """Return the mean of weights of frequencies ``(batch, *space)``, zero frequency first, over turns and reflections.

    Turning an image turns its Fourier transform and multiplies it by phases, which weights do not feel.
    """
    total = torch.zeros_like(weights)
    for g in group.elements():
        total += turned(weights, group, g)
    return total / group.order


def turned(weights: Tensor, group: PointGroup, g: int) -> Tensor:
    """Return weights ``(batch, *space)`` of frequencies at the frequencies that one element turns them to."""
    matrix = group.matrix(torch.tensor([g]))[0]
    space = weights.shape[1:]
    grid = torch.meshgrid(*[torch.arange(n) for n in space], indexing="ij")
    part = matrix[-len(space) :, -len(space) :].round().long()
    places = [sum(int(part[i, j]) * grid[j] for j in range(len(space))) % n for i, n in enumerate(space)]
    found: Tensor = weights[(..., *places)]
    return found


def names(shape: Sequence[int]) -> Tensor:
    """Return a random number from 0 to 1 for every entry, float64: their weighted sum names what weighs them."""
    return Draws(0, 0, (0,)).of("names of operators").uniform(tuple(shape))[0]


def different(keys: Iterable[Tensor], *, near: float = 1e-9) -> int:
    """Return how many different operators a group makes of all samples' operators, each counted once.

    The elements that leave an operator as it is are as many for each of its orbit, so its orbit has order / so many
    members; two samples whose operators are transformed into each other share one orbit, and its largest key.

    Args:
        keys: for every sample the sum of :func:`names` over its operator as each element transforms it, ``(order,)``.
        near: relative difference of keys that is rounding alone.

    Example:
        >>> different([torch.tensor([0.3, 0.7, 0.3, 0.7]), torch.tensor([0.7, 0.3, 0.7, 0.3])])  # one orbit of two
        2
    """
    orbits: list[tuple[float, int]] = []  # the largest key of each, and how many operators are in it
    for one in keys:
        top, rounding = float(one.max()), near * float(one.abs().max())
        if all(abs(top - other) > rounding for other, _ in orbits):
            orbits.append((top, len(one) // int((one >= top - rounding).sum())))
    return sum(count for _, count in orbits)


def shifted_keys(masks: Tensor, group: Shifts) -> Iterable[Tensor]:
    """Return the keys of masks ``(samples, channels, *space)`` under shifts, one sample after the other."""
    axes = tuple(range(1, masks.ndim - 1))
    conjugate = torch.fft.fftn(names(masks.shape[1:]), dim=axes).conj()
    places = _places(group)
    for one in masks:
        yield (
            torch.fft.ifftn(torch.fft.fftn(one.double(), dim=axes) * conjugate, dim=axes).real.sum(0).flatten()[places]
        )


def turned_keys(weights: Tensor, group: PointGroup | None) -> Iterable[Tensor]:
    """Return the keys of weights of frequencies ``(samples, channels, *space)`` under turns (None: as they are)."""
    named = names(weights.shape[1:])
    each = named[None] if group is None else torch.stack([turned(named, group, g) for g in group.elements()])
    keys: Iterable[Tensor] = iter(weights.double().flatten(1) @ each.flatten(1).T)
    return keys


@dataclass(frozen=True)
class Stabiliser:
    """The shifts that map a set of masks to themselves.

    Attributes:
        order: how many there are.
        periods: along each axis the smallest such shift in samples; the length of the axis where there is none.
    """

    order: int
    periods: tuple[int, ...]


def stabiliser(masks: Tensor, group: Shifts) -> Stabiliser:
    """Return the shifts of a group that map masks ``(channels, *space)`` of zeros and ones to themselves.

    They are the displacements at which the cyclic autocorrelation is as large as the number of ones.
    """
    axes = tuple(range(1, masks.ndim))
    power = torch.fft.fftn(masks.double(), dim=axes).abs().square()
    same = torch.fft.ifftn(power, dim=axes).real.sum(0)
    fixed = (same > masks.sum() - 0.5).flatten()
    kept = group.displacement(torch.arange(group.order))[fixed[_places(group)]]
    periods = []
    for axis, size in enumerate(group.shape):
        others = [a for a in range(len(group.shape)) if a != axis]
        along = kept[(kept[:, others] == 0).all(1), axis]
        periods.append(int(along[along > 0].min()) if bool((along > 0).any()) else size)
    return Stabiliser(len(kept), tuple(periods))


def _places(group: Shifts) -> Tensor:
    """Return where in a flattened image each shift takes the first pixel."""
    displaced = group.displacement(torch.arange(group.order))
    flat = torch.zeros(group.order, dtype=torch.int64)
    for axis, size in enumerate(group.shape):
        flat = flat * size + displaced[:, axis]
    return flat
