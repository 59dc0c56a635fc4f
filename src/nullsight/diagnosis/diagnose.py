"""``nullsight.diagnose``: whether this operator and this group can teach anything."""

import math
from dataclasses import replace

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
from nullsight.diagnosis.verdict import FLOOR, Sight, Verdict, judge
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
    before = spectrum(average(linear, Trivial(), cost), cost)
    known, after = _with_group(linear, group, cost, before, say)
    level = threshold(linear, group, noise, contrast=contrast, largest=after.largest)
    sight = _sight(linear, known, before, after, level.value)
    verdict = judge(sight)
    own = bare(linear)
    return Diagnosis(
        verdict=verdict,
        summary=summary(verdict, sight),
        physics=type(physics).__name__,
        group=repr(group),
        order=group.order if isinstance(group, FiniteGroup) else None,
        operators=linear.samples or 1,
        sight=sight,
        threshold=level,
        rank_alone=before.rank,
        rank_visible=after.rank,
        curve=tuple(Point(t, before.share(t), after.share(t)) for t in THRESHOLDS),
        moved=0.0 if sight.distinct == 1 else _moved(linear, group, level.value),
        gains=tuple(Gain(s, g) for s, g in zip(SHARES, after.gains(SHARES), strict=True)),
        bounds=bounds(group, linear.image_shape, dimension),
        why=why(verdict, sight, group, known),
        advice=advice(own, group, verdict, sight, known),
        candidates=_tried(own, group, cost, before, level.value),
        how=known.how,
        invisible=invisible(known, cost.pictures, level.value) if cost.pictures else torch.zeros(0, *known.image_shape),
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
    if known.distinct is None:
        known = _counted(known, linear, group)
    if small or (listed and plain.spectrum is not None and known.spectrum is not None):
        before = spectrum(plain, _QUICK)
        sight = _sight(linear, known, before, before if known.distinct == 1 else spectrum(known, _QUICK), FLOOR)
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


def _with_group(
    physics: LinearPhysics, group: Family, budget: Budget, before: Spectrum, say: Say | None = None
) -> tuple[Average, Spectrum]:
    known = average(physics, group, budget)
    if known.distinct is None:
        known = _counted(known, physics, group)
    # where nothing moves N is A^T A, and the same probes need not run again
    same = isinstance(group, Trivial) or known.distinct == (physics.samples or 1) == 1
    if say is not None and not same:
        forecast(known, budget, say)
    return known, before if same else spectrum(known, budget)


def _counted(known: Average, physics: LinearPhysics, group: Family) -> Average:
    count, note = distinct(physics, group)
    return replace(known, distinct=count, how=f"{known.how}; {note}" if note else known.how)


def _sight(physics: LinearPhysics, known: Average, before: Spectrum, after: Spectrum, level: float) -> Sight:
    pixels, entries = math.prod(physics.image_shape), _entries(physics)
    share = before.share(level)
    assert known.distinct is not None
    return Sight(
        alone=share,
        visible=after.share(level),
        single=share if physics.samples is None else min(share, entries / pixels),
        pixels=pixels,
        measured=entries,
        distinct=known.distinct,
        error=max(before.error, after.error),
    )


def _entries(physics: LinearPhysics) -> int:
    """Return how many entries one measurement has, the mean over samples."""
    measured = physics.measured
    if measured is None:
        return math.prod(physics.measurement_shape)
    return round(float(measured.double().flatten(1).sum(1).mean()))


def _tried(
    physics: LinearPhysics, group: Family, budget: Budget, before: Spectrum, level: float
) -> tuple[Candidate, ...]:
    """Return other groups with what they would make visible, the best first; those that are known quickly."""
    rough = replace(budget, steps=max(2, budget.steps // 2), deviation=2 * budget.deviation)
    found = []
    for other in candidates(physics, group, budget.suggestions):
        if quickly_known(physics, other, forms(budget)):
            known, after = _with_group(physics, other, rough, before)
            sight = _sight(physics, known, before, after, max(level, other.action_error**2))
            found.append(Candidate(repr(other), sight.visible, judge(sight)))
    return tuple(sorted(found, key=lambda one: (one.verdict.code, -one.visible)))
