"""The contract of every family of transformations, of groups and of finite groups."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.parts import arguments
from nullsight.types import Element, Image, InputError, Map


class Family(ABC):
    """Transformations that can be drawn and applied, one per image of a batch.

    An element is a tensor on the CPU whose first axis is the batch: an index 0 .. order - 1 (int64, ``(batch,)``) in a
    finite group, parameters (float64, ``(batch, ...)``) otherwise. Images may be on any device.

    Attributes:
        action_error: 0 where ``T_g`` only moves samples or changes their values, so that ``T_g T_h = T_gh`` to
            rounding. Else the stated interpolation error: the root mean square, over g and h as they are drawn, of
            ``|T_g T_h x - T_gh x| / |x|`` in L2 on the disk of ``region``, for 64x64 images in [0, 1] with the 1/f
            amplitude spectrum of photographs (``nullsight.contracts.natural_images``). Larger images have less of it,
            smaller ones more, by the square root of the size at most.
        region: the radius of that disk in units of the inscribed one; 1 where what lies outside the image is not
            brought in.
        linear: whether ``T_g`` is linear. Where it is not, it is affine or worse: losses that turn images take it,
            what turns operators (``A T_g``) refuses it.
    """

    action_error: float = 0.0
    region: float = 1.0
    linear: bool = True

    @abstractmethod
    def sample(self, stream: Stream) -> Element:
        """Draw one element per sample of the stream."""

    @abstractmethod
    def act(self, g: Element, x: Image) -> Image:
        """Return ``T_g x`` for ``(batch, channels, *space)``; InputError where the shape does not allow it."""

    @abstractmethod
    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``T_g^T x``, the exact transpose; equal to the inverse only where ``T_g`` is orthogonal.

        Where ``T_g`` is affine, the transpose of its linear part: what the gradient needs.
        """

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments(self).items())
        return f"{type(self).__name__}({given})"


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
    """A group whose elements are the indices 0 .. order - 1; index 0 is the identity.

    Attributes:
        order: how many elements there are.
        space: the one spatial shape it acts on, ``(height, width)`` or ``(length,)``; None: any.
    """

    order: int
    space: tuple[int, ...] | None = None

    def sample(self, stream: Stream) -> Element:
        """Draw one element per sample, uniformly."""
        return stream.integers(self.order)

    def identity(self, batch: int) -> Element:
        """Return ``batch`` zeros."""
        return torch.zeros(batch, dtype=torch.int64)

    def elements(self) -> Iterator[int]:
        """Go through all elements, lazily."""
        return iter(range(self.order))

    def generators(self) -> tuple[int, ...]:
        """Return elements whose products give all others; every element but the identity where nothing is known."""
        return tuple(range(1, self.order))

    def each(self, x: Image) -> Iterator[Image]:
        """Go through ``T_g x`` for every g, lazily: one copy of ``x`` is in memory at a time."""
        return (self.act(_copies(g, x), x) for g in self.elements())

    def orbit(self, x: Image) -> Tensor:
        """Return ``T_g x`` for every g at once: ``(order, batch, channels, *space)``; :meth:`each` is the lazy form."""
        return torch.stack(list(self.each(x)))

    def average(self, function: Map, x: Image, *, over: Sequence[int] | None = None, block: int = 1) -> Image:
        """Return the Reynolds average: the mean over g of ``T_g^-1 function(T_g x)``, equivariant by construction.

        Args:
            function: a map of batches of images.
            x: images ``(batch, channels, *space)``.
            over: the elements to average over; None: all (a random few estimate the average of a large group).
            block: elements handed to ``function`` together, as a batch tiled ``block`` times: faster where it does
                not mind, at ``block`` times the memory.
        """
        chosen = list(self.elements() if over is None else over)
        if not chosen or block < 1:
            raise InputError(
                f"expected at least one element and a block of at least 1, but {len(chosen)}, {block} came"
            )
        total: Tensor | None = None
        for first in range(0, len(chosen), block):
            few = chosen[first : first + block]
            g = torch.tensor(few, dtype=torch.int64).repeat_interleave(x.shape[0])
            tiled = x.repeat(len(few), *[1] * (x.ndim - 1))
            back = self.act(self.inverse(g), function(self.act(g, tiled)))
            summed = back.reshape(len(few), *x.shape[:1], *back.shape[1:]).sum(0)
            total = summed if total is None else total + summed
        assert total is not None
        return total / len(chosen)

    def check(self, g: Element, x: Image) -> None:
        """Raise an InputError unless ``g`` holds one element of this group per image of ``x``."""
        if tuple(g.shape) != (x.shape[0],):
            raise InputError(
                f"expected one element per image, shape ({x.shape[0]},), but {tuple(g.shape)} came: draw them with "
                f"sample(stream), one stream a sample"
            )
        if g.is_floating_point() or (g.numel() > 0 and not 0 <= int(g.min()) <= int(g.max()) < self.order):
            raise InputError(f"expected elements as integers 0 .. {self.order - 1} of {self!r}, but {g} came")
        if self.space is not None and tuple(x.shape[2:]) != self.space:
            raise InputError(
                f"expected images of {self.space} pixels, but {tuple(x.shape[2:])} came: build {type(self).__name__} "
                f"for the size of the images"
            )


class PointGroup(FiniteGroup):
    """A finite group that keeps the centre of the image in place: rotations, reflections."""

    @abstractmethod
    def matrix(self, g: Element) -> Tensor:
        """Return how displacements (rows down, columns right) turn: orthogonal float64 matrices ``(batch, 2, 2)``."""


class NormalGroup(FiniteGroup):
    """A finite group that a point group maps to itself: ``H h H^-1`` is in the group for every h in it."""

    @abstractmethod
    def conjugate(self, h: Element, matrix: Tensor) -> Element:
        """Return ``H h H^-1`` for the point transformations H of those matrices; InputError where it is outside."""


class Trivial(FiniteGroup):
    """The group of the identity alone: what no symmetry teaches is seen by training with it.

    Example:
        >>> group = Trivial()
        >>> bool((group.act(group.identity(1), torch.ones(1, 1, 2, 2)) == 1).all())
        True
    """

    order = 1

    def compose(self, g: Element, h: Element) -> Element:
        """Return the identity."""
        return g

    def inverse(self, g: Element) -> Element:
        """Return the identity."""
        return g

    def act(self, g: Element, x: Image) -> Image:
        """Return ``x``."""
        self.check(g, x)
        return x

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``x``."""
        self.check(g, x)
        return x


def by_kind(kinds: Tensor, x: Tensor, apply: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    """Return ``apply(kind, rows, x[rows])`` put together again, for rows of a batch that are of several kinds.

    Args:
        kinds: int64 ``(batch,)`` on the CPU.
        x: ``(batch, ...)``.
        apply: takes the kind, the numbers of its rows and those rows of ``x``, and returns as many rows.
    """
    found = torch.unique(kinds).tolist()
    if len(found) == 1:
        return apply(int(found[0]), torch.arange(len(kinds)), x)
    rows = [torch.nonzero(kinds == kind).flatten() for kind in found]
    if not rows:
        return x
    parts = [apply(int(kind), few, x[few.to(x.device)]) for kind, few in zip(found, rows, strict=True)]
    return torch.cat(parts)[torch.cat(rows).argsort().to(x.device)]


def _copies(g: int, x: Tensor) -> Element:
    return torch.full((x.shape[0],), g, dtype=torch.int64)
