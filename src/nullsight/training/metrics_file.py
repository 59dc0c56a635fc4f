"""``metrics.jsonl``: one line of numbers after the other, in memory and, where there is a run folder, in a file."""

import json
import os
from pathlib import Path
from typing import Any

from nullsight.storage import in_a_sentence, replace_file
from nullsight.types import InputError

_FILE = "metrics.jsonl"


class Metrics:
    """The lines of one run.

    Args:
        out: the run folder; None keeps them in memory alone.
        step: lines after this step are cut off, as are half-written ones: the run goes on from there.
    """

    def __init__(self, out: Path | None, step: int = 0) -> None:
        self.path = None if out is None else out / _FILE
        self.lines: list[dict[str, Any]] = []
        if self.path is not None:
            known = read_metrics(self.path.parent)
            self.lines = [line for line in known if line["step"] <= step] if step else []
            with in_a_sentence(self.path):
                replace_file(self.path, "".join(json.dumps(line) + "\n" for line in self.lines).encode())

    def add(self, line: dict[str, Any]) -> None:
        """Write one line."""
        self.lines.append(line)
        if self.path is None:
            return
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InputError(
                f"expected room for {self.path}, but it cannot be written ({error.strerror}); the last checkpoint is "
                f"whole: make room and resume"
            ) from None

    def flush(self) -> None:
        """Make sure that the lines are on the disk."""
        if self.path is not None:
            with in_a_sentence(self.path), open(self.path, "ab") as file:
                os.fsync(file.fileno())


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run folder's metrics; none where there is no file."""
    try:
        text = (out / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = []
    for line in text.split("\n")[:-1]:  # what follows the last line end was not written whole
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and "step" in content:
            lines.append(content)
    return lines
