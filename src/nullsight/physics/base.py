"""The contract of every operator: ``y = A(x) + noise``, an approximate inverse, and parts of it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from nullsight.linalg import conjugate_gradient, dense_matrix, linear_map, power_iteration
from nullsight.types import Image, InputError, Measurement, check_batch


class Physics(nn.Module, ABC):
    """An operator ``A``, linear or not. Values: nothing changes by being used; a changed operator is a new one.

    A subclass writes ``_measure`` and ``_invert`` (for batches) and, where parameters may differ from sample to sample,
    names the buffers that carry them in ``per_sample``: each has a leading axis of 1 (shared) or of the batch.

    Attributes:
        image_shape: without batch, ``(channels, height, width)`` or ``(channels, length)``.
        measurement_shape: of ``y``, without batch.
        dagger_error: stated ``|A A_dagger A x - A x| / |A x|``; 0 where ``A_dagger`` is exact.
    """

    per_sample: ClassVar[tuple[str, ...]] = ()
    dagger_error: float = 0.0

    def __init__(self, image_shape: Sequence[int], measurement_shape: Sequence[int]) -> None:
        super().__init__()
        self.image_shape = tuple(int(n) for n in image_shape)
        self.measurement_shape = tuple(int(n) for n in measurement_shape)

    @abstractmethod
    def _measure(self, x: Image) -> Measurement: ...

    @abstractmethod
    def _invert(self, y: Measurement) -> Image: ...

    def A(self, x: Tensor) -> Measurement:
        """Measure a batch of images ``(batch, *image_shape)``; InputError for another shape."""
        check_batch(x, self.image_shape, "image")
        return self._measure(x)

    def A_dagger(self, y: Tensor) -> Image:
        """Return the cheap approximate inverse of ``(batch, *measurement_shape)``, differentiable in ``y``."""
        check_batch(y, self.measurement_shape, "measurement")
        return self._invert(y)

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
        sizes = {int(getattr(self, name).shape[0]) for name in self.per_sample} - {1}
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
        """Return one object for a batch that has an operator a sample, all of one class and one common grid."""
        first = physics[0]
        if all(one is first for one in physics):
            return first
        for one in physics:
            shapes = (one.image_shape, one.measurement_shape)
            if type(one) is not type(first) or shapes != (first.image_shape, first.measurement_shape):
                raise InputError(
                    f"expected operators of one class and one grid in a batch, but {type(first).__name__} "
                    f"{first.measurement_shape} and {type(one).__name__} {one.measurement_shape} came: batch them apart"
                )
        names = first.per_sample
        return first._replace({name: torch.cat([getattr(one, name) for one in physics]) for name in names})

    def _each(self, change: "partial[Tensor] | object") -> Self:
        if self.samples is None:
            return self
        shared = {name for name in self.per_sample if getattr(self, name).shape[0] == 1}
        return self._replace({n: change(getattr(self, n)) for n in self.per_sample if n not in shared})  # type: ignore[operator]

    def _replace(self, buffers: dict[str, Tensor]) -> Self:
        """Return a copy that shares everything but the named buffers."""
        new = copy.copy(self)
        new._buffers = {**self._buffers, **buffers}
        new._modules = dict(self._modules)
        return new


class LinearPhysics(Physics):
    """A linear ``A``; a subclass writes ``_adjoint``, the exact transpose, which is also the gradient of ``A``."""

    @abstractmethod
    def _adjoint(self, y: Measurement) -> Image: ...

    def A(self, x: Tensor) -> Measurement:
        """Measure a batch of images ``(batch, *image_shape)``; the gradient is the written adjoint."""
        check_batch(x, self.image_shape, "image")
        return linear_map(x, self._measure, self._adjoint)

    def A_adjoint(self, y: Tensor) -> Image:
        """Return ``A^T y`` for ``(batch, *measurement_shape)``; the gradient is ``A``."""
        check_batch(y, self.measurement_shape, "measurement")
        return linear_map(y, self._adjoint, self._measure)

    def norm(self) -> float:
        """Return the largest singular value of ``A``, by power iteration (within 1 % below)."""
        known: dict[str, float] = self.__dict__.setdefault("_norm", {})
        if "value" not in known:
            like = next((b for b in self.buffers() if b.is_floating_point()), torch.zeros(()))
            shape = (self.samples or 1, *self.image_shape)
            start = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            with torch.no_grad():
                top = power_iteration(lambda x: self._adjoint(self._measure(x)), start.to(like.device, like.dtype))
            known["value"] = float(top.max().sqrt())
        return known["value"]

    def project_range(self, x: Tensor, *, iterations: int = 200, tolerance: float = 1e-6) -> Image:
        """Return the part of ``x`` that ``A`` sees, its projection on the range of ``A^T``, by conjugate gradients."""
        b = self.A_adjoint(self.A(x))
        return conjugate_gradient(lambda z: self.A_adjoint(self.A(z)), b, iterations=iterations, tolerance=tolerance)

    def project_null(self, x: Tensor, *, iterations: int = 200, tolerance: float = 1e-6) -> Image:
        """Return the part of ``x`` that ``A`` cannot see, its projection on the null space of ``A``."""
        return x - self.project_range(x, iterations=iterations, tolerance=tolerance)

    def to_matrix(self) -> Tensor:
        """Return ``A`` as a dense float64 matrix ``(measurements, pixels)`` (small problems, one operator)."""
        return dense_matrix(copy.deepcopy(self).double().A, self.image_shape)

    def subset(self, keep: Tensor) -> Physics:
        """Return the same physics seeing only ``keep``; the others stay in ``y`` as zeros."""
        return Masked(self, keep)


class Masked(LinearPhysics):
    """A linear operator with some of its measurements left out (zeros in ``y``): ``A = diag(keep) A_all``.

    ``A_dagger`` is the least-norm least-squares solution by conjugate gradients.

    Args:
        whole: the operator with all measurements.
        keep: bool, ``measurement_shape`` or ``(1 or batch, *measurement_shape)``.
    """

    per_sample = ("keep",)
    dagger_error = 0.0

    def __init__(self, whole: LinearPhysics, keep: Tensor) -> None:
        super().__init__(whole.image_shape, whole.measurement_shape)
        self.whole = whole
        wide = keep if keep.ndim == len(self.measurement_shape) + 1 else keep[None]
        if tuple(wide.shape[1:]) != self.measurement_shape:
            raise InputError(f"expected keep of shape {self.measurement_shape}, but {tuple(keep.shape)} came")
        self.register_buffer("keep", wide.bool())
        self.keep: Tensor

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``."""
        inner = self.whole.measured
        return self.keep if inner is None else self.keep & inner

    def _measure(self, x: Image) -> Measurement:
        return self.whole._measure(x) * self.keep

    def _adjoint(self, y: Measurement) -> Image:
        return self.whole._adjoint(y * self.keep)

    def _invert(self, y: Measurement) -> Image:
        b = self.A_adjoint(y)
        return conjugate_gradient(lambda x: self.A_adjoint(self.A(x)), b, iterations=500)

    def subset(self, keep: Tensor) -> Physics:
        """Return the operator that sees what both masks keep."""
        return Masked(self.whole, self.keep & keep)
