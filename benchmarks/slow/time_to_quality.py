"""The race: test PSNR over wall minutes, ours and DeepInverse's, side by side, one core each.

``NULLSIGHT_DATA=folder make bench-race`` (or ``python benchmarks/slow/time_to_quality.py --minutes 20``). Both sides
learn from sinograms of the first 90 images of CT100 alone and are looked at on the last 10. Looking is part of the
minutes on both sides, imports and measuring are not. Writes results/speed/race_ct100.json and docs/race.svg.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from draw_race import PICTURE, draw

from nullsight.app.runs import commit, processor
from nullsight.storage import write_atomically

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
FILE = ROOT / "results" / "speed" / "race_ct100.json"
RECIPE = ROOT / "experiments" / "ct100" / "bank_equivariance.toml"
GOAL = 36.9  # dB
NAMES = ("nullsight", "DeepInverse")


def race(commands: Sequence[Sequence[str]], cores: Sequence[int]) -> list[list[dict[str, Any]]]:
    """Run the sides at the same time, each on its core, and return the lines that they print."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=partial(os.sched_setaffinity, 0, {core}),
        )
        for command, core in zip(commands, cores, strict=True)
    ]
    found = [process.communicate()[0] for process in running]
    for process, command in zip(running, commands, strict=True):
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return [[json.loads(line) for line in text.splitlines() if line.startswith("{")] for text in found]


def reached(looks: Sequence[dict[str, float]], goal: float) -> float | None:
    """Return the minutes of the first look at or above the goal."""
    return next((one["minutes"] for one in looks if one["psnr"] >= goal), None)


def sentence(name: str, looks: Sequence[dict[str, float]]) -> str:
    """Return when a side reached the goal."""
    when, best = reached(looks, GOAL), max(looks, key=lambda one: one["psnr"])
    last = f"its best is {best['psnr']:.2f} dB after {best['minutes']:.1f} minutes"
    if when is None:
        return f"{name} did not reach {GOAL} dB in {looks[-1]['minutes']:.1f} minutes; {last}"
    return f"{name} reached {GOAL} dB after {when:.2f} minutes; {last}"


def main(words: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--recipe", type=Path, default=RECIPE)
    options.add_argument("--our-every", type=int, default=50, help="steps between our looks")
    options.add_argument("--their-every", type=float, default=20, help="seconds between theirs")
    options.add_argument("--their-width", type=int, default=64, help="channels of their U-Net's finest scale")
    options.add_argument("--results", type=Path, default=FILE)
    options.add_argument("--picture", type=Path, default=PICTURE)
    chosen = options.parse_args(words)
    data = os.environ.get("NULLSIGHT_DATA")
    if data is None or not PYTHON.exists():
        raise SystemExit(
            "The race needs NULLSIGHT_DATA, a folder with ct100_128.npy, and the peers (make bench-peers)."
        )
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("The race needs two cores.")
    here = Path(__file__).parent
    minutes = str(chosen.minutes)
    ours = [sys.executable, here / "our_side.py", chosen.recipe, "--minutes", minutes, "--every", chosen.our_every]
    theirs = [PYTHON, here.parent / "peers" / "race.py", Path(data) / "ct100_128.npy", "--minutes", minutes]
    theirs += ["--every", chosen.their_every, "--width", chosen.their_width]
    lines = race([[str(word) for word in side] for side in (ours, theirs)], cores[:2])
    looks = [[one for one in side if "psnr" in one] for side in lines]
    about = [next(one["about"] for one in side if "about" in one) for side in lines]
    sides = [
        {"name": name, "about": what, "reached_goal_minutes": reached(found, GOAL), "looks": found}
        for name, what, found in zip(NAMES, about, looks, strict=True)
    ]
    result: dict[str, Any] = {
        "task": "CT100, 50 views, 128x128, noiseless: test PSNR over wall minutes, from sinograms alone",
        "goal_db": GOAL,
        "recipe": os.path.relpath(chosen.recipe, ROOT),
        "minutes_count": "everything but imports and measuring: preparation, training and looks at the test images",
        "psnr": "mean over the ten test images, peak = the maximum of each",
        "machine": f"{processor()}, {os.cpu_count()} cores, one core and one thread a side at the same time",
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": " ".join(["python", "benchmarks/slow/time_to_quality.py", *sys.argv[1:]]),
        "found": [sentence(name, found) for name, found in zip(NAMES, looks, strict=True)],
        "sides": sides,
    }
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(chosen.results, json.dumps(result, indent=1) + "\n")
    draw(chosen.results, chosen.picture)
    print("\n".join(result["found"]))


if __name__ == "__main__":
    main()
