"""Reflections of signals and images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.groups.base import PointGroup, by_kind
from nullsight.types import Element, Image, InputError

_AXES = {"horizontal": -1, "vertical": -2}


class Reflections(PointGroup):
    """Mirror images: left and right change places (horizontal), top and bottom (vertical), or both. Exact.

    Bit ``i`` of the element says whether ``axes[i]`` is mirrored.

    Args:
        axes: ``"horizontal"``, ``"vertical"`` or both; 1-D signals have the horizontal one alone.

    Raises:
        InputError: another axis, the same one twice, or none.

    Example:
        >>> group = Reflections(("horizontal",))
        >>> group.act(torch.tensor([1]), torch.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[2., 1.]]]])
    """

    def __init__(self, axes: Sequence[str] = ("horizontal", "vertical")) -> None:
        self.axes = tuple(axes)
        if not self.axes or len(set(self.axes)) != len(self.axes) or not set(self.axes) <= set(_AXES):
            raise InputError(f"expected axes out of {', '.join(_AXES)}, each at most once, but {self.axes} came")
        self._dims = tuple(_AXES[axis] for axis in self.axes)
        self.order = 2 ** len(self.axes)

    def generators(self) -> tuple[int, ...]:
        """Return the reflection along each axis."""
        return tuple(2**i for i in range(len(self.axes)))

    def compose(self, g: Element, h: Element) -> Element:
        """Return both reflections."""
        return g ^ h

    def inverse(self, g: Element) -> Element:
        """Return the same reflection."""
        return g

    def act(self, g: Element, x: Image) -> Image:
        """Return every image mirrored along its own axes."""
        self.check(g, x)
        if x.ndim + min(self._dims) < 2:
            raise InputError(
                f"expected images (batch, channels, height, width) for {self!r}, but shape {tuple(x.shape)} came: "
                f'signals have the axis "horizontal" alone'
            )
        return by_kind(g, x, lambda kind, _, few: few.flip(self._mirrored(kind)) if kind else few)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the same as :meth:`act`: a reflection is its own transpose."""
        return self.act(g, x)

    def matrix(self, g: Element) -> Tensor:
        """Return diagonal matrices of 1 and -1, ``(batch, 2, 2)``."""
        diagonal = torch.ones(len(g), 2, dtype=torch.float64)
        for i, dim in enumerate(self._dims):
            diagonal[:, dim] = 1.0 - 2.0 * ((g >> i) & 1)
        return torch.diag_embed(diagonal)

    def _mirrored(self, kind: int) -> tuple[int, ...]:
        return tuple(dim for i, dim in enumerate(self._dims) if kind >> i & 1)
