"""Score runs side by side: ``nullsight evaluate``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from nullsight.app.diagnose_run import check_run
from nullsight.app.helpers import Helpers, read_helpers
from nullsight.app.inputs import read_inputs, read_references
from nullsight.app.opened import Opened
from nullsight.app.results_file import method_notes, setting
from nullsight.app.runs import load, rebuild, reconstruct_with
from nullsight.app.score_lines import image_lines
from nullsight.app.score_lines import table_lines as table_lines
from nullsight.assemble import place
from nullsight.data import MeasurementSet, TruthSet
from nullsight.evaluation import Evaluation, Method, dagger, evaluate, to_result, write_result
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.physics.least_squares import without_least_squares
from nullsight.recipe import load_recipe
from nullsight.schema import Recipe
from nullsight.training import Run
from nullsight.training.backend import computing_with
from nullsight.types import InputError

NO_HELPERS: Mapping[str, Helpers] = {}
NO_RECIPES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Scored:
    """Runs, what they were scored on and what came of it.

    Attributes:
        runs: by name, the evaluated one first.
        recipe: of the first run.
        data: the measurements they were scored on.
        truth: their references, or None.
        evaluation: the scores of all of them and of ``A_dagger y``.
        source: where the measurements came from.
        seen: whether they are the ones that the first run was trained on.
    """

    runs: dict[str, Run]
    recipe: Recipe
    data: MeasurementSet
    truth: TruthSet | None
    evaluation: Evaluation
    source: str
    seen: bool

    @property
    def statement(self) -> str:
        """Which measurements were scored, in words."""
        if self.seen:
            return "scored on the measurements trained on (no test measurements are named): new ones may score lower"
        return f"scored on {self.source}"

    def timed(self, name: str, note: Method) -> Method:
        """Return the note on a run; where there was nothing to train, minutes and commit are those of the scoring."""
        if self.runs[name].plan.steps > 0:
            return note
        minutes = round(self.evaluation.scores(name).seconds / 60, 6)
        return replace(note, minutes=minutes, seeds=(), commit=None, date=None)


def score(
    runs: Mapping[str, Path],
    *,
    measurements: Path | None = None,
    truth: Path | None = None,
    helpers: Mapping[str, Helpers] = NO_HELPERS,
) -> Scored:
    """Score runs on the first one's test measurements (else its training measurements) or on the files named.

    Args:
        runs: folders, at least one, by the names that the runs go by (see :func:`named`).
        measurements: a container, an array or a folder of images; None: as the first run's recipe has it.
        truth: its references; None: the recipe's, where the measurements are.
        helpers: at test time, for the runs of those names.

    Raises:
        InputError: no run, no measurements, or truth of another shape.
    """
    loaded = {name: load(path) for name, path in runs.items()}
    opened = {name: helpers[name].around(run) if name in helpers else run for name, run in loaded.items()}
    folder = next(iter(runs.values()))
    recipe, arrays = load_recipe(folder)
    section = recipe.data
    test = section.test_measurements
    chosen = str(measurements.resolve()) if measurements is not None else (test or section.measurements)
    if chosen is None:
        raise InputError(f"expected measurements to score {folder} on, but its recipe names none: add --measurements")
    read = read_inputs(chosen, section, recipe.physics, folder, arrays, container_first=True).data
    data = MeasurementSet(read.y, without_least_squares(read.physics), read.names)  # one baseline, whichever is first
    reference_name = str(truth.resolve()) if truth is not None else None
    if reference_name is None and measurements is None:
        reference_name = section.test_truth if test is not None else section.truth
    reference = None if reference_name is None else read_references(reference_name, section, folder, data)
    methods = {name: _method(run) for name, run in opened.items()}
    first = next(iter(methods))
    baselines = {**{name: method for name, method in methods.items() if name != first}, "A_dagger y": dagger}
    with computing_with(recipe.training.threads):  # rows that learn nothing state the minutes that this takes
        found = evaluate(methods[first], data, reference, name=first, baselines=baselines)
    return Scored(opened, recipe, data, reference, found, chosen, seen=measurements is None and test is None)


def evaluate_runs(
    runs: Sequence[Path],
    *,
    measurements: Path | None = None,
    truth: Path | None = None,
    helpers: Path | None = None,
    out: Path | None = None,
) -> Outcome:
    """Score runs, print a table and, where ``out`` is given, write or extend a results file.

    Args:
        runs: folders, at least one.
        measurements: to score them on; None: as the first run's recipe has it.
        truth: its references.
        helpers: a recipe with [[helper]]; every run is then scored without and with them.
        out: the results file.

    Raises:
        InputError: no run, nothing to score it on, a recipe without helpers, or no truth for a results file.
    """
    folders, helping = named(runs), {}
    if helpers is not None:
        given_helpers = read_helpers(helpers)
        twins = {f"{name} with {', '.join(given_helpers.names)}": folder for name, folder in folders.items()}
        folders, helping = folders | twins, dict.fromkeys(twins, given_helpers)
    scored = score(folders, measurements=measurements, truth=truth, helpers=helping)
    if out is not None and scored.truth is None:
        raise InputError("expected ground truth for a results file, but there is none: add --truth")
    lines = [*image_lines(scored.evaluation), *table_lines(scored.evaluation), scored.statement]
    if scored.truth is None:
        first = next(iter(scored.runs))
        experiment, recipe, _ = rebuild(folders[first])
        opened = Opened(scored.runs[first], experiment, recipe, scored.data, scored.source)
        lines += [f"{first}, as far as it is known without truth (nullsight diagnose {runs[0]} says more):"]
        lines += [f"  {line}" for line in check_run(opened).lines()]
    if out is not None:
        notes = notes_on(scored, folders, helping)
        given = [("--measurements", measurements), ("--truth", truth), ("--helpers", helpers), ("--out", out)]
        words = [*map(str, runs), *(f"{name} {path}" for name, path in given if path is not None)]
        command = " ".join(["nullsight evaluate", *words])
        write_result(out, to_result(scored.evaluation, setting(scored.recipe, command), notes))
        lines.append(f"wrote {out}")
    return Outcome(tuple(lines))


def notes_on(
    scored: Scored,
    folders: Mapping[str, Path],
    helpers: Mapping[str, Helpers] = NO_HELPERS,
    recipes: Mapping[str, str] = NO_RECIPES,
) -> dict[str, Method]:
    """Return what a results file says of each run besides its scores.

    Args:
        scored: the runs.
        folders: of the runs, by their names.
        helpers: those used at test time, by the names of the runs that had some.
        recipes: the paths of the recipes of those that have one outside of their folder.
    """

    def note(name: str, run: Run) -> Method:
        helping, folder = helpers.get(name), folders[name]
        used = () if helping is None else helping.names
        known = training_psnr(folder, helping)
        return scored.timed(name, method_notes(run, folder, known, recipe=recipes.get(name), helpers=used))

    return {name: note(name, run) for name, run in scored.runs.items()}


def training_psnr(folder: Path, helpers: Helpers | None = None) -> float | None:
    """Return a run's mean PSNR on its own training measurements, where their truth is known, helped or not.

    None where nothing was trained: the reconstructor knows those measurements no better than others.
    """
    recipe, _ = load_recipe(folder)
    section = recipe.data
    if not recipe.loss or section.truth is None or section.measurements is None:
        return None
    places = place(section.measurements, folder), place(section.truth, folder)
    helping = NO_HELPERS if helpers is None else {"f(y)": helpers}
    scored = score({"f(y)": folder}, measurements=places[0], truth=places[1], helpers=helping)
    return scored.evaluation.mean("f(y)", "psnr").mean


def _method(run: Run) -> Callable[[Tensor, Physics], Tensor]:
    return lambda y, physics: reconstruct_with(run, y, physics)


def named(runs: Sequence[Path]) -> dict[str, Path]:
    """Return run folders by their names, with the parent's name in front where two are called the same.

    Raises:
        InputError: a run came twice.
    """
    places = [path.resolve() for path in runs]
    for path in places:
        if places.count(path) > 1:
            raise InputError(f"expected different runs, but {path} came twice: name each once")
    last = [path.name for path in places]
    return {
        path.name if last.count(path.name) == 1 else f"{path.parent.name}/{path.name}": given
        for path, given in zip(places, runs, strict=True)
    }
