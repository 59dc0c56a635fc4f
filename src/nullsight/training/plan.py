"""The plan: how many steps a run has, decided once and written into its folder; from then on steps count."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nullsight.storage import in_a_sentence, replace_file
from nullsight.training.settings import Settings
from nullsight.types import InputError

_FILE = "plan.json"
LOOKS = 20  # evaluations a run, unless the settings say
_LINES = 1000  # lines of metrics a run at most, unless the settings say


@dataclass(frozen=True)
class Plan:
    """What was decided before the first step.

    Attributes:
        steps: in all.
        evaluate_every: steps between evaluations.
        log_every: steps a line of metrics is the mean of.
        budget: what was asked for, such as ``("minutes", 10)``.
        seconds_per_step: as timed, evaluations included and checkpoints not; None where nothing was timed.
        preparation_minutes: before the first step, as it was counted.
        trajectory: the settings that a continuation must share.
    """

    steps: int
    evaluate_every: int
    log_every: int
    budget: tuple[str, float]
    seconds_per_step: float | None
    preparation_minutes: float
    trajectory: dict[str, Any]

    def write(self, out: Path) -> None:
        """Write the plan into a run folder."""
        with in_a_sentence(out / _FILE):
            replace_file(out / _FILE, json.dumps(asdict(self), indent=2).encode())

    @staticmethod
    def read(out: Path) -> "Plan | None":
        """Read a run folder's plan; None where it has none; InputError where it cannot be understood."""
        try:
            content = json.loads((out / _FILE).read_text())
            content["budget"] = tuple(content["budget"])
            return Plan(**content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"expected the plan of a run in {out / _FILE}, but it cannot be read: restore it"
            ) from None


def make_plan(
    settings: Settings, steps: int, seconds: float | None, preparation: float, trajectory: dict[str, Any]
) -> Plan:
    """Return the plan of a fresh run of ``steps`` steps."""
    return Plan(
        steps=steps,
        evaluate_every=every(settings.evaluate_every, steps, LOOKS),
        log_every=every(settings.log_every, steps, _LINES),
        budget=settings.budget,
        seconds_per_step=seconds,
        preparation_minutes=preparation,
        trajectory=trajectory,
    )


def every(given: int | None, steps: int, times: int) -> int:
    """Return what is given, else after how many steps something is done that is done at most so many times a run."""
    return given or max(1, math.ceil(steps / times))


def planned_steps(settings: Settings, per_epoch: int) -> int | None:
    """Return the steps that the settings ask for; None where minutes are given and a step must be timed."""
    return settings.steps or (None if settings.epochs is None else settings.epochs * per_epoch)


def steps_in(minutes: float, seconds_per_step: float) -> int:
    """Return how many steps fit into the minutes that are left; at least one."""
    return max(1, math.floor(minutes * 60 / seconds_per_step))


def check_continuation(plan: Plan, trajectory: dict[str, Any]) -> None:
    """Raise an :class:`InputError` where the settings differ from the run's in more than its length.

    A setting that its plan does not have is one that there was not when it began: it goes on with the new one.
    """
    for name, value in trajectory.items():
        before = plan.trajectory.get(name, value)
        if before != value:
            raise InputError(
                f"expected the run's own settings to resume it, with {name} {before!r}, but {value!r} came: only its "
                f"length may change; start a new run from its weights instead"
            )
