"""Committed results: one JSON shape, rows merged into it, tables made from it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nullsight.errors import InputError
from nullsight.evaluation.base import Evaluation
from nullsight.evaluation.statistics import Interval, t_interval
from nullsight.storage import write_atomically

Result = dict[str, Any]
_SHARED = ("task", "dataset", "machine", "threads")  # by all rows of a file
_NEEDED = {"psnr_unit", "test_images", "duplicates_counted_once", "commit", "date", "command", "methods", *_SHARED}


@dataclass(frozen=True)
class Setting:
    """What all methods of a result have in common.

    Attributes:
        task: such as "CT, 50 views, 128 x 128".
        dataset: its name and version.
        machine: processor or accelerator.
        threads: of the processor, > 0.
        commit: of this project.
        date: ISO 8601.
        command: that makes the file.
    """

    task: str
    dataset: str
    machine: str
    threads: int
    commit: str
    date: str
    command: str


@dataclass(frozen=True)
class Method:
    """How a method came about: what a reader needs to compare it fairly.

    Attributes:
        uses_truth: whether any reference entered its training.
        helpers: what it needed besides measurements, operator and training: the names of test-time helpers.
        minutes: wall minutes of training, preparation included.
        setup_minutes: the part of them before the first step.
        seeds: of its runs.
        recipe: path of the recipe, or None for a method that is not trained.
        psnr_train_mean: mean PSNR on the training set, dB, where it was scored.
        commit: of this project when its training began; None: that of the scoring.
        date: of that, ISO 8601.
    """

    uses_truth: bool = False
    helpers: tuple[str, ...] = ()
    minutes: float = 0.0
    setup_minutes: float = 0.0
    seeds: tuple[int, ...] = ()
    recipe: str | None = None
    psnr_train_mean: float | None = None
    commit: str | None = None
    date: str | None = None


def to_result(evaluation: Evaluation, setting: Setting, methods: Mapping[str, Method]) -> Result:
    """Return an evaluation against truth in the shape of ``results/NAME.json``.

    Args:
        evaluation: with PSNR, of counted images alone; without SSIM (signals, tiny images) its mean is None.
        setting: what all methods have in common.
        methods: how those methods came about that were trained; the others are taken as not trained.

    Raises:
        InputError: an evaluation without truth, or notes on a method that was not evaluated.
    """
    if "psnr" not in evaluation.metrics:
        raise InputError("expected an evaluation against truth, but it has no PSNR: evaluate with truth")
    for name in methods:
        evaluation.scores(name)
    return {
        **asdict(setting),
        "psnr_unit": f"dB, {evaluation.range_statement}",
        "test_images": sum(evaluation.counted),
        "duplicates_counted_once": True,
        "methods": [_row(evaluation, one.name, methods.get(one.name, Method()), setting) for one in evaluation.methods],
    }


def _row(evaluation: Evaluation, name: str, method: Method, setting: Setting) -> Result:
    of_psnr = evaluation.mean(name, "psnr")
    notes = asdict(method)
    train = notes.pop("psnr_train_mean")
    made = {key: notes.pop(key) for key in ("commit", "date")}  # a row says where it is of another than the file
    return {
        **({} if made["commit"] in (None, setting.commit) else made),
        "name": name,
        "uses_truth": notes.pop("uses_truth"),
        "helpers": list(notes.pop("helpers")),
        "psnr_mean": of_psnr.mean,
        "psnr_ci95": [of_psnr.low, of_psnr.high],
        "psnr": list(evaluation.values(name, "psnr")),
        "psnr_train_mean": train,
        "ssim_mean": evaluation.mean(name, "ssim").mean if "ssim" in evaluation.metrics else None,
        **{**notes, "seeds": list(method.seeds)},
    }


def merge(old: Result, new: Result) -> Result:
    """Return ``new`` with the methods of ``old`` that it lacks; a method in both is taken from ``new``.

    Methods of another commit say so, and when.

    Raises:
        InputError: the two are not about the same task, data, PSNR unit and images.
    """
    check_alike(old, {key: new[key] for key in ("psnr_unit", "test_images", "duplicates_counted_once", *_SHARED)})
    fresh = {row["name"]: row for row in new["methods"]}
    made = {key: old[key] for key in ("commit", "date")}  # of the file's other rows; a row says where it is of another
    apart = {} if made["commit"] == new["commit"] else made
    kept = [fresh.pop(row["name"], {**apart, **row}) for row in old["methods"]]
    return {**new, "methods": [*kept, *fresh.values()]}


def check_alike(old: Result, new: Mapping[str, object]) -> None:
    """Raise an InputError where what all rows of a file share differs between it and what is to come into it."""
    for key, value in new.items():
        if old[key] != value:
            raise InputError(
                f"expected results with the same {key} in one file, but {old[key]!r} and {value!r} came: write them "
                f"to two files"
            )


def check_setting(path: Path | str, setting: Setting) -> None:
    """Raise an InputError where results of this setting cannot go into the file, if it is there: before hours of work.

    Args:
        path: of a results file that may not be there yet.
        setting: of the results to come.
    """
    if Path(path).exists():
        known = asdict(setting)
        check_alike(read_result(path), {key: known[key] for key in _SHARED})


def write_result(path: Path | str, result: Result) -> Result:
    """Write a result, merged with what the file holds already, in one step; return what was written.

    Raises:
        InputError: the file holds something else, or results of another task.
    """
    path = Path(path)
    if path.exists():
        result = merge(read_result(path), result)
    write_atomically(path, json.dumps(_finite(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return result


def read_result(path: Path | str) -> Result:
    """Return the result in a file; InputError where there is none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as reason:
        raise InputError(f"expected a result as JSON in {path}, but it cannot be read: {reason}") from reason
    missing = sorted(_NEEDED - content.keys()) if isinstance(content, dict) else ["everything"]
    if missing:
        raise InputError(f"expected a result as nullsight writes it in {path}, but {', '.join(missing)} is missing")
    found: Result = content
    return found


