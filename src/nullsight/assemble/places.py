"""What a recipe means by a path."""

import os
import re
from pathlib import Path

from nullsight.types import InputError


def place(name: str, root: Path) -> Path:
    """Return the path that a recipe means, whole: environment variables and ``~`` filled in, relative to the recipe.

    The folder is resolved, the file itself is not: a link keeps its name, by whose ending formats are told apart.

    Args:
        name: as the recipe has it.
        root: the recipe's folder.

    Raises:
        InputError: a variable that is not set.

    Example:
        >>> place("../scans/train.h5", Path("/data/experiments")).as_posix()
        '/data/scans/train.h5'
    """
    missing = [known for known in re.findall(r"\$\{?(\w+)", name) if known not in os.environ]
    if missing:
        raise InputError(
            f"expected the environment variable {missing[0]} for {name!r}, but it is not set: point it to the folder "
            f"of the data"
        )
    path = root / Path(os.path.expandvars(name)).expanduser()
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
