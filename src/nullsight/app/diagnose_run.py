"""What can be known of a trained run without ground truth: ``nullsight diagnose RUN``."""

import json
from pathlib import Path

from nullsight.app.opened import Opened, open_with_measurements, together
from nullsight.outcome import Outcome
from nullsight.recipe import recipe_text
from nullsight.report import ReportContent, part_pictures, trusted, write_report
from nullsight.training.backend import computing_with
from nullsight.trust import Checks, Trust, check, examine

IMAGES = 4


def diagnose_run(
    folder: Path,
    *,
    measurements: Path | None = None,
    images: int = IMAGES,
    as_json: bool = False,
    out: Path | None = None,
) -> Outcome:
    """Examine a run's reconstructions without truth.

    The outcome's code is 1 where residuals are more than the noise explains (without noise, above 1 %), else 0.

    Args:
        folder: of the run.
        measurements: to reconstruct; None: its test measurements, else those it was trained on.
        images: how many of them, from the first.
        as_json: print JSON in place of text.
        out: a page to write as well.

    Raises:
        InputError: no run there, or no measurements.
    """
    opened = open_with_measurements(folder, measurements)
    found = examine_run(opened, images=images)
    lines = [json.dumps(found.to_json(), indent=1, allow_nan=False)] if as_json else found.lines()
    if out is not None:
        write_report(out, page(found, opened, folder))
        lines += [] if as_json else [f"wrote {out}"]
    return Outcome(tuple(lines), found.code)


def examine_run(opened: Opened, *, images: int = IMAGES) -> Trust:
    """Return what is known without truth of the first images of a run's measurements."""
    few = opened.few(images)
    with computing_with(opened.recipe.training.threads):
        return examine(
            opened.reconstruct, few.y, few.physics, opened.noise, together(opened.families), seed=opened.recipe.seed
        )


def check_run(opened: Opened, *, images: int = IMAGES) -> Checks:
    """Return what is quickly known without truth of the first images of a run's measurements."""
    few = opened.few(images)
    with computing_with(opened.recipe.training.threads):
        return check(
            opened.reconstruct, few.y, few.physics, opened.noise, together(opened.families), seed=opened.recipe.seed
        )


def page(found: Trust, opened: Opened, folder: Path) -> ReportContent:
    """Return the page of a run that was examined."""
    title = opened.recipe.title or folder.resolve().name
    count = len(found.checks.x)
    names = opened.few(count).names or tuple(str(number) for number in range(count))
    pictures = part_pictures(found, names)
    shown, text = trusted(found), recipe_text(opened.recipe)
    return ReportContent(title, found.summary, examples=pictures, trust=shown, recipe=text)
