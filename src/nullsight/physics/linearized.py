"""Weighted linear problems as plain ones, for solvers of ``|A x - y|``."""

import torch
from torch import Tensor

from nullsight.physics.base import Iterative, Linearized, LinearPhysics, Physics
from nullsight.physics.least_squares import Weighs
from nullsight.types import Image, InputError, Measurement


class Whitened(Iterative):
    """A linear operator whose measurements are multiplied by factors: ``x -> root A x``.

    Least squares with it are weighted ones, ``|root (A x - y)|``. Measurements of factor 0 count as left out.

    Args:
        physics: the operator ``A``.
        root: from 0 to 1, ``measurement_shape`` with a leading axis of 1 or of the batch: roots of weights.

    Raises:
        InputError: factors of another shape or outside of 0 to 1.

    Example:
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics = Whitened(Inpainting((1, 2), torch.tensor([1, 1])), torch.tensor([[[0.5, 0.0]]]))
        >>> physics.A(torch.tensor([[[4.0, 3.0]]]))
        tensor([[[2., 0.]]])
    """

    per_sample = ("root",)
    root: Tensor

    def __init__(self, physics: LinearPhysics, root: Tensor) -> None:
        super().__init__(physics.image_shape, physics.measurement_shape)
        if tuple(root.shape[1:]) != self.measurement_shape or not bool(((root >= 0) & (root <= 1)).all()):
            raise InputError(
                f"expected factors from 0 to 1 of shape (1 or batch, {', '.join(map(str, self.measurement_shape))}), "
                f"but {tuple(root.shape)} came: divide them by the largest one"
            )
        self.physics = physics
        self.dagger_ensemble = physics.dagger_ensemble
        self.register_buffer("root", root)

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``: measured and of a factor above 0."""
        inner = self.physics.measured
        return self.root > 0 if inner is None else (self.root > 0) & inner

    def norm(self) -> float:
        """Return the norm of ``A``, an upper bound that does not depend on the other samples of a batch."""
        return self.physics.norm()

    def _measure(self, x: Image) -> Measurement:
        return self.root * self.physics.A(x)

    def _adjoint(self, y: Measurement) -> Image:
        return self.physics.A_adjoint(self.root * y)


class WhitenedWeighed(Whitened):
    """As :class:`Whitened`, for an operator that can weigh its measurements."""

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y`` with the weighting of ``A``: exactly as good where the factors are all alike."""
        assert isinstance(self.physics, Weighs)
        return self.physics.weigh(y)


def linear_problem(y: Measurement, physics: Physics) -> tuple[Measurement, LinearPhysics]:
    """Return measurements and the linear operator of which plain least squares are to be solved.

    Both as they came for a linear operator; for another one its linearised problem, whitened. Weights are constants to
    gradients, as the root has none where they are 0.

    Args:
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: any operator that can be linearised.

    Raises:
        InputError: one that cannot.
    """
    if isinstance(physics, LinearPhysics):
        return y, physics
    found: Linearized = physics.linearize(y)
    root = found.weights.detach().sqrt()
    kind = WhitenedWeighed if isinstance(found.physics, Weighs) else Whitened
    return torch.where(root > 0, root * found.y, torch.zeros_like(root)), kind(found.physics, root)
