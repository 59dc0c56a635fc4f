"""What lies outside an image, for transformations that read there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


class Boundary(ABC):
    """How an image goes on beyond its border."""

    @property
    @abstractmethod
    def outside(self) -> str:
        """The name that PyTorch's ``grid_sample`` has for it."""


@dataclass(frozen=True)
class Zeros(Boundary):
    """Zero outside the image: for objects within it. Whatever is read across the border gets a step."""

    outside: ClassVar[str] = "zeros"


@dataclass(frozen=True)
class Reflected(Boundary):
    """The image continued by reflection at its edges (half a pixel beyond the outermost centres): for photographs."""

    outside: ClassVar[str] = "reflection"


TABLE: dict[str, type[Boundary]] = {"zeros": Zeros, "reflected": Reflected}
