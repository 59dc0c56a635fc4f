"""From minutes to steps: a few real steps are timed and undone, and the plan is made, once."""

import time
from dataclasses import replace
from typing import Any

from nullsight.training.loop import Loop
from nullsight.training.plan import LOOKS, Plan, every, make_plan, planned_steps, steps_in
from nullsight.types import InputError

_LEAST = 3  # timed steps, after one that warms up
_MOST = 300
_SHARE = 0.03  # of the budget may go into timing, once the least is done


def plan_for(loop: Loop, trajectory: dict[str, Any]) -> tuple[Plan, dict[str, float]]:
    """Return the plan of a fresh run and the scores before its first step.

    With a budget in minutes the preparation up to here counts, and so will the evaluations. Where that leaves no time,
    one step is planned, and the display says so.
    """
    settings, backend = loop.settings, loop.backend
    scores, look = _timed_look(loop)
    steps, seconds = planned_steps(settings, loop.order.per_epoch), None
    if steps is None:
        seconds = seconds_per_step(loop, settings.budget[1])
        if settings.evaluate_every is None:
            steps = _steps_left(loop, settings.budget[1], LOOKS * look, seconds)
            seconds += look / every(None, steps, LOOKS)  # what a continuation reckons with
        else:
            seconds += look / settings.evaluate_every
            steps = _steps_left(loop, settings.budget[1], 0.0, seconds)
    preparation = (time.monotonic() - loop.began) / 60
    plan = make_plan(settings, steps, seconds, preparation, trajectory)
    return backend.from_first(lambda: plan), scores


def lengthened_plan(loop: Loop, plan: Plan) -> Plan:
    """Return the plan of a run that goes on with another budget, which counts from the run's beginning.

    Of minutes the run has had those up to its last checkpoint and those of getting ready to go on. A step is timed
    anew: the machine may do other work than it did then.

    Raises:
        InputError: the run is beyond that budget already.
    """
    settings, state = loop.settings, loop.state
    steps, seconds = planned_steps(settings, loop.order.per_epoch), plan.seconds_per_step
    name, value = settings.budget
    if steps is None:
        seconds = seconds_per_step(loop, value) + _timed_look(loop)[1] / (
            settings.evaluate_every or plan.evaluate_every
        )
        steps = state.step + (_steps_left(loop, value, 0.0, seconds) if value > state.minutes else -1)
    if steps < state.step:
        raise InputError(
            f"expected a budget above the {state.step} steps ({state.minutes:.1f} minutes) that this run has had, "
            f"but {name} = {value} came: the budget counts from the run's beginning"
        )
    state.misses = 0
    longer = replace(
        plan,
        steps=steps,
        budget=settings.budget,
        seconds_per_step=seconds,
        evaluate_every=settings.evaluate_every or plan.evaluate_every,
        log_every=settings.log_every or plan.log_every,
    )
    decided: Plan = loop.backend.from_first(lambda: longer)
    return decided


def _timed_look(loop: Loop) -> tuple[dict[str, float], float]:
    """Return the scores of this moment and the seconds that they took."""
    before = time.monotonic()
    scores: dict[str, float] = loop.backend.from_first(loop.evaluate)
    return scores, time.monotonic() - before


def seconds_per_step(loop: Loop, minutes: float) -> float:
    """Time some steps and put everything back as it was before them."""
    snapshot = loop.state.snapshot()
    allowed, spent, count = minutes * 60 * _SHARE, 0.0, 0
    loop.step(0.5, 0.0)  # half way through, where terms that come in slowly are there, and without moving the weights
    while loop.backend.any(count < _LEAST or (spent < allowed and count < _MOST)):
        before = time.monotonic()
        loop.step(0.5, 0.0)
        spent, count = spent + time.monotonic() - before, count + 1
    loop.state.restore(snapshot, "the run")
    return spent / count


def _steps_left(loop: Loop, minutes: float, looks: float, seconds: float) -> int:
    """Return how many steps of so many seconds fit into what is left of the minutes after ``looks`` seconds of looks.

    At least one. The display says so where there is no time for it, or for less than one pass over the data.
    """
    left = minutes - loop.minutes() - looks / 60
    steps = steps_in(left, seconds)
    if left <= 0:
        loop.display.note(
            f"getting ready and looking at the run take all of its {minutes:g} minutes: one step is taken; give it more"
        )
    elif loop.state.step + steps < loop.order.per_epoch:
        loop.display.note(
            f"a step takes {seconds:.2g} seconds, so what is left of {minutes:g} minutes is less than one pass over "
            f"the data ({steps} of {loop.order.per_epoch} steps), and little is learned: give it more minutes, or "
            f"training.threads=1 where other programs need the processor too"
        )
    return steps


def tell_pace(loop: Loop, plan: Plan, steps: int, minutes: float) -> None:
    """Say so where a finished run leaves more than half of its minutes unused, as its steps were timed too slow.

    Args:
        loop: of the run.
        plan: of the run.
        steps: taken since it began or went on.
        minutes: in which they were taken.
    """
    budget = loop.settings.minutes
    if budget is None or plan.seconds_per_step is None or not steps:
        return
    found = minutes * 60 / steps
    if loop.state.step >= plan.steps and found < plan.seconds_per_step / 2 and loop.minutes() < budget / 2:
        loop.display.note(
            f"steps took {found:.2g} seconds and not {plan.seconds_per_step:.2g} as timed before the first one (was "
            f"the machine busy then?), so {loop.minutes():.2g} of {budget:g} minutes are used: train again, "
            f"or go on with more minutes, for which a step is timed anew"
        )
