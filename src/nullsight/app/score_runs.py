"""Score runs side by side: ``nullsight evaluate``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nullsight.app.inputs import read_inputs, read_references
from nullsight.app.results_file import method_notes, setting
from nullsight.app.runs import load
from nullsight.app.score_lines import image_lines
from nullsight.app.score_lines import table_lines as table_lines
from nullsight.assemble import place
from nullsight.data import MeasurementSet, TruthSet
from nullsight.evaluation import Evaluation, dagger, evaluate, to_result, write_result
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.recipe import load_recipe
from nullsight.schema import Recipe
from nullsight.training import Run
from nullsight.types import InputError


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


def score(runs: Mapping[str, Path], *, measurements: Path | None = None, truth: Path | None = None) -> Scored:
    """Score runs on the first one's test measurements (else its training measurements) or on the files named.

    Args:
        runs: folders, at least one, by the names that the runs go by (see :func:`named`).
        measurements: a container, an array or a folder of images; None: as the first run's recipe has it.
        truth: its references; None: the recipe's, where the measurements are.

    Raises:
        InputError: no run, no measurements, or truth of another shape.
    """
    opened = {name: load(path) for name, path in runs.items()}
    folder = next(iter(runs.values()))
    recipe, arrays = load_recipe(folder)
    section = recipe.data
    test = section.test_measurements
    chosen = str(measurements.resolve()) if measurements is not None else (test or section.measurements)
    if chosen is None:
        raise InputError(f"expected measurements to score {folder} on, but its recipe names none: add --measurements")
    data = read_inputs(chosen, section, recipe.physics, folder, arrays, container_first=True).data
    reference_name = str(truth.resolve()) if truth is not None else None
    if reference_name is None and measurements is None:
        reference_name = section.test_truth if test is not None else section.truth
    reference = None if reference_name is None else read_references(reference_name, section, folder, data)
    methods = {name: _method(run) for name, run in opened.items()}
    first = next(iter(methods))
    baselines = {**{name: method for name, method in methods.items() if name != first}, "A_dagger y": dagger}
    found = evaluate(methods[first], data, reference, name=first, baselines=baselines)
    return Scored(opened, recipe, data, reference, found, chosen, seen=measurements is None and test is None)


def evaluate_runs(
    runs: Sequence[Path], *, measurements: Path | None = None, truth: Path | None = None, out: Path | None = None
) -> Outcome:
    """Score runs, print a table and, where ``out`` is given, write or extend a results file."""
    folders = named(runs)
    scored = score(folders, measurements=measurements, truth=truth)
    if out is not None and scored.truth is None:
        raise InputError("expected ground truth for a results file, but there is none: add --truth")
    lines = [*image_lines(scored.evaluation), *table_lines(scored.evaluation), scored.statement]
    if out is not None:
        notes = {
            name: method_notes(run, folders[name], training_psnr(folders[name])) for name, run in scored.runs.items()
        }
        given = [("--measurements", measurements), ("--truth", truth), ("--out", out)]
        words = [*map(str, runs), *(f"{name} {path}" for name, path in given if path is not None)]
        command = " ".join(["nullsight evaluate", *words])
        write_result(out, to_result(scored.evaluation, setting(scored.recipe, command), notes))
        lines.append(f"wrote {out}")
    return Outcome(tuple(lines))


def training_psnr(folder: Path) -> float | None:
    """Return a run's mean PSNR on its own training measurements, where their truth is known."""
    recipe, _ = load_recipe(folder)
    section = recipe.data
    if section.truth is None or section.measurements is None:
        return None
    places = place(section.measurements, folder), place(section.truth, folder)
    scored = score({"f(y)": folder}, measurements=places[0], truth=places[1])
    return scored.evaluation.mean("f(y)", "psnr").mean


def _method(run: Run) -> Callable[[Tensor, Physics], Tensor]:
    return lambda y, physics: run.reconstruct(y, physics)


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
