"""How virtual problems are made from images: turned, measured, by the sample's operator or by a turned one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.constraints import Constraint
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses.base import Evidence
from nullsight.losses.frames import OperatorFrames
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.types import Image, Measurement


@dataclass(frozen=True)
class Made:
    """A virtual problem for each row: the image that is known, its measurement and the operator that made it.

    Attributes:
        x2: ``(batch, *image_shape)``.
        y2: ``(batch, *measurement_shape)``.
        physics: the operator.
        which: its number for each row, int64 ``(batch,)``; 0 is the sample's own.
        start: what f begins with, ``(batch, *image_shape)``, where that is kept; else None.
    """

    x2: Image
    y2: Measurement
    physics: Physics
    which: Tensor
    start: Image | None = None


@dataclass(frozen=True)
class Maker:
    """Makes virtual problems.

    Args:
        group: turns images.
        constraint: projected upon after turning.
        noise: of virtual measurements.
        frames: turned operators, which from their moment on take the place of turned images.
    """

    group: Family
    constraint: Constraint
    noise: Noise
    frames: OperatorFrames | None

    def make(self, v: Image, evidence: Evidence) -> Made:
        """Return one problem for each image, by the evidence's draws, operators and progress."""
        if self.frames is None or evidence.progress < self.frames.begin:
            x2, which = self.turn(v, evidence.draws), torch.zeros(len(v), dtype=torch.int64)
        else:
            drawn, which = self.frames.draw(v, evidence.draws)
            x2 = self.constraint.project(drawn)
        physics = self.framed(evidence.physics, which)
        return Made(x2, self.measure(x2, physics, evidence.draws), physics, which)

    def turn(self, v: Image, draws: Draws) -> Image:
        """Return turned images."""
        g = self.group.sample(draws.of(f"transform {type(self.group).__name__}"))
        return self.constraint.project(self.group.act(g, v))

    def framed(self, physics: Physics, which: Tensor) -> Physics:
        """Return the operator whose row i has number ``which[i]``."""
        return physics if self.frames is None else self.frames.of(physics, which)

    def measure(self, x2: Image, physics: Physics, draws: Draws) -> Measurement:
        """Return noisy measurements."""
        return self.noise.observe(physics.A(x2), physics.measured, draws.of("virtual noise"))
