"""HDF5: containers of measurements or images, and one data set of any other file."""

import io
from pathlib import Path

import h5py
import numpy as np

from nullsight.data.container import KINDS, kind_of, read_container
from nullsight.data.readers.base import Raw, read_bytes, unreadable
from nullsight.data.readers.numpy_files import choose
from nullsight.types import InputError

MAIN = {"measurements": "y", "images": "images"}


def read_hdf5(path: Path, key: str | None) -> Raw:
    """Read the measurements or images of a container, or the data set ``key`` (or the only one) of another file.

    Raises:
        InputError: damage, no such data set, or a container of ground truth.
    """
    content = read_bytes(path)
    kind = kind_of(path)
    if kind is None:
        if content.startswith(b"nullsight"):
            read_container(path, "measurements")  # says what is wrong with it
        return Raw(_data_set(path, content, key))
    if kind not in MAIN:
        raise InputError(
            f"expected measurements or images in {path}, but it holds {KINDS.get(kind, kind)}: ground truth is given "
            f"as truth, apart from measurements"
        )
    header, arrays = read_container(path, kind)
    name = MAIN[kind] if key is None else key
    values = arrays[choose(name, sorted(arrays), path)]
    names = header.get("names") if name == MAIN[kind] else None
    return Raw(values, names=None if names is None else tuple(names))


def _data_set(path: Path, content: bytes, key: str | None) -> np.ndarray:
    found: list[str] = []
    try:
        with h5py.File(io.BytesIO(content), "r") as root:
            root.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
            return np.asarray(root[choose(key, sorted(found), path)][()])
    except InputError:
        raise
    except Exception as error:  # the HDF5 library answers damage with errors of every class
        raise unreadable(path, "HDF5", error) from None
