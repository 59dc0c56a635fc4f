"""The command line: parse, call ``nullsight.app``, print. Everything heavy is imported when a command runs."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from nullsight.errors import InputError
from nullsight.outcome import Outcome
from nullsight.schema import read_recipe

HELP = """Learn to reconstruct images from measurements alone.

A recipe (TOML) names the measurements, the physics, the symmetry group, the network, the loss and the training. Any of
its values can be changed on the command line: training.minutes=5 or --training.minutes 5. Exit codes: 0 done, 1 a check
failed, 2 bad input, 130 interrupted (the line that resumes is printed); of diagnose: 0 the necessary condition holds, 3
partly, 4 nothing gained or impossible; of a run, 1 where it does not explain its measurements."""

app = App(name="nullsight", help=HELP, help_format="plaintext", version_flags=["--version"])
Overrides = Annotated[str, Parameter(help="section.key=value, in place of the recipe's values")]
Overwrite = Annotated[bool, Parameter(negative="", help="replace files that are there")]
Measurements = Annotated[Path | None, Parameter(help="in place of the recipe's test measurements")]
Truth = Annotated[Path | None, Parameter(help="their ground truth; without it only residuals are given")]
Helping = Annotated[Path | None, Parameter(help="a recipe whose [[helper]] list is used; none if not given")]
AsJson = Annotated[bool, Parameter(negative="", help="print JSON in place of text")]
Out = Annotated[Path | None, Parameter(name=["--out", "-o"], help="where to write; a new name is made if not given")]


@app.command
def demo(*, out: Out = None) -> Outcome:
    """Train sparse-view CT of made-up anatomy from sinograms alone (3.3 minutes) and write a report."""
    from nullsight.demo import demo as run

    return run(out or Path("demo"), say=_say)


@app.command
def simulate(recipe: Path, *overrides: Overrides, overwrite: Overwrite = False) -> Outcome:
    """Make measurement files from the images that the recipe's [simulate] section names."""
    from nullsight import app as room

    return room.simulate_recipe(read_recipe(recipe, overrides), recipe.parent, overwrite=overwrite)


@app.command
def check(recipe: Path, *overrides: Overrides) -> Outcome:
    """Check the recipe's very physics and group: adjoint, A_dagger, gradients, group law, stated errors."""
    from nullsight import app as room

    return room.check_recipe(read_recipe(recipe, overrides), recipe.parent)


@app.command
def diagnose(
    recipe: Annotated[Path, Parameter(help="a recipe, or a run folder to examine without truth")],
    *overrides: Overrides,
    dimension: Annotated[int | None, Parameter(help="of the set of images, for the sensing theorems' bounds")] = None,
    json: AsJson = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="an HTML page to write as well")] = None,
    measurements: Annotated[Path | None, Parameter(help="of a run: in place of its test measurements")] = None,
    images: Annotated[int, Parameter(help="of a run: how many measurements are looked at")] = 4,
    copies: Annotated[int, Parameter(help="of a run: of each image, to predict its errors from; 0 for none")] = 50,
    calibration: Annotated[Path | None, Parameter(help="of a run: what errors were on images with truth")] = None,
) -> Outcome:
    """Say what a recipe can ever teach (0 condition holds, 3 partly, 4 nothing), or what a run knows without truth.

    Of a run folder, the exit code is 1 where residuals are more than the noise explains: without noise, above 1 %.
    """
    from nullsight import app as room

    if recipe.is_dir():
        return room.diagnose_run(
            recipe, measurements=measurements, images=images, copies=copies, calibration=calibration, as_json=json,
            out=out,
        )  # fmt: skip
    read = read_recipe(recipe, overrides)
    return room.diagnose_recipe(read, recipe.parent, dimension=dimension, as_json=json, out=out, say=_say)


@app.command
def fit(
    recipe: str | None = None,
    /,
    *overrides: Overrides,
    minutes: Annotated[float | None, Parameter(help="wall minutes, in place of the recipe's budget")] = None,
    out: Out = None,
    resume: Annotated[Path | None, Parameter(help="an interrupted or finished run folder to go on with")] = None,
    start_from: Annotated[Path | None, Parameter(help="a run whose weights to begin with")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="one step; estimate memory and time, write nothing")] = False,
) -> Outcome:
    """Train the recipe's reconstructor from its measurements; Ctrl-C keeps what is learned and says how to resume."""
    from nullsight import app as room

    changes = [*overrides, *([] if minutes is None else [f"training.minutes={minutes}"])]
    if resume is not None:
        if recipe is not None:
            changes = [recipe, *changes]  # with --resume there is no recipe: the word is an override
        return room.resume_run(resume, changes)
    if recipe is None:
        raise InputError("expected a recipe or --resume RUN, but neither came: nullsight fit recipe.toml")
    file = Path(recipe)
    read = read_recipe(file, changes)
    if dry_run:
        return room.dry_run(read, file.parent, _say)
    return room.fit_recipe(read, file.parent, out=out, stem=file.stem, start_from=start_from, say=_say)


