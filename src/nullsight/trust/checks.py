"""All that is found out about reconstructions of some measurements without their truth."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from nullsight.diagnosis.average import Budget
from nullsight.evaluation.base import Reconstruct
from nullsight.groups.base import Family
from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.physics.splits import Split
from nullsight.trust.equivariance import Cycles, cycles
from nullsight.trust.held_out import HeldOut, held_out_error
from nullsight.trust.residuals import Residuals, residual_tests
from nullsight.trust.split import Parts, three_parts
from nullsight.types import Image, InputError, Measurement


@dataclass(frozen=True)
class Checks:
    """What is quickly known of reconstructions without ground truth.

    Attributes:
        x: the reconstructions, ``(batch, *image_shape)``.
        residuals: whether ``A x - y`` looks like the noise.
        held_out: how well left-out measurements are predicted; None: the operator cannot leave out any.
        cycles: what becomes of the images when they are measured again.
        notes: sentences on what could not be found out.
    """

    x: Image
    residuals: Residuals
    held_out: HeldOut | None
    cycles: Cycles
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the findings as lines of text, each with what its number should be."""
        left_out = [] if self.held_out is None else self.held_out.lines()
        return [*self.residuals.lines(), *left_out, *self.cycles.lines(), *self.notes]


@dataclass(frozen=True)
class Trust:
    """What is known of reconstructions without ground truth.

    Attributes:
        checks: of residuals, left-out measurements and repeated measurement.
        parts: what of the images was measured, made visible by the group, or neither.
        group: the transformations that the images are taken to be invariant to, in words.
    """

    checks: Checks
    parts: Parts
    group: str

    @property
    def shares(self) -> tuple[float, float, float]:
        """Measured, learnable and unlearnable energy, means over images of shares that add up to 1."""
        measured, learnable, unlearnable = self.parts.shares.mean(0).tolist()
        return measured, learnable, unlearnable

    @property
    def summary(self) -> str:
        """What is known in a sentence."""
        residuals = self.checks.residuals
        fits = "as near to the measurements as their noise allows"
        if residuals.discrepancy is None:
            fits = f"{100 * residuals.relative:.2g} % off the measurements"
            fits += "" if residuals.explained else ", which is not explained, as they are taken to be without noise"
        elif not residuals.explained:
            fits = "further from the measurements than their noise explains"
        rest = f"{100 * self.shares[2]:.2f} % of the images' energy rests on no measurement, not even through the group"
        return f"What A sees of the images is {fits}; {rest}."

    @property
    def code(self) -> int:
        """The exit code: 1 where residuals are more than the noise explains (without it, above 1 %), else 0."""
        return 0 if self.checks.residuals.explained else 1

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, without the images."""
        parts, residuals, held_out = self.parts, self.checks.residuals, self.checks.held_out
        return {
            "images": len(self.checks.x),
            "group": self.group,
            "summary": self.summary,
            "shares": dict(zip(("measured", "learnable", "unlearnable"), self.shares, strict=True)),
            "shares_of_each": parts.shares.tolist(),
            "threshold": asdict(parts.threshold),
            "width": parts.width,
            "how": parts.how,
            "residuals": {**asdict(residuals), "explained": residuals.explained, "white": residuals.white},
            "held_out": None if held_out is None else asdict(held_out),
            "cycles": asdict(self.checks.cycles),
            "notes": list(self.checks.notes),
            "code": self.code,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the findings as lines of text, each with what its number should be."""
        measured, learnable, unlearnable = (f"{100 * share:.2f} %" for share in self.shares)
        level, width = self.parts.threshold, self.parts.width
        sharp = f", +- {width:.0e}" if width else ""
        return [
            self.summary,
            f"energy of {len(self.checks.x)} reconstructions: measured {measured}, learnable {learnable}, unlearnable "
            f"{unlearnable}",
            f"  measured: what A sees; learnable: what it sees of images transformed by {self.group}; unlearnable: "
            f"below {level.value:.1e} of the most visible direction even then ({level.reason}{sharp}); N: "
            f"{self.parts.how}",
            *self.checks.lines(),
        ]


@torch.no_grad()
def check(
    reconstruct: Reconstruct,
    y: Measurement,
    physics: Physics,
    noise: Noise,
    group: Family | None = None,
    *,
    hide: Split | None = None,
    transforms: int = 2,
    seed: int = 0,
) -> Checks:
    """Find out what is quickly known of reconstructions without truth; the arguments are those of :func:`examine`.

    Args:
        reconstruct: f, of measurements and their operator.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: one operator for all or one a sample.
        noise: that the measurements carry.
        group: what the images are invariant to; None: nothing is known of that.
        hide: which measurements are shown where some are left out; None: nine tenths of the views or entries.
        transforms: of each image that is measured again.
        seed: of transformations, noise and left-out measurements.
    """
    x = reconstruct(y, physics).to(y)
    notes: tuple[str, ...] = ()
    try:
        held_out = held_out_error(reconstruct, y, physics, noise, hide=hide, seed=seed)
    except InputError as reason:
        held_out, notes = None, (f"no measurements were left out: {reason}",)
    again = cycles(reconstruct, x, physics, noise, group, transforms=transforms, seed=seed)
    return Checks(x, residual_tests(x, y, physics, noise), held_out, again, notes)


@torch.no_grad()
def examine(
    reconstruct: Reconstruct,
    y: Measurement,
    physics: Physics,
    noise: Noise,
    group: Family | None = None,
    *,
    hide: Split | None = None,
    transforms: int = 2,
    seed: int = 0,
    budget: Budget | None = None,
) -> Trust:
    """Find out what can be known of reconstructions without ground truth.

    Args:
        reconstruct: f, of measurements and their operator.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: one operator for all or one a sample.
        noise: that the measurements carry.
        group: what the images are invariant to; None: nothing is known of that. Transformations that are not linear
            make nothing visible that could be told apart.
        hide: which measurements are shown where some are left out; None: nine tenths of the views or entries.
        transforms: of each image that is measured again.
        seed: of transformations, noise and left-out measurements.
        budget: of the split into parts.

    Raises:
        InputError: measurements that do not belong to the operator.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> from nullsight.noise import Noiseless
        >>> from nullsight.physics import Inpainting
        >>> physics = Inpainting((1, 4, 4), torch.eye(4))
        >>> y = physics.A(torch.ones(1, 1, 4, 4))
        >>> found = examine(lambda y, A: torch.ones_like(y), y, physics, Noiseless(), QuarterTurns())
        >>> [round(share, 3) for share in found.shares], found.checks.cycles.fixed_point
        ([0.25, 0.25, 0.5], 0.0)
    """
    checks = check(reconstruct, y, physics, noise, group, hide=hide, transforms=transforms, seed=seed)
    linear = group if group is not None and group.linear else None
    parts = three_parts(checks.x, physics, linear, noise=noise, budget=budget)
    return Trust(checks, parts, "nothing but the identity" if linear is None else repr(linear))
