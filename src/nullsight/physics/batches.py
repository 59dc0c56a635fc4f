"""Several operators in one object, one for each sample of a batch."""

import copy
from collections.abc import Callable, Sequence
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from nullsight.parts import differing
from nullsight.types import InputError

Kind = TypeVar("Kind", bound="Batches")


class Batches(nn.Module):
    """What lets operators with buffers of their own for each sample be one operator on a batch.

    Attributes:
        per_sample: names of the buffers with a leading axis of 1 (shared) or of the batch.
        image_shape: the grid of images, common to all.
        measurement_shape: the grid of measurements, common to all.
    """

    per_sample: ClassVar[tuple[str, ...]] = ()
    image_shape: tuple[int, ...]
    measurement_shape: tuple[int, ...]

    @property
    def samples(self) -> int | None:
        """How many operators are in this object, one per sample; None where one serves every batch."""
        inner = (part.samples or 1 for part in self._parts().values())
        sizes = {*(int(getattr(self, name).shape[0]) for name in self.per_sample), *inner} - {1}
        if len(sizes) > 1:
            raise InputError(f"expected one number of operators in {type(self).__name__}, but {sorted(sizes)} came")
        return max(sizes, default=None)

    def take(self, index: Sequence[int]) -> Self:
        """Return the operators of some samples of the batch (itself where one serves all).

        A norm that is known of the whole batch stays the norm of its parts, an upper bound: so that what a loss divides
        by does not depend on how a set is cut into batches, or a batch over processes. Ask for ``norm()`` first.
        """
        rows = list(index)
        return self._each(lambda value: value[rows])

    def repeat(self, times: int) -> Self:
        """Return the operators for a batch tiled ``times`` times, as ``Tensor.repeat`` tiles it; a known norm stays."""
        return self._each(lambda value: value.repeat(times, *[1] * (value.ndim - 1)))

    @staticmethod
    def batched(physics: Sequence[Kind]) -> Kind:
        """Return one object for a batch that has an operator a sample, all of one class and one common grid.

        Raises:
            InputError: classes, shapes or arguments that cannot differ within a batch do.
        """
        if not physics:
            raise InputError("expected at least one operator to batch, but none came")
        first = physics[0]
        if all(one is first for one in physics) and first.samples is None:
            return first
        for one in physics:
            _check_alike(first, one)
        differ = [n for n in first.per_sample if any(getattr(one, n) is not getattr(first, n) for one in physics)]
        own = [n for n in first.per_sample if n in differ or getattr(first, n).shape[0] > 1]
        wide = {name: torch.cat([one._wide(name) for one in physics]) for name in own}
        parts = {name: Batches.batched([one._parts()[name] for one in physics]) for name in first._parts()}
        return first._replace(wide, parts)

    def _parts(self) -> "dict[str, Batches]":
        return {name: part for name, part in self._modules.items() if isinstance(part, Batches)}

    def _wide(self, name: str) -> Tensor:
        value: Tensor = getattr(self, name)
        return value.expand(self.samples or 1, *value.shape[1:])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        if self.samples is None:
            return self
        values = {name: getattr(self, name) for name in self.per_sample}
        parts = {name: part._each(change) for name, part in self._parts().items()}
        new = self._replace({name: change(v) for name, v in values.items() if v.shape[0] > 1}, parts)
        new._cached("norm").update(self._cached("norm"))
        return new

    def _replace(self, buffers: dict[str, Tensor], parts: "dict[str, Batches]") -> Self:
        """Return a copy that shares everything but the named buffers and parts."""
        new = copy.copy(self)
        new._buffers = {**self._buffers, **buffers}
        new._modules = {**self._modules, **parts}
        new.__dict__.pop("_known", None)
        return new

    def _cached(self, name: str) -> dict[str, float]:
        """Return what was computed for this object before: numbers; a changed copy starts anew (but see ``take``)."""
        known: dict[str, dict[str, float]] = self.__dict__.setdefault("_known", {})
        return known.setdefault(name, {})


def _check_alike(first: Batches, one: Batches) -> None:
    shapes = (one.image_shape, one.measurement_shape)
    if type(one) is not type(first) or shapes != (first.image_shape, first.measurement_shape):
        raise InputError(
            f"expected operators of one class and one grid in a batch, but {type(first).__name__} "
            f"{first.measurement_shape} and {type(one).__name__} {one.measurement_shape} came: batch them apart"
        )
    unlike = differing(first, one, skip=(*first.per_sample, *first._parts(), "operators"))
    if one._parts().keys() != first._parts().keys() or unlike:
        raise InputError(
            f"expected operators that share {', '.join(unlike) or 'their parts'} in a batch of {type(first).__name__}, "
            f"but theirs differ: batch them apart"
        )
