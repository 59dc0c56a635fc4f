"""Rank runs, or the checkpoints of one, without truth: ``nullsight select``."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nullsight.app.inputs import measure_alike
from nullsight.app.opened import Opened, open_with_measurements, together
from nullsight.app.runs import load
from nullsight.app.score_runs import named
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.training import Run
from nullsight.training.backend import computing_with
from nullsight.training.checkpoint import Checkpoints
from nullsight.training.run import chosen_weights
from nullsight.training.weights import load_weights
from nullsight.trust import Candidate, Ranking, rank

IMAGES = 8


def select_runs(
    runs: Sequence[Path], *, measurements: Path | None = None, images: int = IMAGES, as_json: bool = False
) -> Outcome:
    """Print a table of runs by their score, the best first; of a single run, of its checkpoints.

    Args:
        runs: folders, at least one, all for measurements like those of the first.
        measurements: to compare them on; None: the first run's test measurements, else those it was trained on.
        images: how many of them, from the first.
        as_json: print JSON in place of text.

    Raises:
        InputError: no run, the same one twice, or no measurements.
    """
    found = ranking(runs, measurements=measurements, images=images)
    lines = [json.dumps(found.to_json(), indent=1, allow_nan=False)] if as_json else found.lines()
    return Outcome(tuple(lines))


def ranking(runs: Sequence[Path], *, measurements: Path | None = None, images: int = IMAGES) -> Ranking:
    """Return runs, or the checkpoints of a single one, ranked without truth.

    Transformations are those that any of the runs learned from; noise is that of the first.

    Args:
        runs: folders, at least one.
        measurements: to compare them on; None: the first run's test measurements, else those it was trained on.
        images: how many of them, from the first.

    Raises:
        InputError: no run, the same one twice, or no measurements.
    """
    folders = named(runs)
    listed = [open_with_measurements(folder, measurements) for folder in folders.values()]
    first = listed[0]
    few = first.few(images)
    if len(listed) == 1:
        each = {label: replace(first, run=run) for label, run in checkpoints(runs[0]).items()}
    else:
        each = dict(zip(folders, listed, strict=True))
    candidates = [Candidate(name, one.reconstruct, _operator(one, few.physics)) for name, one in each.items()]
    group = together([family for one in listed for family in one.families])
    with computing_with(first.recipe.training.threads):
        return rank(candidates, few.y, first.noise, group, seed=first.recipe.seed)


def checkpoints(folder: Path) -> dict[str, Run]:
    """Return a run with its best weights and, where those are others, with its last."""
    run, places = load(folder), Checkpoints(folder / "checkpoints")
    if places.last is None or places.last == places.best:
        return {folder.resolve().name: run}
    later = load(folder)
    load_weights(chosen_weights(places.last), later.reconstructor)
    return {"best": run, "last": later}


def _operator(one: Opened, physics: Physics) -> Physics:
    own = one.run.physics
    return own if own.samples is None and measure_alike(own, physics) else physics
