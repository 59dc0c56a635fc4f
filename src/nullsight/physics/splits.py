"""Splits: which measured entries a reconstructor is shown, the others being hidden from it; one draw a sample."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.physics.base import Physics, like
from nullsight.types import InputError


class Split(ABC):
    """A random division of what is measured into entries that are kept and entries that are hidden.

    A subclass gives every entry a score, equal for entries that go together (a pixel's channels, a view); scores below
    ``keep`` are kept. The lowest score of a sample is always kept and the highest always hidden, so that wherever two
    things are measured at least one is on either side; a sample with a single one keeps it.

    Attributes:
        keep: the share that is kept on average, above 0 and below 1.
    """

    keep: float

    @abstractmethod
    def _scores(self, shape: tuple[int, ...], axes: int, stream: Stream) -> Tensor: ...

    def sample(self, physics: Physics, stream: Stream) -> Tensor:
        """Return the kept entries, bool ``(batch, *measurement_shape)``; what is not measured is not kept.

        Args:
            physics: whose measurements are split.
            stream: one a sample.

        Raises:
            InputError: streams for another number of samples than the physics has operators, or axes that the
                measurements do not have.
        """
        batch, shape = len(stream), physics.measurement_shape
        if physics.samples not in (None, batch):
            raise InputError(f"expected one stream for each of {physics.samples} operators, but {batch} came")
        scores = self._scores(shape, len(physics.image_shape) - 1, stream).expand(batch, *shape)
        measured = measured_entries(physics, batch)
        scores = scores.to(measured.device)
        infinity = torch.full_like(scores, torch.inf)
        lowest = scores.where(measured, infinity).flatten(1).amin(1).reshape(-1, *[1] * len(shape))
        highest = scores.where(measured, -infinity).flatten(1).amax(1).reshape(-1, *[1] * len(shape))
        return measured & ((scores == lowest) | (scores < self.keep) & (scores != highest))


@dataclass(frozen=True)
class RandomEntries(Split):
    """Every entry for itself: pixels, single spatial frequencies, single rays.

    Args:
        keep: the share that is kept on average, above 0 and below 1.
        shared_axes: axes of a measurement (without batch) along which one draw serves all, such as ``[0]``: a pixel
            is kept in all its channels or in none. None: all but as many last ones as an image has spatial axes.
        centre: side of a square in the middle, along the image's axes, that is always kept, >= 0, in entries: that of
            k-space holds most of an image, and nothing predicts it. The share is of the others.

    Raises:
        InputError: a share that is not between 0 and 1, or a centre below 0 or as long as an axis.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics = Inpainting((3, 8, 8), torch.ones(8, 8))
        >>> keep = RandomEntries(0.7).sample(physics, Draws(0, 0, (0, 1)).of("split"))
        >>> keep.shape, bool((keep[:, 0] == keep[:, 2]).all())
        (torch.Size([2, 3, 8, 8]), True)
    """

    keep: float = 0.7
    shared_axes: tuple[int, ...] | None = None
    centre: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)
        _check_centre(self.centre)

    def _scores(self, shape: tuple[int, ...], axes: int, stream: Stream) -> Tensor:
        shared = _shared(self.shared_axes, shape, axes)
        along = set(range(len(shape) - axes, len(shape))) - shared
        return _with_middle(stream.uniform(_drawn(shape, shared)), along, self.centre)


@dataclass(frozen=True)
class RandomLines(Split):
    """Whole lines: the views of a sinogram (channels, views, detectors), or lines of k-space.

    Args:
        keep: the share that is kept on average, above 0 and below 1.
        axis: along which the lines are counted: 1 for views and for rows of an image, -1 for columns.
        centre: so many lines in the middle are always kept, >= 0: those of k-space hold most of an image, and nothing
            predicts them. The share is of the others.

    Raises:
        InputError: a share that is not between 0 and 1, or a centre below 0 or as long as the axis.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.physics.inpainting import Inpainting
        >>> keep = RandomLines().sample(Inpainting((1, 8, 5), torch.ones(8, 5)), Draws(0, 0, (0,)).of("split"))
        >>> bool((keep.any(-1) == keep.all(-1)).all())
        True
    """

    keep: float = 0.8
    axis: int = 1
    centre: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)
        _check_centre(self.centre)

    def _scores(self, shape: tuple[int, ...], axes: int, stream: Stream) -> Tensor:
        axis = _place(self.axis, shape)
        scores = stream.uniform(_drawn(shape, set(range(len(shape))) - {axis}))
        return _with_middle(scores, {axis}, self.centre)


@dataclass(frozen=True)
class RandomBlocks(Split):
    """Blocks of neighbours, on a grid that starts at a random place: what is hidden is not next to what is kept.

    Args:
        keep: the share that is kept on average, above 0 and below 1.
        size: of a block along every axis that is not shared, in entries, >= 1.
        shared_axes: as :class:`RandomEntries` has it.

    Raises:
        InputError: a share that is not between 0 and 1, or a size below 1.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics = Inpainting((1, 8, 8), torch.ones(8, 8))
        >>> RandomBlocks(0.5, size=4).sample(physics, Draws(0, 0, (0,)).of("split")).shape
        torch.Size([1, 1, 8, 8])
    """

    keep: float = 0.7
    size: int = 4
    shared_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_share(self.keep)
        if self.size < 1:
            raise InputError(f"expected blocks of at least 1 entry, but size = {self.size} came")

    def _scores(self, shape: tuple[int, ...], axes: int, stream: Stream) -> Tensor:
        shared = _shared(self.shared_axes, shape, axes)
        free = [axis for axis in range(len(shape)) if axis not in shared]
        grid = [1 if axis in shared else ceil(n / self.size) + 1 for axis, n in enumerate(shape)]
        scores = stream.uniform(tuple(grid))
        for axis in free:
            offset = stream.integers(self.size)[:, None]
            block = (torch.arange(shape[axis]) + offset) // self.size
            index = block.reshape(-1, *[shape[axis] if a == axis else 1 for a in range(len(shape))])
            wanted = [len(stream), *scores.shape[1:]]
            wanted[axis + 1] = shape[axis]
            scores = scores.gather(axis + 1, index.expand(wanted))
        return scores


SPLITS: dict[str, type[Split]] = {
    "random_entries": RandomEntries,
    "random_lines": RandomLines,
    "random_blocks": RandomBlocks,
}


def measured_entries(physics: Physics, batch: int) -> Tensor:
    """Return which entries are measured, bool ``(batch, *measurement_shape)``, also where all of them are."""
    measured = physics.measured
    if measured is None:
        measured = torch.ones(1, *physics.measurement_shape, dtype=torch.bool, device=like(physics).device)
    return measured.expand(batch, *physics.measurement_shape)


def _check_share(keep: float) -> None:
    if not 0 < keep < 1:
        raise InputError(f"expected a kept share above 0 and below 1, but {keep} came: 0.7 is a common start")


def _check_centre(centre: int) -> None:
    if centre < 0:
        raise InputError(f"expected a centre of 0 or more, but {centre} came")


def _with_middle(scores: Tensor, along: set[int], centre: int) -> Tensor:
    """Put the middle along these axes (of a measurement) below every share."""
    if not centre:
        return scores
    middle = scores
    for axis in along:
        n = scores.shape[axis + 1]
        if centre >= n:
            raise InputError(f"expected a centre below {n}, the length of axis {axis}, but {centre} came")
        middle = middle.narrow(axis + 1, n // 2 - centre // 2, centre)
    middle.fill_(-1.0)
    return scores


def _drawn(shape: tuple[int, ...], shared: set[int]) -> tuple[int, ...]:
    return tuple(1 if axis in shared else n for axis, n in enumerate(shape))


def _shared(given: tuple[int, ...] | None, shape: tuple[int, ...], axes: int) -> set[int]:
    if given is None:
        return set(range(max(0, len(shape) - axes)))
    return {_place(axis, shape) for axis in given}


def _place(axis: int, shape: tuple[int, ...]) -> int:
    if not -len(shape) <= axis < len(shape):
        raise InputError(
            f"expected an axis from {-len(shape)} to {len(shape) - 1} for measurements {shape}, but {axis} came"
        )
    return axis % len(shape)
