"""Committed curves: rows that have a number for each image at each place of an axis, such as the noise level.

``results/curves/NAME.json`` = ``{"task", "dataset", "machine", "threads", "commit", "date", "command", "x_label", "x",
"value_label", "rows": [{"name", "uses_truth", "values": [a list of one number an image for each x], "minutes",
"seeds"}]}``. A row can be written as soon as it is there; the others stay.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nullsight.errors import InputError
from nullsight.evaluation.results import Result, Setting
from nullsight.evaluation.statistics import t_interval
from nullsight.storage import write_atomically


@dataclass(frozen=True)
class Axes:
    """What the curves of a file have in common.

    Attributes:
        x_label: of the horizontal axis, with unit.
        x: its places.
        value_label: of the numbers, with unit.

    Raises:
        InputError: no place.
    """

    x_label: str
    x: tuple[float | str, ...]
    value_label: str

    def __post_init__(self) -> None:
        """Refuse an axis without places."""
        if not self.x:
            raise InputError(f"expected places on the axis {self.x_label!r}, but none came: give at least one")


@dataclass(frozen=True)
class CurveRow:
    """One method's curve.

    Attributes:
        name: of the method.
        values: for each place of the axis one number an image.
        uses_truth: whether any reference entered its training.
        minutes: wall minutes of training.
        seeds: of its runs.
    """

    name: str
    values: tuple[tuple[float, ...], ...]
    uses_truth: bool = False
    minutes: float = 0.0
    seeds: tuple[int, ...] = ()


def write_curve(path: Path | str, setting: Setting, axes: Axes, row: CurveRow) -> Result:
    """Write a row into a file of curves, in the place of one of its name, and return what was written.

    Args:
        path: the file; it is made where it is not there.
        setting: task, data, machine and command; those of the last row written stand.
        axes: of all rows.
        row: the method.

    Raises:
        InputError: a file of another task, machine or axes, or not one list of values a place.
    """
    if len(row.values) != len(axes.x) or len({len(few) for few in row.values}) != 1:
        raise InputError(
            f"expected as many values at each of the {len(axes.x)} places of {axes.x_label!r}, but "
            f"{[len(few) for few in row.values]} came"
        )
    head = {**asdict(setting), **asdict(axes), "x": list(axes.x)}
    rows: list[Result] = []
    if Path(path).exists():
        old = read_curves(path)
        for key in ("task", "dataset", "machine", "threads", "x_label", "x", "value_label"):
            if old[key] != head[key]:
                raise InputError(
                    f"expected curves with the same {key} in {path}, but {old[key]!r} and {head[key]!r} came: write "
                    f"them to two files"
                )
        rows = old["rows"]
    fresh = {**asdict(row), "values": [list(few) for few in row.values], "seeds": list(row.seeds)}
    known = {one["name"]: one for one in rows} | {row.name: fresh}
    result = {**head, "rows": list(known.values())}
    write_atomically(Path(path), json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return result


def read_curves(path: Path | str) -> Result:
    """Return the curves in a file; InputError where there are none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as reason:
        raise InputError(f"expected curves as JSON in {path}, but they cannot be read: {reason}") from reason
    if not isinstance(content, dict) or not {"task", "x", "rows"} <= content.keys():
        raise InputError(f"expected curves with task, x and rows in {path}, but something else is there")
    return content


def curve_names(path: Path | str) -> tuple[str, ...]:
    """Return the rows that a file of curves has; none where there is no file."""
    return tuple(row["name"] for row in read_curves(path)["rows"]) if Path(path).exists() else ()


def curves_table(result: Result, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """Return curves as a Markdown table: means with half the width of their 95 % t interval.

    Args:
        result: as :func:`read_curves` returns it.
        pairs: rows whose paired difference, the first minus the second, is a line of its own, where both are there.
    """
    rows = {row["name"]: row for row in result["rows"]}
    lines = [["method", "truth used", *map(str, result["x"]), "minutes"]]
    lines.append(["---", "---", *["---:"] * (len(result["x"]) + 1)])
    for name, row in rows.items():
        cells = [_cell(few) for few in row["values"]]
        lines.append([name, "yes" if row["uses_truth"] else "no", *cells, f"{row['minutes']:.1f}"])
    for one, other in pairs:
        if one in rows and other in rows:
            both = zip(rows[one]["values"], rows[other]["values"], strict=True)
            gaps = [[a - b for a, b in zip(first, second, strict=True)] for first, second in both]
            lines.append([f"{one} minus {other}", "", *[_cell(few, "+") for few in gaps], ""])
    images = len(result["rows"][0]["values"][0]) if rows else 0
    note = f"{result['task']}: {result['value_label']} against {result['x_label']}; {images} images."
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", note, ""])


def _cell(values: Sequence[float], sign: str = "") -> str:
    found = t_interval(values)
    half = f" ± {found.high - found.mean:.2f}" if len(values) > 1 else ""
    return f"{found.mean:{sign}.2f}{half}"
