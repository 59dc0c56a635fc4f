"""The bytes of a container: HDF5 with a checksum in front that is verified before anything else is believed.

Layout: 512 bytes (the HDF5 user block) with a first line of text and the BLAKE2b checksum of all bytes behind it; then
HDF5 with the root attributes ``format``, ``kind``, ``format_version`` and ``created_by``, a dataset ``header`` (JSON in
UTF-8) and one dataset an array under ``arrays``. The header lists type, shape and checksum of each array, so a
container whose first bytes another program has rewritten is still verified.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from nullsight import __version__
from nullsight.storage import whole_file
from nullsight.types import InputError

FORMAT = "nullsight"
VERSION = 1
TRUTH = "truth"
KINDS = {"measurements": "measurements", TRUTH: "ground truth", "images": "images"}

_FRONT = 512  # bytes: the smallest user block that HDF5 has
_MAGIC = b"nullsight container; BLAKE2b-256 of all bytes from 512 on: "
_BLOCK = 1 << 20  # bytes read at a time


def write_container(
    path: Path, kind: str, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, overwrite: bool = False
) -> None:
    """Write a container, whole or not at all.

    Raises:
        InputError: the file exists, the disk is full, or the header cannot be written as JSON.
    """
    listed = {name: _card(value) for name, value in arrays.items()}
    try:
        text = json.dumps({**header, "arrays": listed}, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"expected descriptions of plain numbers, texts, lists and tables, but {error}") from None
    with whole_file(path, overwrite=overwrite) as file:
        try:
            with h5py.File(file, "w", userblock_size=_FRONT) as root:
                marks = {"format": FORMAT, "kind": kind, "format_version": VERSION}
                for name, mark in {**marks, "created_by": f"nullsight {__version__}", "header": _digest(text)}.items():
                    root.attrs[name] = mark
                root.create_dataset("header", data=np.frombuffer(text, np.uint8))
                for number, value in enumerate(arrays.values()):
                    root.create_dataset(f"arrays/{number}", data=value)
        except RuntimeError as error:  # the HDF5 library's word for a write that failed while closing
            raise OSError(str(error)) from error
        checksum = _rest(file)
        file.seek(0)
        file.write((_MAGIC + checksum.encode() + b"\n").ljust(_FRONT, b"\0"))


def read_container(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read header and arrays of a container of this kind, all of them verified.

    Raises:
        InputError: no such file, another format, kind or version, or damage of any sort.
    """
    try:
        with open(path, "rb") as file:
            _verify_front(path, file)
            with h5py.File(file, "r") as root:
                _verify_marks(path, kind, root)
                return _content(path, root)
    except InputError:
        raise
    except OSError as error:
        if error.filename is not None:  # from opening the file, not from the HDF5 library
            raise InputError(f"expected a file {path}, but it cannot be read ({error.strerror}): check it") from None
        raise InputError(_damaged(path, str(error))) from None
    except Exception as error:  # the HDF5 library answers damage with errors of every class
        raise InputError(_damaged(path, str(error))) from None


def read_header(path: Path) -> dict[str, Any]:
    """Return a container's header without a look at its arrays; nothing of another file, or of one that is damaged."""
    try:
        with h5py.File(path, "r") as root:
            text = root["header"][()].tobytes()
            whole = root.attrs.get("format") == FORMAT and _digest(text) == root.attrs["header"]
            header: dict[str, Any] = json.loads(text) if whole else {}
            return header
    except Exception:  # whatever is wrong, its reader will say so
        return {}


def kind_of(path: Path) -> str | None:
    """Return the kind of a container, unverified; None for another file, or one that cannot be read."""
    try:
        with open(path, "rb") as file:
            _verify_front(path, file)
            with h5py.File(file, "r") as root:
                return str(root.attrs["kind"]) if root.attrs.get("format") == FORMAT else None
    except Exception:  # whatever is wrong, its reader will say so
        return None


def holds_truth(path: Path) -> bool:
    """Return whether a file is a container of ground truth."""
    return kind_of(path) == TRUTH


def _verify_front(path: Path, file: BinaryIO) -> None:
    front = file.read(_FRONT)
    if not front:
        raise InputError(f"expected a container in {path}, but the file is empty: write it again")
    if front.startswith(_MAGIC):
        stated = front[len(_MAGIC) :].rstrip(b"\0").strip()
        if stated != _rest(file).encode():
            raise InputError(_damaged(path, "its bytes do not match their checksum"))
    file.seek(0)


def _verify_marks(path: Path, kind: str, root: h5py.File) -> None:
    if root.attrs.get("format") != FORMAT:
        raise InputError(f"expected a nullsight container, but {path} is another HDF5 file: name its data set as key")
    here, version = str(root.attrs["kind"]), int(root.attrs["format_version"])
    if version != VERSION:
        maker = root.attrs.get("created_by", "unknown")
        raise InputError(
            f"expected a container of format version {VERSION}, but {path} has version {version} (by {maker}): read "
            f"it with that program"
        )
    if here != kind:
        raise InputError(
            f"expected {KINDS[kind]} in {path}, but it holds {KINDS.get(here, here)}: give the file of {KINDS[kind]}"
        )


def _content(path: Path, root: h5py.File) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    text = root["header"][()].tobytes()
    if _digest(text) != root.attrs["header"]:
        raise InputError(_damaged(path, "its header does not match its checksum"))
    header = json.loads(text)
    arrays: dict[str, np.ndarray] = {}
    for number, (name, card) in enumerate(header.pop("arrays").items()):
        value = np.asarray(root[f"arrays/{number}"][()])
        if _card(value) != card:
            raise InputError(_damaged(path, f"the array {name!r} does not match its checksum"))
        arrays[name] = value
    return header, arrays


def _card(value: np.ndarray) -> dict[str, Any]:
    return {
        "dtype": value.dtype.name,
        "shape": list(value.shape),
        "blake2b": _digest(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data),
    }


def _digest(content: bytes | memoryview) -> str:
    return blake2b(content, digest_size=32).hexdigest()


def _rest(file: BinaryIO) -> str:
    file.seek(_FRONT)
    return digest_stream(file)


def digest_stream(file: BinaryIO) -> str:
    """Return the BLAKE2b-256 checksum of what is left of an open file, in hexadecimal digits."""
    known = blake2b(digest_size=32)
    while block := file.read(_BLOCK):
        known.update(block)
    return known.hexdigest()


def _damaged(path: Path, reason: str) -> str:
    return f"expected a whole container in {path}, but it is damaged ({reason}): copy or write it again"
