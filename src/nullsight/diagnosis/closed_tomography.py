"""Parallel-beam tomography: a turned image has the same views at other angles, a shifted one shifted views."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, alone
from nullsight.diagnosis.diagonals import different, names
from nullsight.groups.base import Family, FiniteGroup, PointGroup
from nullsight.physics.base import LinearPhysics, like
from nullsight.physics.tomography import ParallelBeamCT, equispaced

_UNIT = 1e-6  # degrees: views closer to each other than that are one
_LARGEST = 2**21  # views times pixels (128 views of 128 x 128): more equispaced ones are measured on a smaller grid
_MOST = 2**24  # of views at other angles, which have no smaller likeness: 0.4 GB of weights


def views_alone(physics: LinearPhysics, group: Family) -> Average | None:
    """Return ``A^T A``; of many subsets of the views at once, each measurement as often as it is made."""
    assert isinstance(physics, ParallelBeamCT)
    return replace(_own(physics), distinct=different(_keys(physics, None))) if _channels_alike(physics) else None


def views_and_shifts(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of tomography and shifts, taken to be ``A^T A``.

    A shift of the image shifts each view along its detector. That is exact as long as nothing crosses the border;
    what a cyclic shift adds beyond it, by lines that are cut where they go around, is no knowledge of the image. It
    does not hold where a shift brings in what the detector left out: bins wider than a pixel, missing bins of a view,
    or a detector that does not span the image.
    """
    note = "a shift of the image only shifts each view along its detector: no view at a new angle comes in"
    assert isinstance(physics, ParallelBeamCT)
    if not (_channels_alike(physics) and _spanned(physics)):
        return None
    found = _own(physics)
    how = f"{found.how}, as nothing crosses the border"
    return replace(found, distinct=different(_keys(physics, None)), how=how, notes=(note,))


