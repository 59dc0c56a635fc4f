"""The names every room uses, with their shapes, and the one error that users see.

========  ===============================================================================
``x``     an image, ``(batch, channels, height, width)``; a 1-D signal is
          ``(batch, channels, length)``; complex images are two real channels (re, im)
``y``     a measurement, ``(batch, *physics.measurement_shape)``
``A``     the forward operator of a :class:`~nullsight.physics.base.Physics`
``f``     a reconstructor, ``f(y, physics) -> x``
``g``     a group element, one per image of the batch; ``T_g x`` its action on images
``x1``    ``f(y)``, the reconstruction
``x2``    ``T_g x1``, a virtual image
``x3``    ``f(A x2)``, the virtual image reconstructed from its own measurement
========  ===============================================================================

Notation: Chen, Tachella, Davies, "Equivariant Imaging", ICCV 2021.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from nullsight.errors import InputError as InputError

if TYPE_CHECKING:
    Image: TypeAlias = Tensor
    Measurement: TypeAlias = Tensor
    Element: TypeAlias = Tensor
    Scalar: TypeAlias = Tensor
else:
    try:  # the test run checks shapes at every call; users need not have jaxtyping
        from jaxtyping import Float, Shaped

        Image = Float[Tensor, "batch channels *space"]
        Measurement = Float[Tensor, "batch *measurement"]
        Element = Shaped[Tensor, "batch *parameters"]
        Scalar = Float[Tensor, ""]
    except ImportError:
        Image = Measurement = Element = Scalar = Tensor

Map = Callable[[Tensor], Tensor]


@runtime_checkable
class Acts(Protocol):
    """What the physics needs to know of a group: how it turns a batch of images, one element per image."""

    def act(self, g: Element, x: Image) -> Image:
        """Return ``T_g x``."""
        ...

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``T_g^T x``."""
        ...


@dataclass(frozen=True)
class Batch:
    """Some measurements, the physics that made them, and their numbers in the data set (which seed their draws)."""

    y: Measurement
    physics: Any
    ids: Tensor


def where_measured(values: Tensor, measured: Tensor | None) -> Tensor:
    """Return values that are zero where nothing is measured, ``measured`` as a physics has it (None: all is)."""
    return values if measured is None else torch.where(measured, values, torch.zeros_like(values))


def check_batch(value: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise an :class:`InputError` unless ``value`` is a floating-point batch ``(batch, *shape)``."""
    if not isinstance(value, Tensor):
        raise InputError(
            f"expected a batch of {what}s as a torch tensor, but {type(value).__name__} came: an array goes in with "
            f"torch.from_numpy(...).float()"
        )
    came = tuple(value.shape)
    if came == shape:
        raise InputError(
            f"expected a batch of {what}s of shape (batch, {', '.join(map(str, shape))}), but a single {what} of "
            f"shape {came} came: add a batch axis in front with value[None]"
        )
    if came[1:] != shape or len(came) != len(shape) + 1:
        raise InputError(
            f"expected a batch of {what}s of shape (batch, {', '.join(map(str, shape))}), but shape {came} came: "
            f"check that the {what}s belong to this physics"
        )
    if not value.is_floating_point():
        raise InputError(f"expected a floating-point {what}, but {value.dtype} came: convert it with value.float()")
