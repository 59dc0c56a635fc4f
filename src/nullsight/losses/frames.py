"""Turning the operator instead of the image: virtual problems without interpolation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.composed import behind
from nullsight.physics.several import several
from nullsight.types import Image, InputError


@dataclass(frozen=True)
class OperatorFrames:
    """Some operators ``A T_k``: a bank image v is measured by one of them and reconstructed, known to be v.

    For an f with ``f(y, A T_g) = T_g^-1 f(y, A)`` that is the problem of the turned image ``T_g v`` seen by A, but no
    image is interpolated: v keeps what real images have from pixel to pixel, where a turned one is smoother (or rings).
    Operators that know themselves turned make it exact, as :class:`~nullsight.physics.ParallelBeamCT` does by the
    angles of its views; others turn by interpolation before they measure. The frame of a turned operator is that of
    Sechaud et al., "Equivariant splitting", arXiv 2510.00929.

    Args:
        group: what T_k are drawn from.
        images: exact transformations (quarter turns, reflections) of v before it is measured, which give more images
            at no price; None: v as it is.
        count: how many operators there are, >= 1, all of which stay in memory (for ``ParallelBeamCT`` within its
            ``memory_limit``; beyond it they compute their weights at every use, which is slow).
        begin: the share of the planned steps from which on new problems have turned operators, 0 .. 1; before it
            images are turned. A bank that begins with a variational solution wants that: its images, where they are
            not interpolated, are too easy for the solver that made them.

    Raises:
        InputError: no operator, or a moment outside [0, 1].

    Example:
        >>> from nullsight.groups import Dihedral, Rotations
        >>> from nullsight.physics import ParallelBeamCT
        >>> frames = OperatorFrames(Rotations(3600), Dihedral(4), count=2)
        >>> len(frames.operators(ParallelBeamCT((1, 8, 8), 4)))
        3
    """

    group: Family
    images: Family | None = None
    count: int = 12
    begin: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.begin <= 1:
            raise InputError(
                f"expected at least 1 operator and a moment in [0, 1], but {self.count} and {self.begin} came"
            )

    def operators(self, physics: Physics) -> list[LinearPhysics]:
        """Return the operator itself and then the turned ones, always the same; InputError where it is not linear."""
        return [self.operator(physics, number) for number in range(self.count + 1)]

    def operator(self, physics: Physics, number: int) -> LinearPhysics:
        """Return one of :meth:`operators` without making the others."""
        if not isinstance(physics, LinearPhysics):
            raise InputError(
                f"expected a linear operator, which can be turned, but {type(physics).__name__} is not: leave the "
                f"frames out"
            )
        if number == 0:
            return physics
        return behind(physics, self.group, self.group.sample(Draws(0, 0, (number - 1,)).of("operator frames")))

    def of(self, physics: Physics, which: Tensor) -> Physics:
        """Return the operator of a batch whose row i has number ``which[i]``; 0 is the operator itself."""
        if not bool(which.any()):
            return physics
        if physics.samples is None:
            used, numbers = torch.unique(which, return_inverse=True)
            return several([self.operator(physics, int(number)) for number in used], numbers)
        own = [self.operator(physics.take([row]), number) for row, number in enumerate(which.tolist())]
        return several(own, torch.arange(len(own)))

    def draw(self, v: Image, draws: Draws) -> tuple[Image, Tensor]:
        """Return images and operators' numbers of new problems, one a row.

        Copies of one sample share their operator where ``images`` makes them differ: they are then measured and solved
        in one batch, and products with a matrix cost several times less there than one by one.
        """
        drawn = draws if self.images is None else draws.first()
        which = 1 + drawn.of("operator frame").integers(self.count)
        if self.images is None:
            return v, which
        return self.images.act(self.images.sample(draws.of("image in its frame")), v), which


FRAMES: dict[str, type[OperatorFrames]] = {"operator_frames": OperatorFrames}
