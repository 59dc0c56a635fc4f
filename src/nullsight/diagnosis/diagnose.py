"""``nullsight.diagnose``: whether this operator and this group can teach anything."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.diagnosis.advice import advice, candidates, quickly_known
from nullsight.diagnosis.average import Average, Budget, in_double
from nullsight.diagnosis.build import average, bare, forms, spectrum
from nullsight.diagnosis.closed_forms import CLOSED
from nullsight.diagnosis.forecast import forecast
from nullsight.diagnosis.irreps import bounds
from nullsight.diagnosis.linearised import Linearised
from nullsight.diagnosis.motion import distinct, invisible, moved
from nullsight.diagnosis.result import Candidate, Diagnosis, Gain, Point
from nullsight.diagnosis.spectrum import Spectrum
from nullsight.diagnosis.threshold import threshold
from nullsight.diagnosis.verdict import FLOOR, Sight, Verdict, judge, overlapping
from nullsight.diagnosis.words import summary, why
from nullsight.draws import Draws
from nullsight.groups.base import Family, FiniteGroup, Trivial
from nullsight.noise.base import Noise
from nullsight.outcome import Say
from nullsight.physics.base import LinearPhysics, Physics, like
from nullsight.physics.ensembles import blobs
from nullsight.types import InputError

THRESHOLDS = (1e-1, 1e-2, 1e-3, 1e-4)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_SMALL = 256  # pixels up to which a matrix takes no time
_QUICK = Budget(dense_limit=_SMALL, elements=16, pictures=0, suggestions=0)
_LARGE = 2**16  # pixels from which on fewer steps and elements do: they cost the same again


@torch.no_grad()
def diagnose(
    physics: Physics,
    group: Family,
    *,
    noise: Noise | None = None,
    contrast: float = 1.0,
    dimension: int | None = None,
    at: Tensor | None = None,
    budget: Budget | None = None,
    say: Say | None = None,
) -> Diagnosis:
    """Say what an operator and a group of transformations can and cannot ever teach, before any training.

    The spectrum of ``N = mean over g of T_g^T A^T A T_g`` says which directions of image space come into view (Chen,
    Tachella, Davies, "Equivariant Imaging", ICCV 2021, Section 3). All conditions are necessary, none is sufficient.

    Args:
        physics: the operator; with one a sample the mean over them. A nonlinear one is taken by its Jacobian.
        group: what the images are invariant to.
        noise: of the measurements; raises the threshold from which on a direction counts as visible.
        contrast: root mean square of what images have in one direction, in their unit; only the noise is held to it.
        dimension: k of the set of images, for the sensing theorems' bounds; None: only what needs no k.
        at: the image to linearise a nonlinear operator at, ``image_shape``; None: smooth blobs.
        budget: what it may cost; None: seconds for 128 x 128 pixels.
        say: told how long it will take where that is more than 10 seconds.

    Raises:
        InputError: transformations that are not linear or do not act on the operator's images, or a contrast of 0.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.physics import Inpainting, periodic_mask
        >>> found = diagnose(Inpainting((1, 12), periodic_mask((12,), 3)), Shifts((12,)))
        >>> found.verdict.words, found.rank_visible, found.sight.distinct
        ('nothing gained', 12, 3)
    """
    if not contrast > 0:
        raise InputError(f"expected a contrast above 0, but {contrast} came: give the images' root mean square")
    if not group.linear:
        raise InputError(
            f"expected transformations that are linear, but those of {type(group).__name__} are not: diagnose the "
            f"spatial ones alone"
        )
    linear = linearised(physics, at)
    one = torch.zeros(1, *linear.image_shape)
    group.act(group.sample(Draws(0, 0, (0,)).of("does it fit")), one)  # refuses images of another shape
    pixels = math.prod(linear.image_shape)
    cost = _fitting(budget or Budget(), pixels)
    if pixels <= cost.dense_limit:
        linear = in_double(linear)
    plain, known = _counted(average(linear, Trivial(), cost), linear, Trivial()), _averaged(linear, group, cost)
    if say is not None:
        same = _same(linear, known)
        forecast([plain] if same else [plain, known], known if cost.pictures else None, cost, say)
    alone = _seen_alone(linear, plain, cost)
    after = alone.all if _same(linear, known) else spectrum(known, cost)
    level = threshold(linear, group, noise, contrast=contrast, largest=alone.one.largest)
    sight = _sight(linear, known, alone, after, level.value)
    verdict = judge(sight)
    own = bare(linear)
    pictures, residuals = invisible(known, cost.pictures, level.value) if cost.pictures else (_none(known), ())
    return Diagnosis(
        verdict=verdict,
        summary=summary(verdict, sight),
        physics=type(physics).__name__,
        group=repr(group),
        order=group.order if isinstance(group, FiniteGroup) else None,
        operators=linear.samples or 1,
        sight=sight,
        threshold=level,
        rank_alone=alone.all.rank,
        rank_visible=after.rank,
        curve=tuple(Point(t, alone.all.share(t), after.share(t)) for t in THRESHOLDS),
        moved=0.0 if sight.distinct == 1 else _moved(linear, group, level.value),
        gains=tuple(Gain(s, g) for s, g in zip(SHARES, after.gains(SHARES), strict=True)),
        bounds=bounds(group, linear.image_shape, dimension, operators=alone.own),
        why=why(verdict, sight, group, known),
        advice=advice(own, group, verdict, sight, known),
        candidates=_tried(own, group, cost, alone, level.value),
        how=known.how,
        residuals=residuals,
        invisible=pictures,
    )


@torch.no_grad()
def hopeless(physics: Physics, group: Family) -> str | None:
    """Return a sentence where a group can teach nothing about an operator, None where it can or nothing is known.

    By closed forms, by matrices of at most 256 pixels, or else by whether any of a few transformations changes
    ``A^T A``: much less work than :func:`diagnose`.
    """
    if not group.linear:
        return None
    small = math.prod(physics.image_shape) <= _SMALL
    linear = in_double(linearised(physics, None)) if small else linearised(physics, None)
    listed = (type(bare(linear)), type(group)) in CLOSED
    plain = average(linear, Trivial(), _QUICK)
    known = average(linear, group, _QUICK) if small or listed else replace(plain, distinct=None, notes=())
    known = _counted(known, linear, group)
    if small or (listed and plain.spectrum is not None and known.spectrum is not None):
        alone = _seen_alone(linear, _counted(plain, linear, Trivial()), _QUICK)
        after = alone.all if _same(linear, known) else spectrum(known, _QUICK)
        sight = _sight(linear, known, alone, after, FLOOR)
        if judge(sight) is not Verdict.NOTHING:
            return None
        return " ".join([summary(Verdict.NOTHING, sight), *why(Verdict.NOTHING, sight, group, known)])
    if known.distinct != 1 or _entries(linear) >= math.prod(linear.image_shape):
        return None
    reason = known.notes[0] if known.notes else "no transformation that was tried changes what A sees"
    return f"The group teaches nothing about what A does not see: {reason}."


def linearised(physics: Physics, at: Tensor | None) -> LinearPhysics:
    """Return the operator itself if it is linear, else its Jacobian at an image (smooth blobs where none is given)."""
    if isinstance(physics, LinearPhysics):
        return physics
    drawn = blobs(physics.image_shape, Draws(0, 0, (0,)).of("image to linearise at")) if at is None else at
    return Linearised(physics, drawn.to(like(physics)))


def _fitting(budget: Budget, pixels: int) -> Budget:
    """Return the budget for so many pixels: fewer transformations, above 256 x 256 fewer steps and pictures."""
    if pixels <= _SMALL:
        return budget
    few = replace(budget, elements=max(4, min(budget.elements, 2**18 // pixels)))
    if pixels <= _LARGE:
        return few
    return replace(few, steps=max(16, few.steps * _LARGE // pixels), pictures=min(few.pictures, 2))


def _moved(physics: LinearPhysics, group: Family, level: float) -> float:
    large = math.prod(physics.image_shape) > _LARGE
    return moved(physics, group, threshold=level, probes=2 if large else 4)


@dataclass(frozen=True)
class _Alone:
    """What is seen without the group.

    Attributes:
        one: by the first operator.
        all: by all operators.
        own: how many different ones there are.
        size: mean number of measurements of an operator, relative to the first one's.
    """

    one: Spectrum
    all: Spectrum
    own: int = 1
    size: float = 1.0


def _seen_alone(physics: LinearPhysics, plain: Average, budget: Budget) -> _Alone:
    every = spectrum(plain, budget)
    if physics.samples is None:
        return _Alone(every, every)
    assert plain.distinct is not None
    first = physics.take([0])
    one = spectrum(average(first, Trivial(), budget), budget)
    return _Alone(one, every, plain.distinct, _entries(physics) / max(_entries(first), 1))


def _averaged(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    return _counted(average(physics, group, budget), physics, group)


def _same(physics: LinearPhysics, known: Average) -> bool:
    """Return whether N is ``A^T A``, as nothing moves: the same probes need not run again."""
    return known.distinct == 1 and physics.samples is None


def _counted(known: Average, physics: LinearPhysics, group: Family) -> Average:
    if known.distinct is not None:
        return known
    if isinstance(group, Trivial) and physics.samples is None:
        return replace(known, distinct=1)
    count, note = distinct(physics, group)
    return replace(known, distinct=count, how=f"{known.how}; {note}" if note else known.how)


def _sight(physics: LinearPhysics, known: Average, alone: _Alone, after: Spectrum, level: float) -> Sight:
    assert known.distinct is not None
    single, visible = alone.one.share(level), after.share(level)
    ranks = (alone.one.rank, after.rank)  # they say whether ranges are independent, whatever the threshold
    if ranks[0] is None or ranks[1] is None:
        overlap = overlapping(known.distinct, alone.size * single, visible)
    else:
        overlap = overlapping(known.distinct, alone.size * ranks[0], ranks[1])
    return Sight(
        single=single,
        alone=alone.all.share(level),
        visible=visible,
        overlap=overlap,
        pixels=math.prod(physics.image_shape),
        measured=round(_entries(physics)),
        own=alone.own,
        distinct=known.distinct,
        error=max(alone.one.error, alone.all.error, after.error),
    )


def _none(known: Average) -> Tensor:
    return torch.zeros(0, *known.image_shape)


def _entries(physics: LinearPhysics) -> float:
    """Return how many entries one measurement has, the mean over samples."""
    measured = physics.measured
    if measured is None:
        return math.prod(physics.measurement_shape)
    return float(measured.double().flatten(1).sum(1).mean())


def _tried(physics: LinearPhysics, group: Family, budget: Budget, alone: _Alone, level: float) -> tuple[Candidate, ...]:
    """Return other groups with what they would make visible, the best first; those that are known quickly."""
    rough = replace(budget, steps=max(2, budget.steps // 2), deviation=2 * budget.deviation)
    found = []
    for other in candidates(physics, group, budget.suggestions):
        if quickly_known(physics, other, forms(budget)):
            known = _averaged(physics, other, rough)
            after = alone.all if _same(physics, known) else spectrum(known, rough)
            sight = _sight(physics, known, alone, after, max(level, other.action_error**2))
            found.append(Candidate(repr(other), sight.visible, judge(sight)))
    return tuple(sorted(found, key=lambda one: (one.verdict.code, -one.visible)))
