"""A least-squares ``A_dagger`` for any linear operator, as another class around it."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from nullsight.linalg import conjugate_gradient
from nullsight.physics.base import Iterative, LinearPhysics, Physics
from nullsight.types import Image, InputError, Measurement


@runtime_checkable
class Weighs(Protocol):
    """An operator with a weighting W of its measurements that brings ``A^T W A`` near the identity."""

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y``, W symmetric and positive semi-definite."""
        ...


class LeastSquares(Iterative):
    """The same operator with ``A_dagger y`` the least-norm minimiser of ``|A x - y|``, by conjugate gradients.

    Stopping early regularises: the fewer iterations, the smoother the image. The gradient of ``A_dagger`` is the exact
    one of the steps taken (so it keeps a few images a step in memory).

    Args:
        physics: any linear operator.
        iterations: applications of ``A`` and ``A^T``, >= 1.
        tolerance: stop where the residual of the normal equations has fallen by this factor, >= 0.

    Raises:
        InputError: fewer than 1 iteration.

    Example:
        >>> import torch
        >>> from nullsight.physics.tomography import ParallelBeamCT
        >>> physics = LeastSquares(ParallelBeamCT((1, 16, 16), 12), iterations=30)
        >>> physics.A_dagger(torch.zeros(2, *physics.measurement_shape)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, physics: LinearPhysics, iterations: int = 20, tolerance: float = 1e-6) -> None:
        if iterations < 1:
            raise InputError(f"expected at least 1 iteration, but {iterations} came: 20 is a common start")
        super().__init__(physics.image_shape, physics.measurement_shape)
        self.physics = physics
        self.iterations = iterations
        self.tolerance = tolerance
        self.dagger_ensemble = physics.dagger_ensemble

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``, as the operator has it."""
        return self.physics.measured

    def norm(self) -> float:
        """Return the norm of the operator."""
        return self.physics.norm()

    def subset(self, keep: Tensor) -> "LeastSquares":
        """Return the least squares of what ``keep`` leaves."""
        return type(self)(self._linear(self.physics.subset(keep)), self.iterations, self.tolerance)

    def _measure(self, x: Image) -> Measurement:
        return self.physics._measure(x)

    def _adjoint(self, y: Measurement) -> Image:
        return self.physics._adjoint(y)

    def _invert(self, y: Measurement) -> Image:
        adjoint, weights = self.physics.A_adjoint, self._weights
        b = adjoint(weights(y))
        x = conjugate_gradient(
            lambda image: adjoint(weights(self.physics.A(image))),
            b,
            iterations=self.iterations,
            tolerance=self.tolerance,
        )
        return x + 0 * b  # no step is taken for y = 0, and still the image hangs on y

    def _weights(self, y: Measurement) -> Measurement:
        return y

    @staticmethod
    def _linear(physics: object) -> LinearPhysics:
        if not isinstance(physics, LinearPhysics):
            raise InputError(f"expected a linear operator, but its subset is {type(physics).__name__}: use it directly")
        return physics


class WeightedLeastSquares(LeastSquares):
    """As :class:`LeastSquares`, for ``|W^(1/2) (A x - y)|`` with the operator's own weighting W.

    In tomography W is the ramp filter: 5 iterations do about what 15 do without.

    Args:
        physics: a linear operator that has ``weigh``.
        iterations: applications of ``A`` and ``A^T``, >= 1.
        tolerance: stop where the residual of the normal equations has fallen by this factor, >= 0.

    Raises:
        InputError: fewer than 1 iteration, or an operator without ``weigh``.

    Example:
        >>> import torch
        >>> from nullsight.physics.tomography import ParallelBeamCT
        >>> physics = WeightedLeastSquares(ParallelBeamCT((1, 16, 16), 12), iterations=5)
        >>> physics.A_dagger(torch.zeros(2, *physics.measurement_shape)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, physics: LinearPhysics, iterations: int = 5, tolerance: float = 1e-6) -> None:
        if not isinstance(physics, Weighs):
            raise InputError(
                f"expected an operator that can weigh its measurements, but {type(physics).__name__} cannot: take "
                f"LeastSquares"
            )
        super().__init__(physics, iterations, tolerance)

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y``, as the operator has it."""
        assert isinstance(self.physics, Weighs)
        return self.physics.weigh(y)

    def _weights(self, y: Measurement) -> Measurement:
        return self.weigh(y)


def without_least_squares(physics: Physics) -> Physics:
    """Return the operator itself, without the least squares around it: what it measures, not how it is inverted.

    Example:
        >>> from nullsight.physics.hadamard import Hadamard
        >>> type(without_least_squares(LeastSquares(Hadamard((1, 4), 3)))).__name__
        'Hadamard'
    """
    while isinstance(physics, LeastSquares):
        physics = physics.physics
    return physics
