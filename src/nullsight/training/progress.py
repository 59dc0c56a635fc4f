"""What a person sees while a run goes on: a bar on a terminal, one plain line a minute in a log, or nothing."""

import sys
import time
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Stream(Protocol):
    """Where text goes, such as ``sys.stderr``."""

    def write(self, text: str, /) -> object:
        """Write text."""
        ...

    def flush(self) -> None:
        """Bring it to the reader."""
        ...

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        ...


@runtime_checkable
class Display(Protocol):
    """Shows how far a run is."""

    def begin(self, step: int, steps: int) -> None:
        """Show that the run starts at ``step`` of ``steps``."""
        ...

    def show(self, step: int, total: float) -> None:
        """Show the loss after ``step``."""
        ...

    def note(self, text: str) -> None:
        """Show a line that stays."""
        ...

    def end(self) -> None:
        """Leave the screen as it should stay."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, step: int, steps: int) -> None:
        """Do nothing."""

    def show(self, step: int, total: float) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class PlainLines:
    """One line every so many seconds, for logs.

    Args:
        stream: where to; None: standard error.
        seconds: between lines.
    """

    def __init__(self, stream: Stream | None = None, seconds: float = 60.0) -> None:
        self.stream, self.seconds = stream, seconds
        self._steps, self._first, self._began, self._next = 0, 0, 0.0, 0.0

    def begin(self, step: int, steps: int) -> None:
        """Start the clock."""
        self._steps, self._first, self._began = steps, step, time.monotonic()
        self._next = self._began + self.seconds

    def show(self, step: int, total: float) -> None:
        """Write a line where its time has come."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self.seconds
        left = (now - self._began) / max(step - self._first, 1) * (self._steps - step) / 60
        self.note(f"step {step} of {self._steps}, loss {total:.4g}, {left:.1f} minutes left")

    def note(self, text: str) -> None:
        """Write a line now."""
        print(text, file=self.stream or sys.stderr, flush=True)

    def end(self) -> None:
        """Do nothing."""


class Bar:
    """A progress bar on a terminal."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def begin(self, step: int, steps: int) -> None:
        """Draw the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(), MofNCompleteColumn(), TextColumn("steps, loss {task.fields[total_loss]:.4g},"),
            TimeRemainingColumn(), TextColumn("left"),
        )  # fmt: skip
        from rich.console import Console

        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("", total=steps, completed=step, total_loss=float("nan"))
        self._progress.start()

    def show(self, step: int, total: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=step, total_loss=total)

    def note(self, text: str) -> None:
        """Write a line above the bar."""
        if self._progress is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._progress.console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        """Leave the bar as it is."""
        if self._progress is not None:
            self._progress.stop()


def display_for(stream: Stream) -> Display:
    """Return a bar where ``stream`` is a terminal, else plain lines."""
    return Bar() if stream.isatty() else PlainLines(stream)
