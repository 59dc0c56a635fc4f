"""What a command has to say when it is done; free of torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The lines a command prints and its exit code (0 done, 1 a check failed, 130 interrupted)."""

    lines: tuple[str, ...]
    code: int = 0
