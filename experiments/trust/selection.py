"""How often the run that is chosen without truth is nearly the best by truth.

    python experiments/trust/selection.py runs/ct100/* runs/urban100/* --out results/trust/selection.json

Run folders that lie in one folder and were scored on the same test measurements make a table. Its runs are ranked by
``nullsight select``'s score, which sees measurements alone, and then scored with truth. The file says for each table
which run was chosen, how far it is below the best (regret, dB) and Spearman's correlation of score and PSNR; and over
all pairs of runs of a table how often the one with the better score is within 0.3 dB of the better one. The score of a
pair is that of the whole table. Tables in the file already, of the same runs and images, are not computed again.

The file: {"task", "command", "date", "commit", "images", "within", "tables": [{"name", "chosen", "best", "regret",
"rank_correlation", "runs": [{"name", "score", "psnr", and the parts of the score}]}], "tables_within", "pairs",
"pairs_within", "runs"}.
"""

import argparse
import json
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from nullsight.app.results_file import commit
from nullsight.app.score_runs import named, score
from nullsight.app.select_runs import IMAGES, ranking
from nullsight.recipe import load_recipe
from nullsight.storage import write_atomically
from nullsight.types import InputError

WITHIN = 0.3  # dB
OUT = Path("results") / "trust" / "selection.json"
Row = dict[str, Any]


def tables(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Return run folders by the folder they lie in and the test measurements with truth that they name."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        if not (folder / "recipe.toml").exists():
            continue
        data = load_recipe(folder)[0].data
        if data.test_measurements is not None and data.test_truth is not None:
            name = f"{folder.resolve().parent.name}, {Path(data.test_measurements).name}"
            found.setdefault(name, []).append(folder)
    return {name: runs for name, runs in found.items() if len(runs) > 1}


def rows_of(runs: Sequence[Path], images: int) -> list[Row]:
    """Return the score of every run without truth, and then its PSNR."""
    ranked = ranking(runs, images=images)
    truth = score(named(runs)).evaluation
    rows = []
    for one in ranked.to_json()["scores"]:
        parts = {key: value for key, value in one.items() if key not in ("name", "psnr")}
        psnr = truth.mean(one["name"], "psnr").mean
        rows.append({"name": one["name"], "score": one["psnr"], "psnr": psnr, **parts})
    return rows


def judged(name: str, rows: Sequence[Row]) -> Row:
    """Return a table with the run of the best score, that of the best PSNR, and what lies between."""
    chosen, best = (max(rows, key=lambda row: row[key]) for key in ("score", "psnr"))
    return {
        "name": name,
        "chosen": chosen["name"],
        "best": best["name"],
        "regret": best["psnr"] - chosen["psnr"],
        "rank_correlation": rank_correlation([row["score"] for row in rows], [row["psnr"] for row in rows]),
        "runs": list(rows),
    }


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's correlation, ``1 - 6 sum d^2 / (n (n^2 - 1))`` for the differences d of ranks (no ties)."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    count = len(one)
    return 1 - 6 * float(((ranks[0] - ranks[1]) ** 2).sum()) / (count * (count**2 - 1))


def summary(found: Sequence[Row]) -> Row:
    """Return how often a choice was within 0.3 dB of the best, of whole tables and of pairs within a table."""
    pairs = [pair for table in found for pair in combinations(table["runs"], 2)]
    good = [judged("", pair)["regret"] <= WITHIN for pair in pairs]
    return {
        "tables_within": sum(table["regret"] <= WITHIN for table in found),
        "pairs": len(pairs),
        "pairs_within": sum(good),
        "runs": sum(len(table["runs"]) for table in found),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Rank the runs that are named, one table after the other, and write the file after each."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--images", type=int, default=IMAGES)
    given = parser.parse_args(arguments)
    wanted = tables(given.runs)
    if not wanted:
        raise InputError(
            f"expected at least two runs with test truth in one folder, but {len(given.runs)} folders came: name them "
            f"as runs/ct100/*"
        )
    before = json.loads(given.out.read_text()) if given.out.exists() else {"tables": [], "images": given.images}
    known = {table["name"]: table for table in before["tables"]} if before["images"] == given.images else {}
    for name, runs in wanted.items():
        if name in known and {row["name"] for row in known[name]["runs"]} == set(named(runs)):
            continue
        known[name] = judged(name, rows_of(runs, given.images))
        result = {
            "task": "choosing a run without ground truth",
            "command": " ".join(["python experiments/trust/selection.py", *map(str, given.runs)]),
            "date": time.strftime("%Y-%m-%d"),
            "commit": commit(),
            "images": given.images,
            "within": WITHIN,
            "tables": list(known.values()),
            **summary(list(known.values())),
        }
        write_atomically(given.out, json.dumps(result, indent=1, allow_nan=False) + "\n")
        table = known[name]
        print(f"{name}: {table['chosen']} chosen, {table['best']} best, {table['regret']:.2f} dB apart", flush=True)


if __name__ == "__main__":
    main()
