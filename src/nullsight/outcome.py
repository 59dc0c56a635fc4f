"""What a command has to say, while it works and when it is done; free of torch."""

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """The lines a command prints and its exit code (0 done, 1 a check failed, 128 + a signal's number: interrupted)."""

    lines: tuple[str, ...]
    code: int = 0
