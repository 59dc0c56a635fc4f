"""``N = mean over g of T_g^T A^T A T_g`` as a map of images, and ``A^T A`` alone."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.diagnosis.spectrum import Spectrum
from nullsight.draws import Draws
from nullsight.groups.base import Family, FiniteGroup
from nullsight.physics.base import LinearPhysics, like
from nullsight.types import Element, InputError, Map

OPERATORS = 32  # of a set with one a sample, so many are averaged: more change a share by less than it is known to
_TOGETHER = 2**21  # numbers of the images that are transformed together


@dataclass(frozen=True)
class Average:
    """The mean of ``T_g^T A^T A T_g`` over operators and transformations.

    Attributes:
        image_shape: without batch.
        apply: the map, of batches ``(batch, *image_shape)`` in the precision of ``like``.
        like: an empty tensor of that precision, where the operator is.
        how: in words, how it is computed.
        spectrum: its eigenvalues, where a closed form or small blocks give them.
        distinct: how many different operators there are among the ``A T_g``; None: to be counted by trying.
        notes: sentences about this very pair: why something is gained or not.
        whole: whether it is the mean over all transformations; of a few of them alone, it sees less than N.
        scale: the largest eigenvalue of what it stands for, in units of its own: above 1 on a smaller grid.
    """

    image_shape: tuple[int, ...]
    apply: Map
    like: Tensor
    how: str
    spectrum: Spectrum | None = None
    distinct: int | None = None
    notes: tuple[str, ...] = ()
    whole: bool = True
    scale: float = 1.0


Closed = Callable[[LinearPhysics, Family], Average | None]


@dataclass(frozen=True)
class Budget:
    """How much a diagnosis may cost.

    Args:
        dense_limit: up to so many pixels (times channels) all eigenvalues are computed from the matrix.
        steps: of Lanczos; eigenvalues below ``1 / steps^2`` of the largest are not told from zero.
        deviation: standard error of a share that probes bring to an estimated spectrum.
        elements: transformations that are averaged over, where there is no closed form; a random few of larger groups.
        rows: numbers of all rows of an operator together (measurements times pixels) up to which they are all computed
            for the blocks of shifts; above, the blocks are estimated from measured noise.
        pictures: how many invisible directions are drawn.
        suggestions: how many other groups are tried.
        closed_forms: what is known of pairs of an operator's class and a group's; None: all that the package knows.

    Raises:
        InputError: a number below its least.
    """

    dense_limit: int = 1600
    steps: int = 100
    deviation: float = 0.003
    elements: int = 1024
    rows: int = 2**26
    pictures: int = 4
    suggestions: int = 6
    closed_forms: Mapping[tuple[type, type], Closed] | None = None

    def __post_init__(self) -> None:
        least = min(self.dense_limit, self.pictures, self.suggestions)
        if least < 0 or self.steps < 2 or self.elements < 1 or not self.deviation > 0:
            raise InputError(f"expected at least 2 steps, 1 element and a deviation above 0, but {self} came")


def alone(physics: LinearPhysics) -> Average:
    """Return ``A^T A``, the mean over operators where there is one a sample (over 32 of them where there are more)."""
    parts = operators(physics)

    def apply(x: Tensor) -> Tensor:
        seen = [part.A_adjoint(part.A(x)) for part in parts]
        return seen[0] if len(seen) == 1 else torch.stack(seen).mean(0)

    return Average(physics.image_shape, apply, like(physics), "A^T A as it is")


def operators(physics: LinearPhysics) -> list[LinearPhysics]:
    """Return the operators of all samples, each for any batch; evenly chosen ones where there are many."""
    count = physics.samples
    if count is None:
        return [physics]
    few = min(count, OPERATORS)
    return [physics.take([round(k * (count - 1) / max(few - 1, 1))]) for k in range(few)]


def over(inner: Average, family: Family, limit: int) -> Average:
    """Return the mean of ``T_g^T M T_g`` for a known M, over all elements or so many random ones."""
    chosen, whole = _elements(family, limit)

    def apply(x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        tiles = [1] * (x.ndim - 1)
        for few in torch.split(chosen, max(1, _TOGETHER // max(x.numel(), 1))):
            g = few.repeat_interleave(len(x), 0)
            back = family.act_adjoint(g, inner.apply(family.act(g, x.repeat(len(few), *tiles))))
            total += back.reshape(len(few), *x.shape).sum(0)
        return total / len(chosen)

    of = f"all {len(chosen)}" if whole else f"{len(chosen)} randomly drawn"
    how = f"{inner.how}, averaged over {of} transformations of {type(family).__name__}"
    return replace(inner, apply=apply, how=how, spectrum=None, distinct=None, whole=inner.whole and whole)


def _elements(family: Family, limit: int) -> tuple[Element, bool]:
    if isinstance(family, FiniteGroup) and family.order <= limit:
        return torch.tensor(list(family.elements()), dtype=torch.int64), True
    drawn = family.sample(Draws(0, 0, tuple(range(limit))).of("transformations of a diagnosis"))
    if isinstance(family, FiniteGroup):
        drawn[0] = 0  # the identity: what A sees alone is always among it
        return torch.unique(drawn), False
    return drawn, False


def in_double(physics: LinearPhysics) -> LinearPhysics:
    """Return a copy of the operator in double precision on the CPU."""
    return copy.deepcopy(physics).to("cpu", torch.float64)
