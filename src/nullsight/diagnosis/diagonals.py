"""Operators that weigh pixels, or frequencies, one by one, and what groups make of such weights."""

from dataclasses import dataclass

import torch
from torch import Tensor

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


def different(weights: Tensor) -> int:
    """Return how many of ``(samples, ...)`` weights are unlike each other."""
    return len(torch.unique(weights.flatten(1), dim=0)) if len(weights) > 1 else 1


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
    displaced = group.displacement(torch.arange(group.order))
    flat = torch.zeros(group.order, dtype=torch.int64)
    for axis, size in enumerate(group.shape):
        flat = flat * size + displaced[:, axis]
    kept = displaced[fixed[flat]]
    periods = []
    for axis, size in enumerate(group.shape):
        others = [a for a in range(len(group.shape)) if a != axis]
        along = kept[(kept[:, others] == 0).all(1), axis]
        periods.append(int(along[along > 0].min()) if bool((along > 0).any()) else size)
    return Stabiliser(len(kept), tuple(periods))
