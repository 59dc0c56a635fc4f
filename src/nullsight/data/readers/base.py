"""What every reader of a file format hands back, before axes are put in order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from torch import Tensor

from nullsight.types import InputError


@dataclass(frozen=True)
class Raw:
    """An array as a file has it.

    Attributes:
        values: of any number type.
        axes: their order where the format knows it, e.g. ``"NHWC"``; None where the user has to say.
        names: what each sample is called, or None.
        note: what was changed in reading, in words; empty: nothing.
    """

    values: np.ndarray
    axes: str | None = None
    names: tuple[str, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class ArrayFile:
    """Numbers from a file.

    Attributes:
        values: the numbers; complex ones as two reals (re, im).
        names: what each sample is called (the file names of a folder), or None.
        source: the path.
        note: what was changed in reading, in words, e.g. ``"8-bit values divided by 255"``; empty: nothing.
    """

    values: Tensor
    names: tuple[str, ...] | None
    source: str
    note: str = ""


Reader: TypeAlias = Callable[[Path, str | None], Raw]


def scaled(values: np.ndarray, source: object) -> tuple[np.ndarray, str]:
    """Return 8- and 16-bit values divided by their type's range, others as they are, and a word on it.

    Raises:
        InputError: integers of another type, whose range says nothing of the image's.
    """
    if values.dtype in (np.uint8, np.uint16):
        top = np.iinfo(values.dtype).max
        return (values / np.float32(top)).astype(np.float32), f"{8 * values.dtype.itemsize}-bit values divided by {top}"
    if values.dtype == np.bool_:
        return values.astype(np.float32), "truth values as 0 and 1"
    if values.dtype.kind in "iu":
        raise InputError(
            f"expected 8- or 16-bit unsigned integers or floating-point numbers, but {values.dtype} came in {source}: "
            f"convert them and state their range"
        )
    return values, ""


def read_bytes(path: Path) -> bytes:
    """Return what is in a file; InputError if it cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected a file {path}, but it cannot be read ({error.strerror}): check the path") from None
    if not content:
        raise InputError(f"expected numbers in {path}, but the file is empty: write it again")
    return content


def unreadable(path: Path, kind: str, error: Exception) -> InputError:
    """Return the error for a file that is not what its suffix says, or damaged."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(f"expected {kind} in {path}, but it cannot be read ({reason}): is it damaged or of another kind?")
