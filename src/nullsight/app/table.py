"""A table of experiments: ``nullsight table FOLDER`` trains every recipe in a folder and writes their results."""

import os
from collections.abc import Sequence
from pathlib import Path

from nullsight.app.fit_recipe import fit_recipe, keep_untrained, resume_run
from nullsight.app.helpers import Helpers, run_owners
from nullsight.app.prepare import prepare
from nullsight.app.results_file import setting
from nullsight.app.runs import RECIPE, differing, load
from nullsight.app.score_runs import notes_on, score
from nullsight.app.simulate_recipe import simulate_recipe
from nullsight.app.simulated_as import check_simulated
from nullsight.assemble import place
from nullsight.evaluation import check_setting, markdown_table, to_result, write_result
from nullsight.outcome import Outcome, Say
from nullsight.recipe import load_recipe, write_down
from nullsight.reconstructors import LinearInverse
from nullsight.schema import Recipe, read_recipe, unknown_name
from nullsight.training import Checkpoints
from nullsight.types import InputError

COMMON = "common.toml"  # what the other recipes are based on; no row
AGAINST = "measurement consistency"  # the row that paired differences are taken against, where there is one


def table(
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    only: Sequence[str] = (),
    runs: Path | None = None,
    results: Path | None = None,
    say: Say = print,
) -> Outcome:
    """Train every recipe of a folder but ``common.toml``, by name, then score all of them on one test set.

    Measurement files that are missing are simulated first. A row whose run is finished is not trained again, one that
    was interrupted goes on; one that differs from another in its test-time helpers alone uses that one's run. A recipe
    without [[loss]] whose reconstructor has no weights is a row that is not trained; its minutes are those of
    reconstructing the test set. Rows may differ in the least squares around one operator: each uses its own
    ``A_dagger`` on the same measurements.

    Args:
        folder: of recipes (TOML); the name of a row is that of its file with spaces for underscores.
        overrides: ``section.key=value``, for every recipe.
        only: names of the rows to train and score; none: all. The results of others stay in the file as they are.
        runs: where the run folders go; None: ``runs/FOLDER``.
        results: the file to write, or to add to; None: ``results/FOLDER.json``.
        say: told what is being done.

    Raises:
        InputError: no recipes, none of a name in ``only``, a mistake in one of them, rows that are scored on different
            measurements, a run of another recipe in a row's folder, or a results file of another task or machine.
    """
    rows = read_rows(folder, overrides)
    runs = runs or Path("runs") / folder.resolve().name
    results = results or Path("results") / f"{folder.resolve().name}.json"
    for recipe in _simulated_apart(rows):
        check_simulated(recipe, folder)
        _simulate_missing(recipe, folder, say)
    owners = run_owners(rows)
    wanted = _wanted(rows, only)
    for path in dict.fromkeys(owners[path] for path in wanted):
        _check_unchanged(runs / path.stem, rows[path], folder)
    command = " ".join(["nullsight table", os.path.relpath(folder), *overrides])
    check_setting(results, setting(_first_recipe(wanted, owners, runs), command))
    helpers = {_row_name(path): Helpers(recipe, folder) for path, recipe in wanted.items() if recipe.helper}
    for one in helpers.values():  # as another machine, a misspelt helper is found before hours of training
        one.build(LinearInverse(), prepare(one.recipe, folder, {}).experiment.physics)
    for path in wanted:
        say(f"{_row_name(path)}:")
        owner = owners[path]
        if owner != path:
            say(f"the run of {_row_name(owner)}, helped by {', '.join(helpers[_row_name(path)].names)}")
            if owner in wanted:
                continue
        stopped = _train_row(runs / owner.stem, rows[owner], folder, say)
        if stopped is not None:
            return Outcome((*stopped.lines, "or with the whole table by the same command"), stopped.code)
    named = {_row_name(path): runs / owners[path].stem for path in wanted}
    scored = score(named, helpers=helpers)
    notes = notes_on(scored, named, helpers, {_row_name(path): os.path.relpath(path) for path in wanted})
    written = write_result(results, to_result(scored.evaluation, setting(scored.recipe, command), notes))
    against = AGAINST if any(row["name"] == AGAINST for row in written["methods"]) else None
    return Outcome((markdown_table(written, against), f"wrote {results}"))


