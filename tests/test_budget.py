"""From minutes to steps: what counts in a budget, with a clock that stands still."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nullsight.app.dry_run import without_looks
from nullsight.training import Settings, Silent, timing
from nullsight.training.loop import Loop
from nullsight.training.order import Order
from nullsight.training.plan import Plan
from nullsight.types import InputError


class Notes(Silent):
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


class Still(Loop):
    """A run at step 100 that has had some minutes, ``ready`` more for getting ready, and has looks of some seconds."""

    def __init__(self, settings: Settings, *, had: float = 0.0, ready: float = 0.0, look: float = 0.0) -> None:
        self.settings, self.had, self.ready, self.look = settings, had, ready, look
        self.state: Any = SimpleNamespace(step=100, minutes=had, misses=3)
        self.backend: Any = SimpleNamespace(from_first=lambda make: make())
        self.order = Order(20, 2, 0)
        self.display = self.notes = Notes()
        self.began = self.now = 0.0

    def minutes(self) -> float:
        return self.had + self.ready

    def evaluate(self) -> dict[str, float]:
        self.now += self.look
        return {}


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Still]:
    """Make a run whose clock stands still but for looks, with steps of half a second."""

    def make(settings: Settings, **more: float) -> Still:
        loop = Still(settings, **more)
        monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: loop.now))
        monkeypatch.setattr(timing, "seconds_per_step", lambda *_: 0.5)
        return loop

    return make


def plan(seconds: float | None) -> Plan:
    return Plan(100, 5, 1, ("minutes", 2.0), seconds, 0.5, {})


@pytest.mark.parametrize(
    ("given", "ready", "look", "steps", "seconds"), [(None, 6.0, 3.0, 360, 0.5 + 3 / 18), (10, 2.0, 5.0, 480, 1.0)]
)
def test_preparation_and_looks_are_in_the_minutes(
    still: Callable[..., Still], given: int | None, ready: float, look: float, steps: int, seconds: float
) -> None:
    fresh = still(Settings(minutes=10, evaluate_every=given), ready=ready, look=look)
    made, _ = timing.plan_for(fresh, {})
    assert made.steps == steps and not fresh.notes.told
    assert made.seconds_per_step == pytest.approx(seconds)
    assert made.evaluate_every == (given or 18)


def test_a_budget_that_preparation_takes_whole_is_told(still: Callable[..., Still]) -> None:
    fresh = still(Settings(minutes=1), ready=1.5)
    assert timing.plan_for(fresh, {})[0].steps == 1
    assert [note.count("all of its 1 minutes") for note in fresh.notes.told] == [1]


def test_a_plan_of_less_than_a_pass_over_the_data_is_told(still: Callable[..., Still]) -> None:
    fresh = still(Settings(minutes=1, evaluate_every=1), ready=0.95)
    fresh.state.step = 0
    assert timing.plan_for(fresh, {})[0].steps == 6
    assert [note.count("(6 of 10 steps)") for note in fresh.notes.told] == [1]


@pytest.mark.parametrize(
    ("minutes", "step", "told"),
    [
        (0.4, 100, 1),
        (0.4, 99, 0),
        (4.0, 100, 0),
        (0.9, 100, 0),
    ],  # early, interrupted, most of the budget, nearly so slow
)
def test_steps_that_were_timed_too_slow_are_told(
    still: Callable[..., Still], minutes: float, step: int, told: int
) -> None:
    run = still(Settings(minutes=2), ready=minutes)
    run.state.step = step
    timing.tell_pace(run, plan(0.5), 50, minutes / 2)
    assert len(run.notes.told) == told


def test_getting_ready_again_counts_in_a_longer_budget(still: Callable[..., Still]) -> None:
    longer = still(Settings(minutes=5), had=2.0, ready=1.0)
    made = timing.lengthened_plan(longer, plan(0.25))
    assert made.steps == 100 + 240 and made.budget == ("minutes", 5) and longer.state.misses == 0
    short = still(Settings(minutes=2.5), had=2.0, ready=1.0)
    assert timing.lengthened_plan(short, plan(0.25)).steps == 101 and len(short.notes.told) == 1
    with pytest.raises(InputError, match=r"100 steps \(2.0 minutes\)"):
        timing.lengthened_plan(still(Settings(minutes=1.5), had=2.0, ready=1.0), plan(0.25))


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        (Settings(minutes=10), 1000 - 20 * 3 / 0.5),
        (Settings(minutes=10, evaluate_every=6), 500),  # a look of six steps after every six
        (Settings(steps=1000, evaluate_every=6), 1000),
        (Settings(minutes=10, evaluate_every=1), 1000 / 7),
    ],
)
def test_a_dry_run_leaves_out_what_looks_take(settings: Settings, left: float) -> None:
    assert without_looks(settings, 1000, 0.5, 3.0) == int(left)
    assert without_looks(settings, 1, 0.5, 3.0) == 1
