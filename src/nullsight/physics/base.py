"""The contracts of operators, ``y = A(x) + noise`` with an approximate inverse, and of linear ones."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.linalg import dense_matrix, largest_singular_value, least_squares, linear_map
from nullsight.physics.batches import Batches
from nullsight.physics.ensembles import white
from nullsight.types import Image, InputError, Map, Measurement, check_batch


class Physics(Batches, ABC):
    """An operator ``A``, linear or not. Values: nothing changes by being used; a changed operator is a new one.

    A subclass writes ``_measure`` and ``_invert`` (for batches) and, where parameters may differ from sample to sample,
    names the buffers that carry them in ``per_sample``: each has a leading axis of 1 (shared) or of the batch. What is
    computed from such a buffer must be computed when it is used, or be such a buffer itself.

    Attributes:
        image_shape: without batch, ``(channels, height, width)`` or ``(channels, length)``.
        measurement_shape: of ``y``, without batch.
        dagger_error: stated ``|A A_dagger A x - A x| / |A x|`` over the images of ``dagger_ensemble``; 0: exact.
        dagger_ensemble: the images for which that is stated, a function of shape and stream; white noise by default.

    Raises:
        InputError: a shape with no channel axis or an empty axis.
    """

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

    def dagger_gain(self) -> float:
        """Return the factor by which ``A_dagger A`` stretches an image at most; 1 where it is a projection."""
        return 1.0

    def subset(self, keep: Tensor) -> "Physics":
        """Return the same physics seeing only ``keep``, bool ``(1 or batch, *measurement_shape)`` or without batch."""
        raise InputError(f"expected an operator that can leave out measurements, but {type(self).__name__} cannot")

    def linearize(self, y: Tensor) -> "Linearized":
        """Return the linear problem that ``y`` poses, ``(batch, *measurement_shape)``, for solvers that need one."""
        raise InputError(
            f"expected an operator that is linear or can be linearised, but {type(self).__name__} is not: write its "
            f"linearize(y), or take a method that does with A and A_dagger alone"
        )

    def crop(self, corner: Tensor, size: Sequence[int]) -> "Physics":
        """Return the operator on windows of images, ``crop.A(window of x) = window of A(x)``; for local operators.

        Args:
            corner: first pixel of each sample's window, int64 ``(batch, spatial axes)``.
            size: of the windows along the spatial axes.
        """
        raise InputError(f"expected an operator that is local, such as Inpainting, but {type(self).__name__} is not")

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

    def _keep(self, keep: Tensor) -> Tensor:
        """Return ``keep`` as bool with its batch axis; InputError for another shape."""
        wide = keep if keep.ndim == len(self.measurement_shape) + 1 else keep[None]
        if tuple(wide.shape[1:]) != self.measurement_shape:
            raise InputError(
                f"expected keep of shape {self.measurement_shape}, with or without a batch axis in front, but "
                f"{tuple(keep.shape)} came: give one truth value for every entry of a measurement"
            )
        return wide.bool()


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
            some = torch.split(torch.arange(self.samples or 1), 16)  # 20 images of each are in memory
            few = ((self.take(rows.tolist()), Draws(0, 0, tuple(rows.tolist()))) for rows in some)
            begun = ((one, white(self.image_shape, draws.of("norm")).to(like(one))) for one, draws in few)
            known["value"] = max(largest_singular_value(one.A, one.A_adjoint, x) for one, x in begun)
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

    def linearize(self, y: Tensor) -> "Linearized":
        """Return the operator itself, ``y`` and ones."""
        check_batch(y, self.measurement_shape, "measurement")
        return Linearized(self, y, torch.ones_like(y))


@dataclass(frozen=True)
class Linearized:
    """A linear problem in the place of a nonlinear one: minimise ``sum_i weights_i (A x - y)_i^2``.

    The image that was measured solves it exactly if there was no noise.

    Attributes:
        physics: the linear operator ``A``.
        y: right-hand side, ``(batch, *physics.measurement_shape)``.
        weights: from 0 to 1, shaped as ``y``: inverse variances up to a factor, 0 where nothing is known.
    """

    physics: LinearPhysics
    y: Measurement
    weights: Tensor


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

    Raises:
        InputError: a ``keep`` of another shape.

    Example:
        >>> from nullsight.physics.hadamard import Hadamard
        >>> part = Masked(Hadamard((1, 4), 3), torch.tensor([[True, False, True]]))
        >>> part.A(torch.tensor([[[4.0, 0.0, 0.0, 0.0]]]))
        tensor([[[2., 0., 2.]]])
    """

    per_sample = ("keep",)
    keep: Tensor

    def __init__(self, whole: LinearPhysics, keep: Tensor) -> None:
        super().__init__(whole.image_shape, whole.measurement_shape)
        self.whole = whole
        self.register_buffer("keep", self._keep(keep).to(like(whole).device))

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
        return Masked(self.whole, self.keep & self._keep(keep).to(self.keep.device))


def misfit_seen(physics: Physics, x: Image, y: Measurement) -> Image:
    """Return ``A_dagger A(x) - A_dagger y``, the misfit as the approximate inverse shows it, ``(batch, *image_shape)``.

    Linear operators have a linear ``A_dagger`` (an iterative one up to its stated error), and one application does.
    """
    if isinstance(physics, LinearPhysics):
        return physics.A_dagger(physics.A(x) - y)
    return physics.A_dagger(physics.A(x)) - physics.A_dagger(y)


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
    draws = Draws(seed, 0, tuple(range(physics.samples or 8)))
    with torch.no_grad():
        x = physics.dagger_ensemble(physics.image_shape, draws.of("dagger")).to(like(physics, dtype))
        y = physics.A(x)
        return float((physics.A(physics.A_dagger(y)) - y).norm() / y.norm().clamp_min(torch.finfo(y.dtype).tiny))


def like(physics: Physics, dtype: torch.dtype | None = None) -> Tensor:
    """Return an empty tensor where the operator is, in its precision (or ``dtype``), also where it has masks alone.

    The innermost operator has the say: around it may be elements of a group, in float64 whatever it computes in.
    """
    place = next((one.device for one in physics.buffers()), torch.device("cpu"))
    inside_out = [one for part in reversed(list(physics.modules())) for one in part.buffers(recurse=False)]
    kinds = (one.dtype for one in inside_out if one.is_floating_point())
    return torch.empty(0, dtype=dtype or next(kinds, torch.get_default_dtype()), device=place)
