"""The contract of every operator, linear or not: ``y = A(x) + noise``, an approximate inverse, and parts of it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.parts import differing
from nullsight.physics.ensembles import white
from nullsight.types import Image, InputError, Map, Measurement, check_batch


class Physics(nn.Module, ABC):
    """An operator ``A``, linear or not. Values: nothing changes by being used; a changed operator is a new one.

    A subclass writes ``_measure`` and ``_invert`` (for batches) and, where parameters may differ from sample to sample,
    names the buffers that carry them in ``per_sample``: each has a leading axis of 1 (shared) or of the batch. What is
    computed from such a buffer must be computed when it is used, or be such a buffer itself.

    Attributes:
        image_shape: without batch, ``(channels, height, width)`` or ``(channels, length)``.
        measurement_shape: of ``y``, without batch.
        dagger_error: stated ``|A A_dagger A x - A x| / |A x|`` over the images of ``dagger_ensemble``; 0: exact.
        dagger_ensemble: the images for which that is stated, a function of shape and stream; white noise by default.
    """

    per_sample: ClassVar[tuple[str, ...]] = ()
    dagger_error: float = 0.0
    dagger_ensemble = staticmethod(white)

    def __init__(self, image_shape: Sequence[int], measurement_shape: Sequence[int]) -> None:
        super().__init__()
        self.image_shape = tuple(int(n) for n in image_shape)
        self.measurement_shape = tuple(int(n) for n in measurement_shape)
        if len(self.image_shape) < 2 or min(self.image_shape + self.measurement_shape) < 1:
            raise InputError(
                f"expected an image shape like (channels, height, width) or (channels, length) without batch, but "
                f"{self.image_shape} came (measurements {self.measurement_shape}): give every axis at least 1 entry"
            )

    @abstractmethod
    def _measure(self, x: Image) -> Measurement: ...

    @abstractmethod
    def _invert(self, y: Measurement) -> Image: ...

    def A(self, x: Tensor) -> Measurement:
        """Measure a batch of images ``(batch, *image_shape)``; InputError for another shape."""
        return self._run(self._measure, x, self.image_shape, "image")

    def A_dagger(self, y: Tensor) -> Image:
        """Return the cheap approximate inverse of ``(batch, *measurement_shape)``, differentiable in ``y``."""
        return self._run(self._invert, y, self.measurement_shape, "measurement")

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``: which entries of ``y`` are measured; None: all of them."""
        return None

    def norm(self) -> float:
        """Return the factor by which ``A`` scales an image at most; 1 where it is not known."""
        return 1.0

    def subset(self, keep: Tensor) -> "Physics":
        """Return the same physics seeing only ``keep``, bool ``(1 or batch, *measurement_shape)`` or without batch."""
        raise InputError(f"expected an operator that can leave out measurements, but {type(self).__name__} cannot")

    @property
    def samples(self) -> int | None:
        """How many operators are in this object, one per sample; None where one serves every batch."""
        inner = (part.samples or 1 for part in self._parts().values())
        sizes = {*(int(getattr(self, name).shape[0]) for name in self.per_sample), *inner} - {1}
        if len(sizes) > 1:
            raise InputError(f"expected one number of operators in {type(self).__name__}, but {sorted(sizes)} came")
        return max(sizes, default=None)

    def take(self, index: Sequence[int]) -> Self:
        """Return the operators of some samples of the batch (itself where one serves all)."""
        rows = list(index)
        return self._each(lambda value: value[rows])

    def repeat(self, times: int) -> Self:
        """Return the operators for a batch tiled ``times`` times, as ``Tensor.repeat`` tiles it."""
        return self._each(lambda value: value.repeat(times, *[1] * (value.ndim - 1)))

    @staticmethod
    def batched(physics: "Sequence[Physics]") -> "Physics":
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
        parts = {name: Physics.batched([one._parts()[name] for one in physics]) for name in first._parts()}
        return first._replace(wide, parts)

    def extra_repr(self) -> str:
        """Return the shapes, for ``print(physics)``."""
        return f"image {self.image_shape}, measurement {self.measurement_shape}"

    def _run(self, function: Map, value: Tensor, shape: tuple[int, ...], what: str) -> Tensor:
        check_batch(value, shape, what)
        if self.samples not in (None, value.shape[0]):
            raise InputError(
                f"expected a batch of {self.samples} {what}s, one for each operator, but {value.shape[0]} came: "
                f"choose the operators of the batch with physics.take(rows)"
            )
        with torch.autocast(value.device.type, enabled=False):  # networks may run in half precision, operators never
            return function(value.float() if value.dtype in (torch.float16, torch.bfloat16) else value)

    def _parts(self) -> "dict[str, Physics]":
        return {name: part for name, part in self._modules.items() if isinstance(part, Physics)}

    def _wide(self, name: str) -> Tensor:
        value: Tensor = getattr(self, name)
        return value.expand(self.samples or 1, *value.shape[1:])

    def _each(self, change: Map) -> Self:
        if self.samples is None:
            return self
        values = {name: getattr(self, name) for name in self.per_sample}
        parts = {name: part._each(change) for name, part in self._parts().items()}
        return self._replace({name: change(v) for name, v in values.items() if v.shape[0] > 1}, parts)

    def _replace(self, buffers: dict[str, Tensor], parts: "dict[str, Physics]") -> Self:
        """Return a copy that shares everything but the named buffers and parts."""
        new = copy.copy(self)
        new._buffers = {**self._buffers, **buffers}
        new._modules = {**self._modules, **parts}
        new.__dict__.pop("_known", None)
        return new

    def _cached(self, name: str) -> dict[str, float]:
        """Return what was computed for this object before: numbers only, never carried over to a changed copy."""
        known: dict[str, dict[str, float]] = self.__dict__.setdefault("_known", {})
        return known.setdefault(name, {})

    def _keep(self, keep: Tensor) -> Tensor:
        """Return ``keep`` as bool with its batch axis; InputError for another shape."""
        wide = keep if keep.ndim == len(self.measurement_shape) + 1 else keep[None]
        if tuple(wide.shape[1:]) != self.measurement_shape:
            raise InputError(
                f"expected keep of shape {self.measurement_shape}, with or without a batch axis in front, but "
                f"{tuple(keep.shape)} came: give one truth value for every entry of a measurement"
            )
        return wide.bool()


