"""Cyclic shifts of signals and images."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.groups.base import NormalGroup
from nullsight.types import Element, Image, InputError


class Shifts(NormalGroup):
    """Cyclic shifts by whole samples; what leaves on one side comes in on the other. ``T_g`` is orthogonal and exact.

    Element ``g`` shifts down by ``step * (g // columns)`` and right by ``step * (g % columns)``.

    Args:
        shape: ``(height, width)`` of the images, or ``(length,)`` of signals.
        step: shift in whole steps of so many samples, one for all axes or one an axis; it divides the axis.

    Raises:
        InputError: an axis or a step that is not positive, or a step that does not divide its axis.

    Example:
        >>> group = Shifts((3,))
        >>> group.act(torch.tensor([1]), torch.tensor([[[5.0, 6.0, 7.0]]]))
        tensor([[[7., 5., 6.]]])
    """

    def __init__(self, shape: Sequence[int], step: int | Sequence[int] = 1) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.step = step
        self.steps = (step,) * len(self.shape) if isinstance(step, int) else tuple(step)
        if len(self.shape) not in (1, 2) or min(self.shape) < 1 or len(self.steps) != len(self.shape):
            raise InputError(
                f"expected shifts of (length,) or (height, width) with a step for each axis, but shape {self.shape} "
                f"and step {step} came"
            )
        if any(s < 1 or n % s for n, s in zip(self.shape, self.steps, strict=True)):
            raise InputError(
                f"expected steps that divide the axes {self.shape}, but {step} came: shifts by other steps make no "
                f"group on a cyclic grid of this size"
            )
        self._counts = tuple(n // s for n, s in zip(self.shape, self.steps, strict=True))
        self.order = math.prod(self._counts)
        self.space = self.shape

    def generators(self) -> tuple[int, ...]:
        """Return one step along each axis."""
        strides = [math.prod(self._counts[i + 1 :]) for i in range(len(self._counts))]
        return tuple(stride for stride, count in zip(strides, self._counts, strict=True) if count > 1)

    def displacement(self, g: Element) -> Tensor:
        """Return the shift in samples, int64 ``(batch, axes)``, each from 0 to the axis less one step."""
        columns = self._counts[-1]
        steps = torch.stack([g // columns, g % columns], 1)[:, -len(self.shape) :]
        return steps * torch.tensor(self.steps)

    def element(self, displacement: Tensor) -> Element:
        """Return the elements that shift by whole samples ``(batch, axes)``; InputError where it is no whole step."""
        wrapped = displacement.remainder(torch.tensor(self.shape))
        if bool((wrapped.remainder(torch.tensor(self.steps)) != 0).any()):
            raise InputError(f"expected shifts by multiples of {self.steps}, but {displacement.tolist()} came")
        steps = wrapped // torch.tensor(self.steps)
        return steps[:, -1] + (steps[:, 0] * self._counts[-1] if len(self.shape) == 2 else 0)

    def compose(self, g: Element, h: Element) -> Element:
        """Return the shift by both displacements."""
        return self.element(self.displacement(g) + self.displacement(h))

    def inverse(self, g: Element) -> Element:
        """Return the shift back."""
        return self.element(-self.displacement(g))

    def act(self, g: Element, x: Image) -> Image:
        """Return every image shifted by its own displacement."""
        self.check(g, x)
        return _roll(self.displacement(g), x)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return every image shifted back."""
        self.check(g, x)
        return _roll(-self.displacement(g), x)

    def conjugate(self, h: Element, matrix: Tensor) -> Element:
        """Return the shift by the turned displacement ``H h``; InputError where that is no shift of this group."""
        axes = len(self.shape)
        part = matrix[:, -axes:, -axes:]
        turned = (part @ self.displacement(h).double()[:, :, None])[:, :, 0]
        whole = turned.round()
        swaps = axes == 2 and self.shape[0] != self.shape[1] and bool((part[:, 0, 1].abs() > 1e-9).any())
        if swaps or bool(((turned - whole).abs() > 1e-9).any()):
            raise InputError(
                f"expected transformations that map the cyclic grid {self.shape} to itself (reflections, and quarter "
                f"turns where it is square), but others came: finer rotations and whole shifts make no group together"
            )
        return self.element(whole.long())


def _roll(displacement: Tensor, x: Image) -> Image:
    axes = tuple(range(1 - x.ndim + 1, 0))
    rows = [one.roll(tuple(by), axes) if any(by) else one for one, by in zip(x, displacement.tolist(), strict=True)]
    return torch.stack(rows) if rows else x