def read_rows(folder: Path, overrides: Sequence[str]) -> dict[Path, Recipe]:
    """Return the recipes of a folder by their files; InputError where they do not make a table."""
    files = sorted(path for path in folder.glob("*.toml") if path.name != COMMON)
    if not files:
        raise InputError(f"expected recipes (*.toml) in the folder {folder}, but there are none: check the path")
    rows = {path: read_recipe(path, overrides) for path in files}
    tests = {(recipe.data.test_measurements, recipe.data.test_truth) for recipe in rows.values()}
    if len(tests) > 1 or None in tests.pop():
        raise InputError(
            f"expected one test_measurements and one test_truth in the [data] of all recipes in {folder}, but they "
            f"differ or are missing: put them into {COMMON}"
        )
    return rows


def _wanted(rows: dict[Path, Recipe], only: Sequence[str]) -> dict[Path, Recipe]:
    names = {_row_name(path): path for path in rows}
    asked = [name.replace("_", " ") for name in only]
    for name in asked:
        if name not in names:
            raise InputError(unknown_name(name, names, "the rows of this table"))
    return {path: recipe for path, recipe in rows.items() if not only or _row_name(path) in asked}


def _first_recipe(wanted: dict[Path, Recipe], owners: dict[Path, Path], runs: Path) -> Recipe:
    """Return what the first row's run was or will be trained by, which tells what all rows share."""
    path, recipe = next(iter(wanted.items()))
    out = runs / owners[path].stem
    return load_recipe(out)[0] if (out / RECIPE).exists() else recipe


def _simulated_apart(rows: dict[Path, Recipe]) -> list[Recipe]:
    """Return one recipe of all that simulate alike: reading their files once is enough."""
    sections = {"data", "simulate", "physics", "noise"}
    return list({recipe.model_dump_json(include=sections): recipe for recipe in rows.values()}.values())


def _simulate_missing(recipe: Recipe, root: Path, say: Say) -> None:
    section = recipe.data
    named = (section.measurements, section.truth, section.test_measurements, section.test_truth)
    missing = [name for name in named if name is not None and not place(name, root).exists()]
    if missing and recipe.simulate is not None:
        for line in simulate_recipe(recipe, root, only_missing=True).lines:
            say(line)


def _check_unchanged(out: Path, recipe: Recipe, root: Path) -> None:
    """Raise an InputError where the run in ``out`` was trained by another recipe than this."""
    if not (out / RECIPE).exists():
        return
    now, _ = write_down(prepare(recipe, root, {}).experiment, recipe)
    before, _ = load_recipe(out)
    changed = differing(now, before)
    if changed:
        raise InputError(
            f"expected the run in {out} to be of the recipe as it is now, but its {changed[0]} is another: remove the "
            f"folder to train it again, or give another place with --runs"
        )


def _train_row(out: Path, recipe: Recipe, root: Path, say: Say) -> Outcome | None:
    """Train, resume or leave alone; return the outcome of a run that was interrupted."""
    if not recipe.loss:
        if not (out / RECIPE).exists():
            keep_untrained(recipe, root, out)
        say(f"{out} has nothing to train")
        return None
    if not (out / RECIPE).exists():
        outcome = fit_recipe(recipe, root, out=out, say=_silent)
    elif Checkpoints(out / "checkpoints").last is not None and load(out).finished:
        say(f"{out} is finished")
        return None
    else:
        outcome = resume_run(out, [])
    if outcome.code:
        return outcome
    say(outcome.lines[0])
    return None


def _silent(line: str) -> None:
    """Print nothing: the run folder has the recipe, and a table of ten rows would bury its own lines."""


def _row_name(path: Path) -> str:
    return path.stem.replace("_", " ")