def views_and_turns(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of tomography and turns or reflections: the operator with all views that they make of its own.

    V equispaced views over 180 degrees and turns by multiples of d degrees are V times as many views as there are
    different ``k d mod 180 / V``: V even and quarter turns give nothing, V odd twice as many views.
    """
    assert isinstance(physics, ParallelBeamCT) and isinstance(group, PointGroup)
    if not _channels_alike(physics):
        return None
    before, after = _views(physics, None), _views(physics, group)
    distinct = different(_keys(physics, group))
    many = len(after.angles)
    if many == len(before.angles) and torch.allclose(before.weights, after.weights):
        note = f"every transformation maps the {many} views onto themselves: no view at a new angle comes in"
        return replace(_own(physics), distinct=distinct, notes=(note,))
    note = f"the transformations make {many} views at different angles of {len(before.angles)}"
    pixels = math.prod(physics.image_shape[1:])
    if many * pixels <= (_LARGEST if after.even else _MOST):
        return _with_views(physics, after, distinct, (note,))
    if not after.even:
        return None
    smaller, said = _smaller(physics, many)
    kind, scale = like(physics), physics.image_shape[-1] / smaller.image_shape[-1]
    found = alone(smaller.to(kind.device, kind.dtype))
    return replace(found, distinct=distinct, how=said, notes=(note,), scale=scale)


def _channels_alike(physics: ParallelBeamCT) -> bool:
    return bool((physics.keep == physics.keep[:, :1]).all())


def _spanned(physics: ParallelBeamCT) -> bool:
    """Return whether every view there is measures the whole image in bins no wider than a pixel."""
    views = physics.keep[:, 0]
    whole = bool((views.all(-1) == views.any(-1)).all())
    reach = physics.detectors * physics.spacing / 2 - abs(physics.offset)
    return whole and physics.spacing <= 1 and reach >= max(physics.image_shape[1:]) / 2


def _own(physics: ParallelBeamCT) -> Average:
    return alone(physics) if physics.samples is None else _with_views(physics, _views(physics, None), 1, ())


def view_count(physics: ParallelBeamCT, group: FiniteGroup | None = None) -> int:
    """Return how many views at different angles there are, alone or with those that a group makes of them."""
    return len(_views(physics, group if isinstance(group, PointGroup) else None).angles)


@dataclass(frozen=True)
class _Views:
    angles: tuple[float, ...]  # degrees
    weights: Tensor  # (views, detectors): how often each measurement is made
    even: bool  # whether the angles are equispaced over half a turn


def _views(physics: ParallelBeamCT, group: PointGroup | None) -> _Views:
    """Return the angles of ``A T_g`` for all g: a ray along d becomes one along ``H^T d``, H the matrix of g."""
    keep = physics.keep[:, 0].double().mean(0).cpu()
    present = keep.amax(1) > 0
    unique, place, flipped = _places(physics, group, present)
    measured = keep[present].expand(len(place), -1, -1)
    measured = torch.where(flipped[..., None], measured.flip(-1), measured).reshape(-1, keep.shape[1])
    weights = torch.zeros(len(unique), keep.shape[1], dtype=torch.float64)
    weights.index_add_(0, place.flatten(), measured / len(place))
    gaps = torch.diff(unique, append=unique[:1] + round(_whole(physics) / _UNIT))
    even = bool(gaps.max() - gaps.min() <= 4) and bool((weights - weights.mean()).abs().max() < 1e-9)
    return _Views(tuple((unique.double() * _UNIT).tolist()), weights, even)


def _turned(angles: Tensor, matrix: Tensor) -> Tensor:
    """Return the angles in degrees, 0 .. 360, ``(elements, views)``, at which transformed images are seen."""
    radians = torch.deg2rad(angles)
    direction = torch.stack([-torch.sin(radians), torch.cos(radians)])  # rows down, columns right
    rows, columns = (matrix.mT @ direction).unbind(1)
    return torch.rad2deg(torch.atan2(-rows, columns)).remainder(360)


def _places(physics: ParallelBeamCT, group: PointGroup | None, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return all angles in units, and for every element and view which of them it is at, and whether from behind."""
    matrix = torch.eye(2, dtype=torch.float64)[None] if group is None else group.matrix(torch.arange(group.order))
    turned = _turned(torch.tensor(physics.angles, dtype=torch.float64)[present], matrix)
    whole = _whole(physics)
    flipped = (turned / whole).floor().remainder(2).bool() & (physics.offset == 0)
    unique, place = torch.unique(_ticks(turned, whole), return_inverse=True)
    return unique, place, flipped


def _keys(physics: ParallelBeamCT, group: PointGroup | None) -> Iterable[Tensor]:
    """Return for every sample the keys of its measurements as each element turns them."""
    keep = physics.keep[:, 0].double().cpu()
    present = (keep.amax(-1) > 0).any(0)
    unique, place, flipped = _places(physics, group, present)
    named = names((len(unique), keep.shape[-1]))
    rows, columns = keep[:, present].flatten(1), []
    for at, back in zip(place, flipped, strict=True):
        columns.append(rows @ torch.where(back[:, None], named[at].flip(-1), named[at]).flatten())
    keys: Iterable[Tensor] = iter(torch.stack(columns, 1))
    return keys


def _whole(physics: ParallelBeamCT) -> float:
    """Return the angle after which views repeat, degrees: one from behind is the same only if it is centred."""
    return 180.0 if physics.offset == 0 else 360.0


def _ticks(degrees: Tensor, whole: float) -> Tensor:
    """Return angles in whole units, those of one view alike."""
    return (degrees.remainder(whole) / _UNIT).round().long().remainder(round(whole / _UNIT))


def _with_views(physics: ParallelBeamCT, views: _Views, distinct: int, notes: tuple[str, ...]) -> Average:
    kind = like(physics)
    weights = views.weights.to(kind)

    @cache
    def union() -> ParallelBeamCT:  # made when it is first used: often the number of views says enough
        return ParallelBeamCT(
            physics.image_shape, views.angles, detectors=physics.detectors, spacing=physics.spacing,
            offset=physics.offset, pixel_size=physics.pixel_size, memory_limit=physics.memory_limit,
        ).to(kind.device, kind.dtype)  # fmt: skip

    def apply(x: Tensor) -> Tensor:
        return union().A_adjoint(weights * union().A(x))

    how = f"tomography with all {len(views.angles)} views that there are, none interpolated"
    return Average(physics.image_shape, apply, kind, how, distinct=distinct, notes=notes)


def _smaller(physics: ParallelBeamCT, views: int) -> tuple[ParallelBeamCT, str]:
    """Return an operator with as many equispaced views a pixel across, on a grid that fits, and words for it.

    V views see the spatial frequency w (cycles a pixel) with ``lambda ~ V / w``, whatever the grid is, but the lowest
    frequency is 1 / n: relative to the largest, eigenvalues are as many times smaller as there are pixels across.
    """
    channels, height, width = physics.image_shape
    ratio = (_LARGEST / (views * height * width)) ** (1 / 3)
    few = max(1, math.floor(views * ratio))
    high, wide = (max(2, round(n * few / views)) for n in (height, width))
    detectors = max(1, round(physics.detectors * few / views))
    small = ParallelBeamCT(
        (channels, high, wide), equispaced(few, _whole(physics)), detectors=detectors, spacing=physics.spacing,
        offset=physics.offset * few / views,
    )  # fmt: skip
    said = f"on a smaller grid, {high} x {wide} pixels and {few} views in place of {height} x {width} and {views}"
    return small, said