def markdown_table(
    result: Result,
    against: str | Sequence[str] | None = None,
    beside: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    """Return the table of a result as Markdown: what the file says of each method.

    Its recipe and, where it is of another commit, that commit are left out.

    Args:
        result: as :func:`read_result` returns it.
        against: a method, or several, whose paired differences get a column each.
        beside: columns of figures from elsewhere, dB, by their title; each by the name of the method it stands beside.

    Raises:
        InputError: no method is called ``against``.
    """
    rows: list[Result] = result["methods"]
    wanted = [against] if isinstance(against, str) else list(against or ())
    named = {row["name"]: row for row in rows}
    for name in wanted:
        if name not in named:
            raise InputError(f"expected a method among {', '.join(named)}, but {name!r} came")
    columns: dict[str, list[str]] = {
        "method": [row["name"] for row in rows],
        "truth used": ["yes" if row["uses_truth"] else "no" for row in rows],
        "test-time helpers": [", ".join(row["helpers"]) or "none" for row in rows],
        "PSNR": [_number(row["psnr_mean"], 2) for row in rows],
        "95 % interval": [" .. ".join(_number(bound, 2) for bound in row["psnr_ci95"]) for row in rows],
        **{f"over {name}": [_paired(row["psnr"], named[name]["psnr"]) for row in rows] for name in wanted},
        **{title: [_number(known.get(row["name"]), 2) for row in rows] for title, known in beside.items()},
        "SSIM": [_number(row["ssim_mean"], 3) for row in rows],
        "train PSNR": [_number(row["psnr_train_mean"], 2) for row in rows],
        "minutes": [_number(row["minutes"], 1) for row in rows],
        "of them setup": [_number(row["setup_minutes"], 1) for row in rows],
        "seeds": [", ".join(map(str, row["seeds"])) or "none" for row in rows],
    }
    words = {"method", "truth used", "test-time helpers"}
    lines = [list(columns), ["---" if title in words else "---:" for title in columns]]
    lines += [list(line) for line in zip(*columns.values(), strict=True)]
    once = ", exact duplicates counted once" if result["duplicates_counted_once"] else ""
    note = f"{result['task']}: PSNR in {result['psnr_unit']}; {result['test_images']} distinct test images{once}."
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", note, ""])


def mean_distance(result: Result, one: str, other: str) -> float:
    """Return the mean of ``|PSNR(one) - PSNR(other)|`` over the test images, dB: whether two methods make one picture.

    Images for which one of them has no finite PSNR do not count; NaN where none is left.

    Args:
        result: as :func:`read_result` returns it.
        one: a method.
        other: another one.

    Raises:
        InputError: a method that is not there.
    """
    known = [abs(gap) for gap in _gaps(*_psnr_of(result, one, other)) if not math.isnan(gap)]
    return sum(known) / len(known) if known else math.nan


def paired_difference(result: Result, one: str, other: str) -> Interval:
    """Return the mean over the test images of ``PSNR(one) - PSNR(other)``, dB, and its 95 % t interval.

    Args:
        result: as :func:`read_result` returns it.
        one: a method.
        other: another one.

    Raises:
        InputError: a method that is not there.
    """
    return t_interval(_gaps(*_psnr_of(result, one, other)))


def _psnr_of(result: Result, *methods: str) -> list[list[float | None]]:
    named = {row["name"]: row["psnr"] for row in result["methods"]}
    for name in methods:
        if name not in named:
            raise InputError(f"expected a method among {', '.join(named)}, but {name!r} came")
    return [named[name] for name in methods]


def _gaps(values: Sequence[float | None], base: Sequence[float | None]) -> list[float]:
    return [math.nan if a is None or b is None else a - b for a, b in zip(values, base, strict=True)]


def _paired(values: Sequence[float | None], base: Sequence[float | None]) -> str:
    numbers = _gaps(values, base)
    if not any(numbers):
        return "n/a"
    found = t_interval(numbers)
    return f"{_number(found.mean, 2, '+')} ({_number(found.low, 2, '+')} .. {_number(found.high, 2, '+')})"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:{sign}.{digits}f}"


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for (NaN, infinity) by null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
