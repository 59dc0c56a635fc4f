"""The contract of every family of transformations, of groups and of finite groups."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.types import Element, Image, InputError, Map


class Family(ABC):
    """Transformations that can be drawn and applied, one per image of a batch.

    An element is a tensor whose first axis is the batch: an index 0 .. order - 1 (int64, ``(batch,)``) in a finite
    group, parameters (float64, ``(batch, k)``) otherwise.

    Attributes:
        action_error: 0 where ``T_g`` only moves samples; else the stated interpolation error.
        linear: whether ``T_g`` is linear.
    """

    action_error: float = 0.0
    linear: bool = True

    @abstractmethod
    def sample(self, stream: Stream) -> Element:
        """Draw one element per sample of the stream."""

    @abstractmethod
    def act(self, g: Element, x: Image) -> Image:
        """Return ``T_g x`` for ``(batch, channels, *space)``; InputError where the shape does not allow it."""

    @abstractmethod
    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``T_g^T x``, the exact transpose; equal to the inverse only where ``T_g`` is orthogonal."""


class Group(Family):
    """A family with identity, composition and inverse: ``T_g T_h = T_{gh}``, to ``action_error``."""

    @abstractmethod
    def identity(self, batch: int) -> Element:
        """Return ``batch`` copies of the identity."""

    @abstractmethod
    def compose(self, g: Element, h: Element) -> Element:
        """Return ``g h`` (``h`` acts first)."""

    @abstractmethod
    def inverse(self, g: Element) -> Element:
        """Return ``g^-1``."""


class FiniteGroup(Group):
    """A group whose elements are the indices 0 .. order - 1; index 0 is the identity."""

    order: int

    def sample(self, stream: Stream) -> Element:
        """Draw one element per sample, uniformly."""
        return stream.integers(self.order)

    def identity(self, batch: int) -> Element:
        """Return ``batch`` zeros."""
        return torch.zeros(batch, dtype=torch.int64)

    def elements(self) -> Iterator[int]:
        """Go through all elements, lazily."""
        return iter(range(self.order))

    def orbit(self, x: Image) -> Tensor:
        """Return ``T_g x`` for every g: ``(order, batch, channels, *space)``."""
        return torch.stack([self.act(self._all(g, x), x) for g in self.elements()])

    def average(self, function: Map, x: Image) -> Image:
        """Return the Reynolds average: the mean over g of ``T_g^-1 function(T_g x)``, equivariant by construction."""
        total: Tensor | None = None
        for g in self.elements():
            index = self._all(g, x)
            turned = self.act(self.inverse(index), function(self.act(index, x)))
            total = turned if total is None else total + turned
        if total is None:
            raise InputError("expected a group with at least the identity, but its order is 0")
        return total / self.order

    @staticmethod
    def _all(g: int, x: Tensor) -> Element:
        return torch.full((x.shape[0],), g, dtype=torch.int64)