def stated_error(physics: Physics) -> float:
    """Return what an operator may state: the error measured once, with 20 % to spare; 0 where it is only rounding."""
    known = physics._cached("dagger_error")
    if "value" not in known:
        error = 1.2 * measured_dagger_error(physics, seed=1)
        known["value"] = 0.0 if error < 1e-6 else error
    return known["value"]


def measured_dagger_error(physics: Physics, *, seed: int, dtype: torch.dtype | None = None) -> float:
    """Return ``|A A_dagger A x - A x| / |A x|`` over 8 images (one a sample) of ``physics.dagger_ensemble``.

    The images have the precision ``dtype``; None is that of the operator's buffers.
    """
    like = next((b for b in physics.buffers() if b.is_floating_point()), torch.zeros(()))
    draws = Draws(seed, 0, tuple(range(physics.samples or 8)))
    with torch.no_grad():
        x = physics.dagger_ensemble(physics.image_shape, draws.of("dagger")).to(like.device, dtype or like.dtype)
        y = physics.A(x)
        return float((physics.A(physics.A_dagger(y)) - y).norm() / y.norm().clamp_min(torch.finfo(y.dtype).tiny))


def _holds_physics(value: object) -> bool:
    return isinstance(value, Physics) or (isinstance(value, list | tuple) and any(map(_holds_physics, value)))


def _check_alike(first: Physics, one: Physics) -> None:
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
