"""Names of run folders."""

import re
import time
from pathlib import Path

from nullsight.types import InputError


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
