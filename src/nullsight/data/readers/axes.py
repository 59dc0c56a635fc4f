"""The order of axes, written as letters such as ``"NHWC"``: N samples, C channels, D H W a grid, L a line."""

import numpy as np

from nullsight.types import InputError

_ORDER = "NCDHWL"
_SPACES = ("HW", "DHW", "L")
_CHANNELS = (1, 2, 3)


def arrange(values: np.ndarray, axes: str) -> np.ndarray:
    """Return ``values`` as ``(N, C, *space)``; missing N and C become axes of 1, complex numbers two reals (re, im).

    The axis of real and imaginary part is the channel axis where there is none, else it follows the channels
    (``(N, coils, H, W)`` becomes ``(N, coils, 2, H, W)``).

    Raises:
        InputError: letters that are not known or come twice, or another number of axes.

    Example:
        >>> arrange(np.zeros((5, 8, 9, 3)), "NHWC").shape
        (5, 3, 8, 9)
        >>> arrange(np.zeros((4, 8, 9), complex), "CHW").shape
        (1, 4, 2, 8, 9)
    """
    space = "".join(letter for letter in _ORDER[2:] if letter in axes)
    if not set(axes) <= set(_ORDER) or len(set(axes)) != len(axes) or space not in _SPACES:
        raise InputError(
            f"expected axes such as 'NHWC', 'NCHW', 'NHW' or 'NL' (N samples, C channels, D H W a grid, L a line), but "
            f"{axes!r} came"
        )
    if len(axes) != values.ndim:
        raise InputError(
            f"expected an array with {len(axes)} axes as {axes!r} says, but its shape is {values.shape}: write one "
            f"letter for each of its {values.ndim} axes"
        )
    values = values.transpose([axes.index(letter) for letter in _ORDER if letter in axes])
    if "N" not in axes:
        values = values[None]
    if np.iscomplexobj(values):
        values = np.stack([values.real, values.imag], axis=1 if "C" not in axes else 2)
    elif "C" not in axes:
        values = values[:, None]
    return np.ascontiguousarray(values)


def split_complex(values: np.ndarray) -> np.ndarray:
    """Return complex ``(..., H, W)`` as reals ``(..., 2, H, W)``, a complex line ``(L,)`` as ``(2, L)``."""
    if not np.iscomplexobj(values):
        return values
    return np.stack([values.real, values.imag], axis=-min(values.ndim, 2) - 1)


def guess_axes(shape: tuple[int, ...], source: object) -> str:
    """Return the order of the axes of images where there is only one way to read their shape.

    Raises:
        InputError: more than one way, which are named.
    """
    first, last = (len(shape) > 1 and shape[-3:][0] in _CHANNELS), shape[-1:] != () and shape[-1] in _CHANNELS
    ways = {
        4: [way for way, fits in (("NCHW", first), ("NHWC", last)) if fits],
        3: ["NHW"] + [way for way, fits in (("CHW", first), ("HWC", last)) if fits],
        2: ["HW", "NL"],
    }.get(len(shape), [])
    if len(ways) == 1:
        return ways[0]
    said = f"{' or '.join(map(repr, ways))} would fit" if ways else "no usual order fits"
    raise InputError(
        f"expected images whose order of axes is plain, but {source} has shape {shape} and {said}: state it, e.g. "
        f"axes = 'NHWC' (N samples, C channels, H rows, W columns)"
    )
