"""NumPy's ``.npy`` and ``.npz``; never pickles."""

import io
import zipfile
from pathlib import Path

import numpy as np

from nullsight.data.readers.base import Raw, read_bytes, unreadable
from nullsight.types import InputError

_MAGIC = b"\x93NUMPY"


def read_npy(path: Path, key: str | None) -> Raw:
    """Read a ``.npy`` file."""
    if key is not None:
        raise InputError(f"expected no key for {path}, which holds one array, but {key!r} came: leave the key out")
    return Raw(_array(path, read_bytes(path)))


def read_npz(path: Path, key: str | None) -> Raw:
    """Read one array of a ``.npz`` file: the one named, or the only one."""
    content = read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = {name.removesuffix(".npy"): name for name in archive.namelist()}
            name = choose(key, sorted(inside), path)
            member = archive.read(inside[name])
    except InputError:
        raise
    except Exception as error:  # zipfile and its decompressors answer damage with errors of many classes
        raise unreadable(path, "a .npz archive", error) from None
    return Raw(_array(path, member))


def choose(key: str | None, keys: list[str], path: Path) -> str:
    """Return the key asked for, or the only one; InputError names those there are."""
    if key is None and len(keys) == 1:
        return keys[0]
    if key in keys:
        return str(key)
    came = "no key" if key is None else repr(key)
    raise InputError(f"expected as key one of the arrays in {path} ({', '.join(keys) or 'none'}), but {came} came")


def _array(path: Path, content: bytes) -> np.ndarray:
    if not content.startswith(_MAGIC):
        raise InputError(f"expected a NumPy array in {path}, but its content is something else: save it with np.save")
    try:
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except Exception as error:  # a damaged header is parsed as text and may fail in any way
        if "allow_pickle" in str(error):
            raise InputError(
                f"expected plain numbers in {path}, but it holds Python objects (a pickle), which are never loaded: "
                f"save an array of numbers"
            ) from None
        raise unreadable(path, "a NumPy array", error) from None
