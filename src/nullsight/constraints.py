"""What images may be: convex sets with their projections."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nullsight.types import Image


class Constraint(ABC):
    """A closed convex set of images."""

    @abstractmethod
    def project(self, x: Image) -> Image:
        """Return the nearest image of the set, ``(batch, *image_shape)``."""


@dataclass(frozen=True)
class AnyValue(Constraint):
    """All images."""

    def project(self, x: Image) -> Image:
        """Return ``x``."""
        return x


@dataclass(frozen=True)
class NonNegative(Constraint):
    """Images without negative values, as attenuation, counts and brightness are.

    Example:
        >>> import torch
        >>> NonNegative().project(torch.tensor([[-1.0, 2.0]]))
        tensor([[0., 2.]])
    """

    def project(self, x: Image) -> Image:
        """Return ``max(x, 0)``."""
        return x.clamp_min(0)


TABLE: dict[str, type[Constraint]] = {"any_value": AnyValue, "non_negative": NonNegative}
