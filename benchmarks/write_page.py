"""Write docs/benchmarks.md from the files of results: ``python benchmarks/write_page.py``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.record import FILE, PAGE, arguments, page, read

from nullsight.storage import write_atomically

RACE = FILE.parent / "race_ct100.json"


def race(result: Mapping[str, Any]) -> str:
    """Return the section on the race that ``make bench-race`` runs, with its picture."""
    first = result["sides"][0]["looks"][0]
    sides = "".join(f"- {one['name']}: {one['about']}\n" for one in result["sides"])
    found = "".join(f"- {one}\n" for one in result["found"])
    return f"""
## Time to quality

{result["task"]}. Minutes count {result["minutes_count"]}; PSNR is the {result["psnr"]}. Our first image is a
variational solution: our first look, before anything is learned, has {first["psnr"]:.1f} dB after
{first["minutes"]:.2f} minutes, in which it is made. The recipe runs with the minutes of the race.

The goal, {result["goal_db"]} dB, is what equivariant imaging is published with on these images (36.94 dB; Chen,
Tachella, Davies, ICCV 2021, CT100 with 50 views). As there, all ten test images count here, of which two are one slice;
the [tables of results](results.md) count it once and so have nine: figures here and there are not quite the same.
So counted, filtered back-projection, which DeepInverse's network begins with, has 30.26 dB: in these minutes its
training does not come back to it.

![Test PSNR over wall minutes](race.svg)

{sides}
{found}
`make bench-race` on {result["machine"]}, {result["date"]}, commit {result["commit"]}.
"""


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--page", type=Path, default=PAGE)
    options.add_argument("--race", type=Path, default=RACE, help="the file of the race's results, where it is there")
    chosen = options.parse_args(words)
    known = read(chosen.race)
    write_atomically(chosen.page, page(read(chosen.results)) + (race(known) if known else ""))
    print(f"wrote {chosen.page}")


if __name__ == "__main__":
    main()
