"""Train from a recipe: begin, resume."""

from collections.abc import Sequence
from pathlib import Path

from nullsight.app.below_dagger import below_dagger
from nullsight.app.hope import nothing_to_learn
from nullsight.app.prepare import PLACES, Ready, prepare
from nullsight.app.runs import RECIPE, begun, read_about
from nullsight.app.simulated_as import check_simulated
from nullsight.assemble import place
from nullsight.noise import ESTIMATES
from nullsight.outcome import Outcome, Say
from nullsight.recipe import NoLoss, load_recipe, save_recipe, write_down
from nullsight.schema import Recipe
from nullsight.storage import write_atomically
from nullsight.training import Interrupted, Run, new_run_folder, train
from nullsight.training.folders import only_here
from nullsight.training.settings import FREE
from nullsight.types import InputError


def fit_recipe(
    recipe: Recipe,
    root: Path,
    *,
    out: Path | None = None,
    stem: str = "run",
    start_from: Path | None = None,
    say: Say = print,
) -> Outcome:
    """Train what the recipe says and return where it is.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        out: the run folder; None: a new one below ``runs``.
        stem: what its name begins with.
        start_from: a run whose weights to begin with.
        say: told where the effective recipe is before training begins.

    Raises:
        InputError: anything of that does not fit; no run folder is left behind then.
    """
    check_simulated(recipe, root)
    ready = prepare(recipe, root, {})
    check_trainable(ready)
    folder = new_run_folder(Path("runs"), stem) if out is None else out
    with begun(folder, ready.experiment, _absolute(recipe, root), ready.sources):
        say(f"the effective recipe, with every argument of every part: {folder / RECIPE}")
        if recipe.noise is not None and recipe.noise.name in ESTIMATES:
            say(f"noise found in the measurements: {ready.experiment.noise}")
        doubt = nothing_to_learn(ready.experiment.loss, ready.data.physics)
        if doubt is not None:
            say(f"warning: {doubt}")
        return _train(ready, folder, resume=False, start_from=start_from)


def keep_untrained(recipe: Recipe, root: Path, out: Path) -> None:
    """Write the run folder of a recipe whose reconstructor has no weights: how it is built and from what.

    Raises:
        InputError: anything in the recipe does not fit, a reconstructor with weights, or a folder that holds a run.
    """
    ready = prepare(recipe, root, {})
    with begun(out, ready.experiment, _absolute(recipe, root), ready.sources):
        pass


def check_trainable(ready: Ready) -> None:
    """Raise an InputError where there is nothing to train."""
    if isinstance(ready.experiment.loss, NoLoss):
        raise InputError(
            f"expected a [[loss]] and weights to train, but {type(ready.experiment.reconstructor).__name__} has no "
            f"weights and no loss is named: nullsight reconstruct RECIPE.toml and nullsight table use it as it is"
        )


def resume_run(folder: Path, overrides: Sequence[str]) -> Outcome:
    """Go on with an interrupted run, or lengthen a finished one by another budget.

    Args:
        folder: of the run.
        overrides: ``training.steps=20`` and what else may change in the middle of a run (how often it is looked at, on
            what it runs), or ``data.measurements=...`` where the files have moved; paths are relative to where the
            command runs.

    Raises:
        InputError: no run there, its measurements are gone or have changed, or an override that a run cannot change.
    """
    if folder.is_file():
        raise InputError(f"expected a run folder after --resume, but the file {folder} came: fit {folder} begins a run")
    free = {*(f"training.{name}" for name in FREE), *(f"data.{name}" for name in PLACES)}
    for override in overrides:
        if override.partition("=")[0].strip() not in free:
            raise InputError(
                f"expected the run's own recipe to resume it, but {override} came: only {', '.join(sorted(free))} may "
                f"change; begin a new run with --start-from {folder}"
            )
    recipe, arrays = load_recipe(folder, tuple(_from_here(one) for one in overrides))
    if recipe.data.measurements is None:
        raise InputError(
            f"expected the recipe in {folder} to name its measurements, but the run was made from Python and names "
            f"none: add data.measurements=FILE, or resume it there with nullsight.fit(..., resume=True)"
        )
    ready = prepare(recipe, folder, arrays)
    check_trainable(ready)
    known = read_about(folder)["sources"]
    for path, found in ready.sources.items():
        if known.get(path, found) != found:
            raise InputError(f"expected {path} as it was when the run began, but it has changed: restore it")
    with only_here(folder):
        kept = (folder / RECIPE).read_bytes()
        save_recipe(folder, *write_down(ready.experiment, recipe))
        try:
            return _train(ready, folder, resume=True, start_from=None)
        except InputError:  # such as a budget below what the run has had
            write_atomically(folder / RECIPE, kept.decode())
            raise


def _from_here(override: str) -> str:
    """Return an override with a path of the data made absolute: it was typed where the command runs."""
    key, separator, value = override.partition("=")
    section, _, name = key.partition(".")
    is_place = (section, name) in {("data", one) for one in PLACES}
    return f"{key}={place(value, Path()).resolve()}" if separator and is_place else override


def _train(ready: Ready, folder: Path, *, resume: bool, start_from: Path | None) -> Outcome:
    experiment = ready.experiment
    try:
        run = train(
            experiment.reconstructor,
            ready.data,
            experiment.loss,
            experiment.settings,
            out=folder,
            truth=ready.truth,
            held_out=ready.held_out,
            held_out_truth=ready.held_out_truth,
            observers=ready.observers,
            initial=start_from,
            resume=resume,
        )
    except Interrupted as stopped:
        lines = (f"interrupted at step {stopped.run.step}; go on with", f"  {stopped.run.resume_line}")
        return Outcome(lines, 128 + stopped.signal)
    return Outcome(_said(run, below_dagger(run, ready.observers)))


_SCORES = ("held_out/total", "chooser/predicted error", "observed/")


def _said(run: Run, doubt: str | None) -> tuple[str, ...]:
    minutes = run.history[-1].get("minutes", 0.0) if run.history else 0.0
    lines = [f"trained {run.step} step{'s' * (run.step != 1)} in {minutes:.1f} minutes: {run.out}"]
    scores = {k: v for line in run.history for k, v in line.items() if k.startswith(_SCORES)}
    lines += [f"  {name.partition('/')[2]}: {value:.4g}" for name, value in scores.items()]
    lines.append(f"kept: the weights {run.kept}")
    lines += [] if doubt is None else [f"warning: {doubt}"]
    lines += [f"see it: nullsight report {run.out}", f"use it: nullsight reconstruct {run.out} new.npy -o images.npy"]
    return tuple(lines)


def _absolute(recipe: Recipe, root: Path) -> Recipe:
    """Return the recipe with the data's places absolute, so that the run folder can be opened from anywhere."""
    section = recipe.data
    found = {n: str(place(getattr(section, n), root).resolve()) for n in PLACES if getattr(section, n) is not None}
    changes: dict[str, object] = {"data": section.model_copy(update=found)}
    if recipe.simulate is not None and "$" not in recipe.simulate.images:  # a variable says itself where it is
        images = str(place(recipe.simulate.images, root).resolve())
        changes["simulate"] = recipe.simulate.model_copy(update={"images": images})
    return recipe.model_copy(update=changes)
