"""Operators of other libraries: anything with ``A``, ``A_adjoint`` and ``A_dagger`` for batches of tensors."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from nullsight.physics.base import LinearPhysics, Physics, stated_error
from nullsight.types import Image, Measurement


@runtime_checkable
class Operator(Protocol):
    """What :class:`Foreign` asks for: methods that take batched tensors (the convention of DeepInverse)."""

    def A(self, x: Tensor) -> Tensor:
        """Measure a batch of images."""
        ...

    def A_dagger(self, y: Tensor) -> Tensor:
        """Return an approximate inverse."""
        ...


@runtime_checkable
class LinearOperator(Operator, Protocol):
    """What :class:`ForeignLinear` asks for besides."""

    def A_adjoint(self, y: Tensor) -> Tensor:
        """Return the transpose."""
        ...


class Foreign(Physics):
    """A foreign operator, linear or not; gradients are those that autograd finds in its methods.

    Args:
        operator: an object with ``A`` and ``A_dagger``.
        image_shape: without batch, ``(channels, ...)``.
        measurement_shape: without batch.
        dagger_error: stated ``|A A_dagger A x - A x| / |A x|`` on white images; None: measured when first asked for.

    Example:
        >>> import torch
        >>> class Square:
        ...     def A(self, x):
        ...         return x**2
        ...     def A_dagger(self, y):
        ...         return y.clamp_min(0).sqrt()
        >>> Foreign(Square(), (1, 2), (1, 2)).A(torch.full((1, 1, 2), 3.0))
        tensor([[[9., 9.]]])
    """

    def __init__(
        self,
        operator: Operator,
        image_shape: Sequence[int],
        measurement_shape: Sequence[int],
        dagger_error: float | None = None,
    ) -> None:
        super().__init__(image_shape, measurement_shape)
        self.operator = operator
        self._stated = dagger_error

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """The stated error, or else the one measured on 8 white images, with 20 % to spare."""
        return stated_error(self) if self._stated is None else self._stated

    def _measure(self, x: Image) -> Measurement:
        return self.operator.A(x)

    def _invert(self, y: Measurement) -> Image:
        return self.operator.A_dagger(y)


class ForeignLinear(Foreign, LinearPhysics):
    """A foreign linear operator; its own ``A_adjoint`` is the gradient of ``A`` (``nullsight check`` tells its error).

    Args:
        operator: an object with ``A``, ``A_adjoint`` and ``A_dagger``.
        image_shape: without batch, ``(channels, ...)``.
        measurement_shape: without batch.
        dagger_error: stated ``|A A_dagger A x - A x| / |A x|`` on white images; None: measured when first asked for.

    Example:
        >>> class Double:
        ...     def A(self, x):
        ...         return 2 * x
        ...     def A_adjoint(self, y):
        ...         return 2 * y
        ...     def A_dagger(self, y):
        ...         return y / 2
        >>> ForeignLinear(Double(), (1, 2), (1, 2)).dagger_error
        0.0
    """

    operator: LinearOperator

    def __init__(
        self,
        operator: LinearOperator,
        image_shape: Sequence[int],
        measurement_shape: Sequence[int],
        dagger_error: float | None = None,
    ) -> None:
        super().__init__(operator, image_shape, measurement_shape, dagger_error)

    def _adjoint(self, y: Measurement) -> Image:
        return self.operator.A_adjoint(y)
