"""Weightings W of measurements, which bring ``A^T W A`` near the identity so that iterations need fewer steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from nullsight.physics.base import Physics
from nullsight.physics.least_squares import Weighs
from nullsight.types import InputError, Map


class Weighting(ABC):
    """Which W an iteration uses."""

    @abstractmethod
    def of(self, physics: Physics) -> Map:
        """Return ``y -> W y`` for this operator, symmetric and positive semi-definite."""


@dataclass(frozen=True)
class Unweighed(Weighting):
    """``W = I``."""

    def of(self, physics: Physics) -> Map:
        """Return the identity."""
        return _same


@dataclass(frozen=True)
class Weighed(Weighting):
    """The operator's own ``weigh``: the ramp filter in tomography."""

    def of(self, physics: Physics) -> Map:
        """Return ``physics.weigh``; InputError where it has none."""
        if not isinstance(physics, Weighs):
            raise InputError(
                f"expected an operator that can weigh its measurements, but {type(physics).__name__} cannot: take "
                f"Unweighed"
            )
        return physics.weigh


@dataclass(frozen=True)
class WhereKnown(Weighting):
    """The operator's own ``weigh`` where it has one, else ``W = I``."""

    def of(self, physics: Physics) -> Map:
        """Return the weighting."""
        return physics.weigh if isinstance(physics, Weighs) else _same


TABLE: dict[str, type[Weighting]] = {"unweighed": Unweighed, "weighed": Weighed, "where_known": WhereKnown}


def _same(y: Tensor) -> Tensor:
    return y
