"""What operators of magnetic resonance imaging share: complex values as (re, im), masks, coil sensitivities."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.physics.inpainting import truth_values
from nullsight.types import InputError


def as_complex(parts: Tensor) -> Tensor:
    """Return ``(..., 2, height, width)`` (re, im) as complex ``(..., height, width)``.

    No copy is made where the memory has every number's two parts side by side, as :func:`as_parts` leaves it.
    """
    return torch.view_as_complex(parts.movedim(-3, -1).contiguous())


def as_parts(values: Tensor) -> Tensor:
    """Return complex ``(..., height, width)`` as ``(..., 2, height, width)`` (re, im), a view of the same memory."""
    return torch.view_as_real(values).movedim(-1, -3)


def combine(maps: Tensor, images: Tensor) -> Tensor:
    """Return ``sum_c conj(S_c) x_c``, complex.

    Args:
        maps: ``(1 or batch, coils, height, width)``.
        images: ``(batch, coils, height, width)``.
    """
    out = torch.zeros_like(images[:, 0])
    add_combined(out, maps, images)
    return out


def add_combined(out: Tensor, maps: Tensor, images: Tensor) -> None:
    """Add ``sum_c conj(S_c) x_c`` to ``out``, ``(batch, height, width)``, in place; arguments as in :func:`combine`."""
    for coil in range(images.shape[1]):  # coil by coil, so that what is added up stays in the processor's cache
        out.addcmul_(maps[:, coil].conj(), images[:, coil])


def complex_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the image shape as a tuple; InputError where it is not ``(2, height, width)``."""
    shape = tuple(int(n) for n in image_shape)
    if len(shape) != 3 or shape[0] != 2:
        raise InputError(
            f"expected a complex image (2, height, width) with channels re and im, but {shape} came: stack the real "
            f"and the imaginary part along the channels (zeros for a real image)"
        )
    return 2, shape[1], shape[2]


def frequency_mask(mask: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Return which frequencies are measured, bool ``(1 or batch, 1, 1, height, width)``.

    Args:
        mask: zeros and ones, ``(height, width)``, ``(1 or batch, height, width)`` or as it is returned.
        image_shape: ``(2, height, width)``.

    Raises:
        InputError: another shape, or values between 0 and 1.
    """
    wide = mask[None, None, None] if mask.ndim == 2 else mask[:, None, None] if mask.ndim == 3 else mask
    if wide.ndim != 5 or tuple(wide.shape[1:]) != (1, 1, *image_shape[1:]):
        raise InputError(
            f"expected a mask of shape {image_shape[1:]} or (batch, {image_shape[1]}, {image_shape[2]}), but "
            f"{tuple(mask.shape)} came: give one value for every spatial frequency, the zero frequency in the middle"
        )
    return truth_values(wide, "mask")


def sensitivities(maps: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Return maps with their batch axis, floating point, every number's two parts side by side in memory.

    Args:
        maps: ``(coils, 2, height, width)`` or ``(1 or batch, coils, 2, height, width)``.
        image_shape: ``(2, height, width)``.

    Raises:
        InputError: another shape, NaN or infinite values.
    """
    wide = maps[None] if maps.ndim == 4 else maps
    if wide.ndim != 5 or tuple(wide.shape[2:]) != image_shape or 0 in wide.shape:
        raise InputError(
            f"expected coil sensitivities of shape (coils, {', '.join(map(str, image_shape))}), with or without a "
            f"batch axis in front, but {tuple(maps.shape)} came: real and imaginary part lie along the axis behind the "
            f"coils"
        )
    wide = wide if wide.is_floating_point() else wide.to(torch.get_default_dtype())
    if not bool(torch.isfinite(wide).all()):
        raise InputError(
            "expected finite coil sensitivities, but NaN or infinite values came: set them to 0 where nothing is known"
        )
    return as_parts(as_complex(wide))


def normalised(maps: Tensor) -> Tensor:
    """Return sensitivities ``(..., coils, 2, height, width)`` with ``sum_c |S_c|^2 = 1``; zero where all of them are.

    Example:
        >>> normalised(torch.tensor([3.0, 0.0, 4.0, 0.0]).reshape(2, 2, 1, 1)).flatten()
        tensor([0.6000, 0.0000, 0.8000, 0.0000])
    """
    size = maps.square().sum((-4, -3), keepdim=True).sqrt()
    return maps / torch.where(size > 0, size, torch.ones_like(size))
