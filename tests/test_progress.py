"""What a person sees of a training: a bar on a terminal, lines in a log."""

import io
import sys

import pytest

from nullsight.training import (
    Settings,
    train,
)
from nullsight.training.progress import Bar, Display, PlainLines, display_for
from tests.cases.training import (
    ToyEquivariance,
    toy,
    world,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_log_gets_lines() -> None:
    assert isinstance(display_for(Terminal()), Bar)
    log = io.StringIO()
    assert isinstance(display_for(log), PlainLines)


def test_plain_lines_come_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("nullsight.training.progress.time.monotonic", lambda: now[0])
    log = io.StringIO()
    lines = PlainLines(log)
    lines.begin(0, 100)
    for step in range(1, 101):
        now[0] += 3.0
        lines.show(step, 0.5)
    lines.end()
    written = log.getvalue().splitlines()
    assert len(written) == 5
    assert written[0] == "step 20 of 100, loss 0.5, 4.0 minutes left"


def test_the_bar_shows_steps_and_loss(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    assert isinstance(bar, Display)
    bar.note("before")
    bar.begin(2, 10)
    bar.show(3, 0.25)
    bar.note("a line that stays")
    bar.end()
    shown = capsys.readouterr().err
    assert "before" in shown and "a line that stays" in shown and "3/10" in shown and "0.25" in shown


def test_a_run_shows_its_looks_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    w = world()
    train(toy(), w.data, ToyEquivariance(), Settings(steps=4, evaluate_every=2), held_out=w.held_out)
    shown = capsys.readouterr()
    assert shown.out == "" and "step 2: held_out/total" in shown.err
    assert sys.stderr is not None