@app.command
def reconstruct(
    run: Annotated[Path, Parameter(help="a run folder, or a recipe.toml that needs no training")],
    measurements: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="images.npy, .npz, .h5 or a folder for PNG or TIFF")],
    physics: Annotated[Path | None, Parameter(help="a recipe whose [physics] made these measurements")] = None,
    helpers: Helping = None,
    overwrite: Overwrite = False,
) -> Outcome:
    """Reconstruct new measurements with a trained run, or with a recipe whose reconstructor has no weights."""
    from nullsight import app as room

    other = None if physics is None else (read_recipe(physics), physics.parent)
    return room.reconstruct_file(run, measurements, out, other=other, helpers=helpers, overwrite=overwrite)


@app.command
def evaluate(
    run: Path,
    *others: Path,
    measurements: Measurements = None,
    truth: Truth = None,
    helpers: Helping = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="a results .json to write or add to")] = None,
) -> Outcome:
    """Score a run, and others beside it, against A_dagger y: PSNR, SSIM, NMSE, residual, with intervals."""
    from nullsight import app as room

    return room.evaluate_runs([run, *others], measurements=measurements, truth=truth, helpers=helpers, out=out)


@app.command
def select(
    run: Path,
    *others: Annotated[Path, Parameter(help="runs to compare it with; without any, its checkpoints are compared")],
    measurements: Measurements = None,
    images: Annotated[int, Parameter(help="how many measurements they are compared on")] = 8,
    json: AsJson = False,
) -> Outcome:
    """Rank runs of the same measurements, or the checkpoints of one, without truth."""
    from nullsight import app as room

    return room.select_runs([run, *others], measurements=measurements, images=images, as_json=json)


@app.command
def report(
    run: Path,
    *others: Annotated[Path, Parameter(help="runs to stand beside it")],
    measurements: Measurements = None,
    truth: Truth = None,
    out: Out = None,
) -> Outcome:
    """Write a run's report, one HTML page with pictures, curves, scores and the recipe."""
    from nullsight import app as room

    return room.report_runs([run, *others], measurements=measurements, truth=truth, out=out)


@app.command
def table(
    folder: Path,
    *overrides: Overrides,
    only: Annotated[list[str] | None, Parameter(help="a row to train and score, by its name; may come again")] = None,
    runs: Annotated[Path | None, Parameter(help="where the run folders go; runs/FOLDER if not given")] = None,
    results: Annotated[Path | None, Parameter(help="the file to write; results/FOLDER.json if not given")] = None,
) -> Outcome:
    """Train every recipe in a folder but common.toml, one after the other, score all and write the table."""
    from nullsight import app as room

    return room.table(folder, overrides, only=only or (), runs=runs, results=results, say=_say)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no traceback unless ``--debug`` is among the arguments."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = _overrides_as_words([token for token in tokens if token != "--debug"])
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    return _guarded(lambda: _run(tokens, errors), errors, debug)


def _run(tokens: list[str], errors: Console) -> int:
    outcome = app(tokens, exit_on_error=False, print_error=False, result_action="return_value", error_console=errors)
    if not isinstance(outcome, Outcome):  # --version and --help print for themselves
        return 0
    for line in outcome.lines:
        print(line)
    return int(outcome.code)


def _guarded(command: Callable[[], int], errors: Console, debug: bool) -> int:
    try:
        return command()
    except KeyboardInterrupt:
        errors.print("interrupted", markup=False)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if debug:
            raise
        errors.print(f"nullsight: {_sentence(error)}", markup=False)
        return 2


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, InputError | CycloptsError):
        return text
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "out of memory" in text:
        return "expected enough memory for this, but it is used up: lower training.batch_size or the size of the images"
    if isinstance(error, OSError) and error.strerror:
        return f"expected to read or write {error.filename or 'a file'}, but it failed: {error.strerror}"
    return f"unexpected {type(error).__name__}: {text} (run again with --debug to see where)"


def _say(line: str) -> None:
    print(line, flush=True)  # what is being done is seen at once, also in a log


def _overrides_as_words(tokens: Sequence[str]) -> list[str]:
    """Turn ``--section.key value`` and ``--section.key=value`` into the word ``section.key=value``."""
    words: list[str] = []
    rest = iter(tokens)
    for token in rest:
        key = token.partition("=")[0]
        if token.startswith("--") and "." in key and "/" not in key:
            words.append(token[2:] if "=" in token else f"{token[2:]}={next(rest, '')}")
        else:
            words.append(token)
    return words


if __name__ == "__main__":
    sys.exit(main())
