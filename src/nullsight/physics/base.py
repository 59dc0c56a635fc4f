"""The contract of linear operators (that of all is beside it), and two that follow from it: iterative and masked."""

import copy
from abc import abstractmethod

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.linalg import dense_matrix, largest_eigenvalue, least_squares, linear_map
from nullsight.physics.ensembles import white
from nullsight.physics.operator import Physics, measured_dagger_error, stated_error
from nullsight.types import Image, Map, Measurement

__all__ = ["Iterative", "LinearPhysics", "Masked", "Physics", "measured_dagger_error", "stated_error"]


class LinearPhysics(Physics):
    """A linear ``A``; a subclass writes ``_adjoint``, the exact transpose, which is also the gradient of ``A``."""

    @abstractmethod
    def _adjoint(self, y: Measurement) -> Image: ...

    def A(self, x: Tensor) -> Measurement:
        """Measure a batch of images ``(batch, *image_shape)``; the gradient is the written adjoint."""
        return self._run(lambda v: linear_map(v, self._measure, self._adjoint), x, self.image_shape, "image")

    def A_adjoint(self, y: Tensor) -> Image:
        """Return ``A^T y`` for ``(batch, *measurement_shape)``; the gradient is ``A``."""
        turn: Map = lambda v: linear_map(v, self._adjoint, self._measure)  # noqa: E731
        return self._run(turn, y, self.measurement_shape, "measurement")

    def norm(self) -> float:
        """Return the largest singular value of ``A``, from 20 Lanczos steps (within 1 % below), of all its samples."""
        known = self._cached("norm")
        if "value" not in known:
            like = next((b for b in self.buffers() if b.is_floating_point()), torch.zeros(()))
            start = white(self.image_shape, Draws(0, 0, tuple(range(self.samples or 1))).of("norm"))
            with torch.no_grad():
                start = start.to(like.device, like.dtype)
                top = largest_eigenvalue(lambda x: self.A_adjoint(self.A(x)), start)
            known["value"] = float(top.max().clamp_min(0).sqrt())
        return known["value"]

    def project_range(self, x: Tensor, *, iterations: int = 200, tolerance: float | None = None) -> Image:
        """Return the part of ``x`` that ``A`` sees, its projection on the range of ``A^T``, by conjugate gradients."""

        def project(value: Tensor) -> Tensor:
            return least_squares(
                self._measure, self._adjoint, self._measure(value), iterations=iterations, tolerance=tolerance
            )

        return self._run(lambda v: linear_map(v, project, project), x, self.image_shape, "image")

    def project_null(self, x: Tensor, *, iterations: int = 200, tolerance: float | None = None) -> Image:
        """Return the part of ``x`` that ``A`` cannot see, its projection on the null space of ``A``."""
        return x - self.project_range(x, iterations=iterations, tolerance=tolerance)

    def to_matrix(self) -> Tensor:
        """Return ``A`` as a dense float64 matrix ``(measurements, pixels)`` on the CPU (small problems).

        With one operator a sample: ``(samples, measurements, pixels)``.
        """
        exact = copy.deepcopy(self).to("cpu", torch.float64)
        if self.samples is None:
            return dense_matrix(exact.A, self.image_shape)
        return torch.stack([dense_matrix(exact.take([i]).A, self.image_shape) for i in range(self.samples)])

    def subset(self, keep: Tensor) -> Physics:
        """Return the same physics seeing only ``keep``; the others stay in ``y`` as zeros."""
        return Masked(self, keep)


class Iterative(LinearPhysics):
    """A linear operator whose ``A_dagger`` is the least-norm least-squares solution, by conjugate gradients.

    Its stated ``dagger_error`` is what the iterations leave on 8 (or one a sample) white images, with 20 % to spare.
    """

    iterations: int = 500

    def _invert(self, y: Measurement) -> Image:
        return least_squares(self._measure, self._adjoint, y, iterations=self.iterations)

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """Stated ``|A A_dagger A x - A x| / |A x|``, measured once when first asked for."""
        return stated_error(self)


class Masked(Iterative):
    """A linear operator with some of its measurements left out (zeros in ``y``): ``A = diag(keep) A_all``.

    Args:
        whole: the operator with all measurements.
        keep: bool, ``measurement_shape`` or ``(1 or batch, *measurement_shape)``.
    """

    per_sample = ("keep",)
    keep: Tensor

    def __init__(self, whole: LinearPhysics, keep: Tensor) -> None:
        super().__init__(whole.image_shape, whole.measurement_shape)
        self.whole = whole
        self.register_buffer("keep", self._keep(keep))

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``."""
        inner = self.whole.measured
        return self.keep if inner is None else self.keep & inner

    def norm(self) -> float:
        """Return the norm of the whole operator, an upper bound: losses weigh all subsets of one operator alike."""
        return self.whole.norm()

    def _measure(self, x: Image) -> Measurement:
        return self.whole._measure(x) * self.keep

    def _adjoint(self, y: Measurement) -> Image:
        return self.whole._adjoint(y * self.keep)

    def subset(self, keep: Tensor) -> Physics:
        """Return the operator that sees what both masks keep."""
        return Masked(self.whole, self.keep & self._keep(keep))
