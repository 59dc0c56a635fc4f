"""Tensors become 8-bit pictures, embedded in the page as PNG."""

from base64 import b64encode

import imageio.v3 as imageio
import numpy as np
from torch import Tensor

from nullsight.errors import InputError

Window = tuple[float, float]

# black, violet, red, orange, pale yellow: lightness rises evenly, so errors read in grey print and to colour-blind eyes
_HEAT = np.array([(6, 5, 18), (66, 18, 106), (152, 39, 102), (222, 82, 60), (250, 158, 40), (252, 244, 178)])


def plain(image: Tensor, window: Window | None) -> np.ndarray:
    """Return an image ``(1, 2 or 3, height, width)`` as uint8 ``(height, width)`` or ``(height, width, 3)``.

    Two channels are a complex image, shown as magnitude. ``window`` holds the values of black and white; InputError for
    another shape.
    """
    values = _array(image)
    if values.ndim != 3 or values.shape[0] not in (1, 2, 3):
        raise InputError(
            f"expected an image (channels, height, width) with 1, 2 or 3 channels, but {tuple(image.shape)} came: show "
            f"one channel, or use log_magnitude for k-space"
        )
    if values.shape[0] == 3:
        return _levels(values, window).transpose(1, 2, 0)
    return _levels(values[0] if values.shape[0] == 1 else np.hypot(values[0], values[1]), window)


def log_magnitude(image: Tensor, window: Window | None) -> np.ndarray:
    """Return k-space ``(2, height, width)`` or ``(coils, 2, height, width)`` as uint8, logarithmic over five decades.

    Coils are joined by the root of the sum of squares; the zero frequency should be in the centre. ``window`` is in
    decades relative to the largest magnitude; None: (-5, 0). InputError for another shape.
    """
    values = _array(image)
    if values.ndim not in (3, 4) or values.shape[-3] != 2:
        raise InputError(f"expected k-space (coils, 2, height, width), but shape {tuple(image.shape)} came")
    size = np.sqrt(np.square(values).reshape(-1, *values.shape[-2:]).sum(0))
    top = float(size.max()) or 1.0
    decades = np.log10(np.maximum(size / top, 1e-30))
    return _levels(decades, (-5.0, 0.0) if window is None else window)


def heat(image: Tensor, window: Window | None) -> np.ndarray:
    """Return one channel ``(1, height, width)`` in colours from black (low) to pale yellow (high), uint8.

    Raises:
        InputError: another shape.
    """
    values = _array(image)
    if values.ndim != 3 or values.shape[0] != 1:
        raise InputError(f"expected one channel (1, height, width) for colours, but shape {tuple(image.shape)} came")
    levels = _levels(values[0], window) / 255 * (len(_HEAT) - 1)
    below = np.minimum(levels.astype(int), len(_HEAT) - 2)
    share = (levels - below)[..., None]
    colours: np.ndarray = (1 - share) * _HEAT[below] + share * _HEAT[below + 1]
    return _bytes(colours)


def data_uri(pixels: np.ndarray) -> str:
    """Return uint8 pixels as a PNG in a ``data:`` address.

    Example:
        >>> data_uri(np.zeros((2, 2), np.uint8))[:26]
        'data:image/png;base64,iVBO'
    """
    encoded: bytes = imageio.imwrite("<bytes>", pixels, extension=".png")
    return "data:image/png;base64," + b64encode(encoded).decode()


def _array(image: Tensor) -> np.ndarray:
    return image.detach().cpu().double().numpy()


def _levels(values: np.ndarray, window: Window | None) -> np.ndarray:
    known = np.nan_to_num(values, nan=0.0, posinf=np.finfo(float).max, neginf=np.finfo(float).min)
    low, high = (float(known.min()), float(known.max())) if window is None else window
    share = (np.clip(known, low, high) - low) / (high - low) if high > low else np.zeros_like(known)
    return _bytes(255 * share)


def _bytes(values: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.rint(values).astype(np.uint8)
    return whole
