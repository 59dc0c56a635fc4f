"""From a path to numbers, whatever the format: the suffix names the reader."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nullsight.data.container import holds_truth
from nullsight.data.files import read_truth
from nullsight.data.readers.axes import arrange, guess_axes, split_complex
from nullsight.data.readers.base import ArrayFile, Raw, Reader, scaled
from nullsight.data.readers.hdf5 import read_hdf5
from nullsight.data.readers.numpy_files import read_npy, read_npz
from nullsight.data.readers.pictures import PICTURES, read_folder
from nullsight.types import InputError

READERS: dict[str, Reader] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    **PICTURES,
}


def read_array(path: Path | str, key: str | None = None, axes: str | None = None) -> ArrayFile:
    """Read numbers as a file has them: a mask, a matrix, measurements in an array.

    Values and type stay (half precision becomes float32, integers that torch lacks become wider ones). Complex
    ``(..., H, W)`` becomes real ``(..., 2, H, W)``. Pictures come as ``(N, C, H, W)`` in [0, 1].

    Args:
        path: ``.npy``, ``.npz``, ``.h5``, ``.png``, ``.jpg``, ``.tif``, or a folder of pictures.
        key: which array of an ``.npz`` or HDF5 file; not needed where there is one.
        axes: the order of the axes, e.g. ``"NHWC"``; the result is then ``(N, C, ...)``. None: the axes stay.

    Raises:
        InputError: no such file, an unknown suffix, damage, no numbers, NaN or infinite values, axes that do not fit.
    """
    raw = _read(Path(path), key, axes)
    order = raw.axes or axes
    values = split_complex(raw.values) if order is None else arrange(raw.values, order)
    return ArrayFile(_tensor(values, path), raw.names, str(path), raw.note)


def read_images(path: Path | str, key: str | None = None, axes: str | None = None) -> ArrayFile:
    """Read images as ``(N, C, H, W)`` or ``(N, C, L)`` in float32 or float64; 8- and 16-bit values go to [0, 1].

    Args:
        path: as for :func:`read_array`, or a container of ground truth.
        key: as for :func:`read_array`.
        axes: the order of the axes, e.g. ``"NHWC"``; None: guessed where there is only one way to read the shape.

    Raises:
        InputError: as :func:`read_array`, and where the order of the axes could be more than one.
    """
    place = Path(path)
    if holds_truth(place) and key is None and axes is None:
        truth = read_truth(place)
        x = truth.x if truth.has_x is None else truth.x[truth.has_x]
        kept = range(len(truth.x)) if truth.has_x is None else truth.has_x.nonzero()[:, 0].tolist()
        names = None if truth.names is None else tuple(truth.names[i] for i in kept)
        return ArrayFile(x, names, str(path))
    raw = _read(place, key, axes)
    values, note = scaled(raw.values, path)
    values = arrange(values, raw.axes or axes or guess_axes(values.shape, path))
    return ArrayFile(_tensor(values, path), raw.names, str(path), raw.note or note)


def _read(path: Path, key: str | None, axes: str | None) -> Raw:
    if path.is_dir():
        raw = read_folder(path, key)
    else:
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise InputError(
                f"expected a folder of pictures or a file that ends in {', '.join(READERS)}, but {path} came: convert "
                f"it, or check the path"
            )
        raw = reader(path, key)
    if raw.axes is not None and axes is not None:
        raise InputError(f"expected no axes for the pictures in {path}, but {axes!r} came: leave them out")
    return Raw(_native(raw.values, path), raw.axes, raw.names, raw.note)


def _native(values: np.ndarray, path: Path) -> np.ndarray:
    """Return values that are numbers, finite, at least one, in this machine's byte order and of a type torch has."""
    size = values.real.dtype.itemsize if np.iscomplexobj(values) else values.dtype.itemsize
    known = any(np.issubdtype(values.dtype, kind) for kind in (np.number, np.bool_))
    if not known or np.issubdtype(values.dtype, np.timedelta64) or size > 8:  # durations are numbers to NumPy
        raise InputError(f"expected numbers of at most 64 bits in {path}, but {values.dtype} came: convert them")
    if values.size == 0:
        raise InputError(f"expected at least one number in {path}, but its shape is {values.shape}: write it again")
    if np.issubdtype(values.dtype, np.inexact) and not bool(np.isfinite(values).all()):
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError(f"expected finite values in {path}, but there is NaN or infinity at {first}: remove it")
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _tensor(values: np.ndarray, path: Path | str) -> Tensor:
    if np.issubdtype(values.dtype, np.unsignedinteger) and values.dtype.itemsize > 1:
        if int(values.max()) >= 2**63:
            raise InputError(f"expected integers below 2**63 in {path}, but {int(values.max())} came: scale them")
        values = values.astype(np.int32 if values.dtype.itemsize == 2 else np.int64)
    return torch.from_numpy(np.array(values, copy=not values.flags.writeable or None, order="C"))
