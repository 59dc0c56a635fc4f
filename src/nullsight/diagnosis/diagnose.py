"""``nullsight.diagnose``: whether this operator and this group can teach anything."""

from dataclasses import replace

import torch
from torch import Tensor

from nullsight.diagnosis.advice import advice, candidates, quickly_known
from nullsight.diagnosis.average import Average, Budget, in_double
from nullsight.diagnosis.build import average, bare, spectrum
from nullsight.diagnosis.irreps import bounds
from nullsight.diagnosis.linearised import Linearised
from nullsight.diagnosis.motion import distinct, invisible, moved
from nullsight.diagnosis.result import Candidate, Diagnosis, Gain, Point
from nullsight.diagnosis.spectrum import Spectrum
from nullsight.diagnosis.threshold import threshold
from nullsight.diagnosis.verdict import FLOOR, Sight, judge
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
_LARGE = 2**16  # pixels from which on fewer steps and elements do: they cost the same again
_QUICK = Budget(dense_limit=256, steps=16, deviation=0.02, elements=4, pictures=0, suggestions=0)


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
    pixels = int(torch.Size(linear.image_shape).numel())
    cost = _fitting(budget or Budget(), pixels)
    if pixels <= cost.dense_limit:
        linear = in_double(linear)
    plain, known = average(linear, Trivial(), cost), average(linear, group, cost)
    before = spectrum(plain, cost)
    known, counted = _counted(known, linear, group)
    # where nothing moves N is A^T A, and the same probes need not run again
    after = before if known.distinct == 1 and known.image_shape == plain.image_shape else spectrum(known, cost)
    if isinstance(group, Trivial):
        after = before
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
        moved=0.0 if sight.distinct == 1 else moved(linear, group, threshold=max(level.value, FLOOR)),
        gains=tuple(Gain(s, g) for s, g in zip(SHARES, after.gains(SHARES), strict=True)),
        bounds=bounds(group, linear.image_shape, dimension),
        why=why(verdict, sight, group, known),
        advice=advice(own, group, verdict, sight, known),
        candidates=_tried(own, group, noise, contrast, cost),
        how="; ".join([known.how, *counted]),
        invisible=invisible(known, cost.pictures, level.value) if cost.pictures else torch.zeros(0, *known.image_shape),
    )


def quick(physics: Physics, group: Family, say: Say | None = None) -> Diagnosis:
    """Return a diagnosis in a closed form, or by a small fraction of the usual budget: enough for "nothing gained"."""
    found = diagnose(physics, group, budget=_QUICK)
    if say is not None and found.code == 4:
        say(found.summary)
    return found


def linearised(physics: Physics, at: Tensor | None) -> LinearPhysics:
    """Return the operator itself if it is linear, else its Jacobian at an image (smooth blobs where none is given)."""
    if isinstance(physics, LinearPhysics):
        return physics
    drawn = blobs(physics.image_shape, Draws(0, 0, (0,)).of("image to linearise at")) if at is None else at
    return Linearised(physics, drawn.to(like(physics)))


def _fitting(budget: Budget, pixels: int) -> Budget:
    """Return the budget for so many pixels: fewer transformations, and above 256 x 256 fewer steps."""
    few = max(4, min(budget.elements, 2**18 // pixels))
    return replace(budget, elements=few if pixels > 256 else budget.elements, steps=_steps(budget, pixels))


def _steps(budget: Budget, pixels: int) -> int:
    return budget.steps if pixels <= _LARGE else max(16, budget.steps * _LARGE // pixels)


def _counted(known: Average, physics: LinearPhysics, group: Family) -> tuple[Average, list[str]]:
    if known.distinct is not None:
        return known, []
    count, note = distinct(physics, group)
    return replace(known, distinct=count), [note] if note else []


def _sight(physics: LinearPhysics, known: Average, before: Spectrum, after: Spectrum, level: float) -> Sight:
    pixels = int(torch.Size(physics.image_shape).numel())
    measured = physics.measured
    entries = int(torch.Size(physics.measurement_shape).numel())
    if measured is not None:
        entries = round(float(measured.double().flatten(1).sum(1).mean()))
    alone_share = before.share(level)
    single = alone_share if physics.samples is None else min(alone_share, entries / pixels)
    assert known.distinct is not None
    return Sight(
        alone=alone_share,
        visible=max(after.share(level), 0.0),
        single=single,
        pixels=pixels,
        measured=entries,
        distinct=known.distinct,
        error=max(before.error, after.error),
    )


def _tried(
    physics: LinearPhysics, group: Family, noise: Noise | None, contrast: float, budget: Budget
) -> tuple[Candidate, ...]:
    """Return other groups with what they would make visible, the best first; those that are known quickly."""
    found = []
    for other in candidates(physics, group, budget.suggestions):
        if quickly_known(physics, other):
            given = diagnose(
                physics, other, noise=noise, contrast=contrast, budget=replace(budget, suggestions=0, pictures=0)
            )
            found.append(Candidate(repr(other), given.sight.visible, given.verdict))
    return tuple(sorted(found, key=lambda one: (one.verdict.code, -one.visible)))
