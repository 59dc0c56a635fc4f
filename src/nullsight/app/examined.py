"""What is known of a run without truth: its images' parts and checks, their errors, and whether its symmetry holds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from nullsight.app.opened import Opened, together
from nullsight.draws import Draws
from nullsight.groups.base import FiniteGroup, Group, PointGroup, Trivial
from nullsight.metrics import reference_peak
from nullsight.trust import (
    AngleRange,
    Calibration,
    Invariance,
    Trust,
    Uncertainty,
    examine,
    invariance,
    measured_only,
    predict_errors,
    range_of_angles,
)
from nullsight.types import InputError

COPIES = 50  # of each image in the bootstrap: they tell spreads to a tenth
TESTED = 24  # images that the test of invariance looks at
_TRANSFORMS = 3  # of each of them: 15 reconstructions of each, in all


@dataclass(frozen=True)
class Examined:
    """What is known of a run without ground truth.

    Attributes:
        trust: parts of the images, residuals, left-out measurements, cycles.
        errors: predicted errors and intervals; None: not asked, or the transformations cannot be undone.
        symmetry: tests of whether the images are invariant under what was learned from.
        angles: how far images are turned, where they are not invariant under turns.
        notes: sentences on what could not be found out.
    """

    trust: Trust
    errors: Uncertainty | None = None
    symmetry: tuple[Invariance, ...] = ()
    angles: AngleRange | None = None
    notes: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        """The command's exit code: 1 where the residuals are more than the noise explains, else 0."""
        return self.trust.code

    def lines(self) -> list[str]:
        """Return the findings as lines of text; what speaks against the symmetry begins with "warning"."""
        lines = self.trust.lines()
        for one in self.symmetry:
            lines.append(f"warning: {one.words}" if one.rejected else one.words)
        lines += [] if self.angles is None else [f"  {self.angles}"]
        lines += [] if self.errors is None else str(self.errors).splitlines()
        return [*lines, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, without the images; what is not known is None."""
        found = self.trust.to_json()
        found["symmetry"] = [{**asdict(one), "rejected": one.rejected} for one in self.symmetry]
        found["angles"] = None if self.angles is None else asdict(self.angles)
        found["errors"] = None if self.errors is None else _plain(self.errors)
        found["notes"] += self.notes
        return found


def examined(
    opened: Opened, *, images: int, copies: int = COPIES, tested: int = TESTED, calibration: Calibration | None = None
) -> Examined:
    """Find out what is known of a run's reconstructions without truth.

    Args:
        opened: the run with measurements.
        images: how many of them are reconstructed and examined, from the first.
        copies: of each in the bootstrap of errors; below 2: errors are not predicted.
        tested: how many images the test of invariance looks at; below 2: it is not made.
        calibration: of predicted errors, on a data set with truth; None: they are for the measured part only.
    """
    few = opened.few(images)
    group = together(opened.families)
    trust = examine(opened.reconstruct, few.y, few.physics, opened.noise, group, seed=opened.recipe.seed)
    notes: list[str] = []
    errors = _errors(opened, images, copies, calibration, notes) if copies >= 2 else None
    symmetry = _tests(opened, tested, notes) if min(tested, len(opened.data)) >= 2 else ()
    return Examined(trust, errors, symmetry, _angles(opened, symmetry, tested), tuple(notes))


def _errors(
    opened: Opened, images: int, copies: int, calibration: Calibration | None, notes: list[str]
) -> Uncertainty | None:
    groups = [one for one in opened.families if isinstance(one, Group) and one.linear]
    if not groups:
        notes.append("errors are not predicted: what was learned from are no transformations that can be undone")
        return None
    few, seed = opened.few(images), opened.recipe.seed
    found = predict_errors(opened.reconstruct, few, groups[0], opened.noise, copies=copies, seed=seed)
    peak = reference_peak(found.x1)
    return measured_only(found, peak) if calibration is None else calibration.apply(found, peak)


def _tests(opened: Opened, tested: int, notes: list[str]) -> tuple[Invariance, ...]:
    few = opened.few(tested)
    draws = Draws(opened.recipe.seed, 0, tuple(range(len(few))))
    found = []
    for group in {repr(one): one for one in opened.families}.values():
        if isinstance(group, Trivial):
            continue
        if isinstance(group, FiniteGroup):
            try:
                found.append(
                    invariance(
                        opened.reconstruct, few.y, few.physics, group, opened.noise, draws, transforms=_TRANSFORMS
                    )
                )
            except InputError as reason:  # images whose orientation cannot be told
                notes.append(f"whether images are invariant under {group!r} was not tested: {reason}")
        else:
            notes.append(f"whether images are invariant under {group!r} was not tested: it is no finite group")
    return tuple(found)


@torch.no_grad()
def _angles(opened: Opened, symmetry: Sequence[Invariance], tested: int) -> AngleRange | None:
    turned = any(isinstance(group, PointGroup) for group in opened.families)
    if not turned or not any(one.rejected for one in symmetry):
        return None
    few = opened.few(tested)
    try:
        return range_of_angles(opened.reconstruct(few.y, few.physics))
    except InputError:  # too few images, or none with a direction: the test has said what there is to say
        return None


def _plain(found: Uncertainty) -> dict[str, Any]:
    ends = [[None if abs(one) == float("inf") else one for one in pair] for pair in _pairs(found)]
    widths = found.half_width.double().square().flatten(1).mean(1).sqrt().tolist()
    return {
        "words": found.words,
        "whole": found.whole,
        "level": found.level,
        "psnr": [None if abs(one) == float("inf") else one for one in found.psnr.tolist()],
        "psnr_interval": ends,
        "half_width": widths,
    }


def _pairs(found: Uncertainty) -> list[list[float]]:
    pairs: list[list[float]] = torch.stack([found.psnr_low, found.psnr_high], 1).tolist()
    return pairs
