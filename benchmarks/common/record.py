"""The file of results, a section a script, and the page made from it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nullsight.app.runs import commit, processor
from nullsight.storage import write_atomically

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "results" / "speed" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Speed

Made from `results/speed/benchmarks.json`, which `make bench` writes. Both sides of a ratio are measured in one run, in
turn, on one and the same core with one thread; times are medians in milliseconds of a whole batch, a first call not
counted. The ratio is the other side's time over ours. An aim with an x is one of the ratio; an aim in ms is one of our
own time alone, and its row has no ratio.
"""


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        case: what is measured.
        ours: milliseconds.
        other: the other side's milliseconds; None: it was not there, or there is no such thing.
        against: the other side's name.
        aim: the ratio (or, with ``at_most``, the milliseconds) we want; None: none.
        at_most: whether the aim is an upper bound of ``ours`` in milliseconds.
    """

    case: str
    ours: float
    other: float | None = None
    against: str = ""
    aim: float | None = None
    at_most: bool = False

    @property
    def ratio(self) -> float | None:
        """The other side's time over ours."""
        return None if self.other is None else self.other / self.ours

    @property
    def missed(self) -> bool:
        """Whether an aim was not reached; False where nothing could be compared."""
        if self.at_most:
            return self.aim is not None and self.ours > self.aim
        return self.aim is not None and self.ratio is not None and self.ratio < self.aim


@dataclass(frozen=True)
class Section:
    """The table of one script.

    Attributes:
        title: of the section.
        compared: what is compared, in sentences.
        rows: of the table.
        notes: what the run found besides, a sentence each.
    """

    title: str
    compared: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| | nullsight, ms | other, ms | ratio | aim | other |", "|---|---|---|---|---|---|"]
    for raw in rows:
        row = Row(**raw)
        other = "" if row.other is None else _number(row.other)
        ratio = "" if row.ratio is None or row.at_most else f"{_number(row.ratio)}x"
        aim = "" if row.aim is None else f"<= {row.aim:g} ms" if row.at_most else f">= {row.aim:.3g}x"
        aim += ", missed" if row.missed else ""
        lines.append(f"| {row.case} | {_number(row.ours)} | {other} | {ratio} | {aim} | {row.against} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def page(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of all sections."""
    parts = [HEAD]
    for one in sections.values():
        versions = ", ".join(f"{name} {number}" for name, number in one["versions"].items())
        notes = "".join(f"- {note}\n" for note in one["notes"])
        parts.append(
            f"## {one['title']}\n\n{one['compared']}\n\n{table(one['rows'])}\n\n{notes}\n`{one['command']}` on "
            f"{one['machine']}, {one['threads']} thread, {one['date']}, commit {one['commit']}; {versions}.\n"
        )
    return "\n".join(parts)


def record(file: Path, name: str, section: Section, versions: Mapping[str, str]) -> None:
    """Print a section's table and put it into the file, in place of the one of that name."""
    entry = {
        **asdict(section),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "versions": {"nullsight": version("nullsight"), "torch": torch.__version__, **versions},
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
    }
    known = read(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({**known, name: entry}, indent=1) + "\n")
    print(table(entry["rows"]))
    for note in section.notes:
        print(f"- {note}")


def read(file: Path) -> dict[str, Any]:
    """Return all sections of a file, none where there is no file."""
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return known


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the options that all scripts have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--results", type=Path, default=FILE, help="the file that the table is put into")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=3, help="in which both sides are measured in turn")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    return parser
