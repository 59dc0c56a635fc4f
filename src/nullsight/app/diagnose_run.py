"""What can be known of a trained run without ground truth: ``nullsight diagnose RUN``."""

import json
from dataclasses import replace
from pathlib import Path

from nullsight.app.examined import COPIES, Examined, examined
from nullsight.app.opened import Opened, open_with_measurements, together
from nullsight.outcome import Outcome
from nullsight.recipe import recipe_text
from nullsight.report import Diagnosed, Example, Panel, ReportContent, part_pictures, trusted, uncertain, write_report
from nullsight.training.backend import computing_with
from nullsight.trust import Checks, check, read_calibration

IMAGES = 4


def diagnose_run(
    folder: Path,
    *,
    measurements: Path | None = None,
    images: int = IMAGES,
    copies: int = COPIES,
    calibration: Path | None = None,
    as_json: bool = False,
    out: Path | None = None,
) -> Outcome:
    """Examine a run's reconstructions without truth.

    The outcome's code is 1 where residuals are more than the noise explains (without noise, above 1 %), else 0.

    Args:
        folder: of the run.
        measurements: to reconstruct; None: its test measurements, else those it was trained on.
        images: how many of them, from the first.
        copies: of each, from which its errors are predicted; below 2: they are not.
        calibration: a file of ``trust.save_calibration``, which makes intervals of the images out of those of their
            measured part.
        as_json: print JSON in place of text.
        out: a page to write as well.

    Raises:
        InputError: no run there, no measurements, or no calibration in the file.
    """
    known = None if calibration is None else read_calibration(calibration)
    opened = open_with_measurements(folder, measurements)
    with computing_with(opened.recipe.training.threads):
        found = examined(opened, images=images, copies=copies, calibration=known)
    lines = [json.dumps(found.to_json(), indent=1, allow_nan=False)] if as_json else found.lines()
    if out is not None:
        write_report(out, page(found, opened, folder))
        lines += [] if as_json else [f"wrote {out}"]
    return Outcome(tuple(lines), found.code)


def examine_run(opened: Opened, *, images: int, copies: int, tested: int) -> Diagnosed:
    """Return what a report says of the first images of a run's measurements, with maps of the first one's errors."""
    with computing_with(opened.recipe.training.threads):
        found = examined(opened, images=images, copies=copies, tested=tested)
    shown = trusted(found.trust)
    return replace(shown, lines=tuple(found.lines()), panels=(*shown.panels, *_maps(found, 0)))


def check_run(opened: Opened, *, images: int = IMAGES) -> Checks:
    """Return what is quickly known without truth of the first images of a run's measurements."""
    few = opened.few(images)
    with computing_with(opened.recipe.training.threads):
        return check(
            opened.reconstruct, few.y, few.physics, opened.noise, together(opened.families), seed=opened.recipe.seed
        )


def page(found: Examined, opened: Opened, folder: Path) -> ReportContent:
    """Return the page of a run that was examined."""
    title = opened.recipe.title or folder.resolve().name
    count = len(found.trust.checks.x)
    names = opened.few(count).names or tuple(str(number) for number in range(count))
    parts = part_pictures(found.trust, names)
    pictures = tuple(Example(one.name, (*one.panels, *_maps(found, row))) for row, one in enumerate(parts))
    shown = replace(trusted(found.trust), lines=tuple(found.lines()))
    return ReportContent(
        title, found.trust.summary, examples=pictures, trust=shown, recipe=recipe_text(opened.recipe)
    )  # fmt: skip


def _maps(found: Examined, row: int) -> tuple[Panel, ...]:
    """Return where the errors of an image are predicted; nothing where they are not, or images are no pictures."""
    return () if found.errors is None or found.errors.centre.ndim != 4 else uncertain(found.errors, row)
