"""Files appear whole or not at all: a temporary name, flushed to the disk, then renamed. Every room writes by these."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nullsight.types import InputError

TEMPORARY = ".writing-"
"""How the names begin under which :func:`replace_file` (and checkpoints) write."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def in_a_sentence(path: Path) -> Iterator[None]:
    """Turn what the system says of a write that fails (a full disk, a closed folder) into an :class:`InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(_sentence(path, error)) from error


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing and reading that takes the place ``path`` only when everything in it is on the disk.

    Args:
        path: where the file goes; missing folders above it are made.
        overwrite: whether a file that is there may be replaced.

    Raises:
        InputError: something is there already, the disk is full or the folder cannot be written; nothing is left.
    """
    temporary = _prepare(path, overwrite=overwrite)
    try:
        with in_a_sentence(path):
            with open(temporary, "x+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to be filled that takes the place ``path`` only when everything in it is on the disk.

    Raises:
        InputError: as :func:`whole_file`.
    """
    temporary = _prepare(path, overwrite=overwrite)
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        for inside in temporary.iterdir():
            sync(inside)
        sync(temporary)
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
        sync(path.parent)
    except OSError as error:
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise InputError(_sentence(path, error)) from error
    finally:
        _remove(temporary)
        _remove(old)


def write_atomically(path: Path | str, text: str) -> None:
    """Write a text file so that it is there whole or as it was before, whatever happens in between.

    Raises:
        InputError: as :func:`whole_file`.
    """
    content = text.encode()
    with whole_file(Path(path), overwrite=True) as file:
        file.write(content)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: whoever reads it finds the old content or the new one.

    For files with one writer: the temporary name is always the same, so that what a killed process left behind is
    overwritten by the next one.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    write_flushed(temporary, content)
    os.replace(temporary, path)
    sync(path.parent)


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file; when this returns, it is on the disk."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _prepare(path: Path, *, overwrite: bool) -> Path:
    if path.exists() and not overwrite:
        raise InputError(f"expected a name that is free, but {path} exists: choose another or ask to overwrite it")
    with in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f".{path.name}.{secrets.token_hex(4)}.writing"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return f"expected room for {path}, but the disk is full: free some and write it again (nothing was left behind)"
    reason = error.strerror or str(error)
    return f"expected to be able to write {path}, but it failed ({reason}): check the folder and its permissions"
