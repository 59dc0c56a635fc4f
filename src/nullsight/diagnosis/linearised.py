"""A nonlinear operator near one image: its Jacobian."""

import torch
from torch import Tensor

from nullsight.physics.base import Iterative, Physics
from nullsight.types import Image, InputError, Measurement


class Linearised(Iterative):
    """``x -> J x`` with J the Jacobian of a nonlinear operator at one image, by automatic differentiation.

    Args:
        physics: the operator, differentiable.
        at: the image, ``image_shape`` or with a batch axis of 1.

    Raises:
        InputError: an image of another shape.

    Example:
        >>> from nullsight.physics import Foreign
        >>> class Square:
        ...     def A(self, x):
        ...         return x**2
        ...     def A_dagger(self, y):
        ...         return y.clamp_min(0).sqrt()
        >>> near = Linearised(Foreign(Square(), (1, 2), (1, 2)), torch.tensor([[1.0, 3.0]]))
        >>> near.A(torch.ones(1, 1, 2))
        tensor([[[2., 6.]]])
    """

    at: Tensor

    def __init__(self, physics: Physics, at: Tensor) -> None:
        super().__init__(physics.image_shape, physics.measurement_shape)
        wide = at if at.ndim == len(physics.image_shape) + 1 else at[None]
        if tuple(wide.shape) != (1, *physics.image_shape):
            raise InputError(
                f"expected one image of shape {physics.image_shape} to linearise at, but {tuple(at.shape)} came"
            )
        self.physics = physics
        self.register_buffer("at", wide)

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``, as the operator has it."""
        return self.physics.measured

    def _measure(self, x: Image) -> Measurement:
        with torch.enable_grad():  # the derivative of v -> J^T v, which is linear, is J
            base = self.at.expand(len(x), *self.image_shape).clone().requires_grad_()
            y = self.physics.A(base)
            v = torch.zeros_like(y, requires_grad=True)
            [back] = torch.autograd.grad(y, base, v, create_graph=True)
            [out] = torch.autograd.grad(back, v, x)
        return out

    def _adjoint(self, y: Measurement) -> Image:
        with torch.enable_grad():
            base = self.at.expand(len(y), *self.image_shape).clone().requires_grad_()
            [out] = torch.autograd.grad(self.physics.A(base), base, y)
        return out
