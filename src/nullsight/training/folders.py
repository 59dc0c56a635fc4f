"""Run folders: their names, and one training in each."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nullsight.types import InputError

_LOCK = "in_use.lock"


def new_run_folder(parent: Path = Path("runs"), title: str = "run") -> Path:
    """Make and return a new folder ``parent/title-date-time``, numbered where that one exists.

    The folder is made in one step, so two runs that start at the same moment get two folders.

    Raises:
        InputError: it cannot be made.
    """
    plain = re.sub(r"[^\w.-]+", "-", title).strip("-.") or "run"
    name = f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for copy in range(1, 10_000):
            folder = parent / (name if copy == 1 else f"{name}-{copy}")
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise InputError(
            f"expected to make a run folder in {parent}, but it cannot be made ({error.strerror})"
        ) from None
    raise InputError(f"expected room for another run in {parent}, but 10000 of this name are there: choose a title")


@contextmanager
def only_here(folder: Path | None) -> Iterator[None]:
    """Keep other processes from training in the same run folder: two would write over each other's checkpoints.

    The system lets go of the folder when the process ends, however it ends. Within it may be asked for again.

    Raises:
        InputError: another process trains there.
    """
    if folder is None:
        yield
        return
    lock = FileLock(folder / _LOCK, is_singleton=True)  # so that whoever has the folder may ask for it again
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"expected {folder} for this training alone, but another process is training in it: wait for it or stop it"
        ) from None
    except OSError as error:
        raise InputError(f"expected to write into {folder}, but it cannot be written ({error.strerror})") from None
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with suppress(OSError):  # where the system does not remove files in use, it stays: nothing is wrong then
                (folder / _LOCK).unlink()
        lock.release()
