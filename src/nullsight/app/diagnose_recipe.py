"""What a recipe's physics and group can ever teach: ``nullsight diagnose``."""

import json
from pathlib import Path

import torch
from torch import Tensor

from nullsight.app.check_recipe import physics_of
from nullsight.app.inputs import read_inputs
from nullsight.app.noise_of import with_noise_estimated
from nullsight.assemble import Context, build, place
from nullsight.data import MeasurementSet
from nullsight.diagnosis import Budget, Diagnosis, diagnose
from nullsight.groups.base import Family
from nullsight.noise import ESTIMATES, Noise
from nullsight.outcome import Outcome, Say
from nullsight.physics.base import Physics
from nullsight.recipe import recipe_text
from nullsight.report import ReportContent, diagnosed, write_report
from nullsight.schema import Part, Recipe
from nullsight.types import InputError

_FEW = 8  # measurements that tell how large the images' values are


def diagnose_recipe(
    recipe: Recipe,
    root: Path,
    *,
    dimension: int | None = None,
    as_json: bool = False,
    out: Path | None = None,
    say: Say = print,
) -> Outcome:
    """Diagnose a recipe's physics and group; code 0 condition holds, 3 partly, 4 nothing gained or impossible.

    The operators are those of the measurements where the files are there, one for each sample if they are many, and the
    noise is held against the images that ``A_dagger`` makes of a few measurements.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        dimension: of the set of images, for the sensing theorems' bounds.
        as_json: print JSON in place of text.
        out: a page to write as well.
        say: told how long it will take where that is long, unless JSON is asked for.

    Raises:
        InputError: no physics, no group, or parts that do not fit.
    """
    recipe, physics, data, noise = _measured(recipe, root)
    context = Context(root=root, image_shape=physics.image_shape)
    if recipe.noise is not None and recipe.noise.name not in ESTIMATES:
        noise = build(recipe.noise.model_dump(), Noise, "[noise]", context)
    group: Family = build(_group(recipe), Family, "[group]", context)
    told = None if as_json else say
    if data is None:
        found = diagnose(physics, group, noise=noise, dimension=dimension, say=told)
    else:
        found = diagnose_measured(data, group, noise=noise, dimension=dimension, say=told)
    lines = [json.dumps(found.to_json(), indent=1, allow_nan=False)] if as_json else found.lines()
    if out is not None:
        write_report(out, page(found, recipe))
        lines += [] if as_json else [f"wrote {out}"]
    return Outcome(tuple(lines), found.code)


@torch.no_grad()
def diagnose_measured(
    data: MeasurementSet,
    group: Family,
    *,
    noise: Noise | None,
    dimension: int | None = None,
    budget: Budget | None = None,
    say: Say | None = None,
) -> Diagnosis:
    """Diagnose the operator of some measurements; their noise is held against the images that ``A_dagger`` makes.

    Args:
        data: measurements and their operator; the first 8 say how large images are.
        group: what the images are invariant to.
        noise: of the measurements; None: noiseless.
        dimension: of the set of images, for the sensing theorems' bounds.
        budget: what it may cost; None: seconds for 128 x 128 pixels.
        say: told how long it will take where that is long.
    """
    few = data.take(range(min(_FEW, len(data))))
    size = float(few.physics.A_dagger(few.y).square().mean().sqrt())
    contrast = size if size > 0 else 1.0
    return diagnose(data.physics, group, noise=noise, contrast=contrast, dimension=dimension, budget=budget, say=say)


def page(found: Diagnosis, recipe: Recipe) -> ReportContent:
    """Return the page of a diagnosis."""
    title = recipe.title or f"{found.physics} and {found.group}"
    return ReportContent(title, found.summary, diagnosis=diagnosed(found), recipe=recipe_text(recipe))


def _measured(recipe: Recipe, root: Path) -> tuple[Recipe, Physics, MeasurementSet | None, Noise | None]:
    """Return the recipe with its noise, the operator, and where there are measurements, these and their noise."""
    named = recipe.data.measurements
    if named is None or not place(named, root).exists():
        return recipe, physics_of(recipe, root), None, None
    arrays: dict[str, Tensor] = {}
    inputs = read_inputs(named, recipe.data, recipe.physics, root, arrays)
    return with_noise_estimated(recipe, inputs.data, root), inputs.data.physics, inputs.data, inputs.noise


def _group(recipe: Recipe) -> dict[str, object]:
    """Return the [group] as written, or the first one that a loss has of its own."""
    if recipe.group is not None:
        return recipe.group.model_dump()
    for part in recipe.loss:
        own = part.arguments().get("group")
        if isinstance(own, dict):
            return Part.model_validate(own).model_dump()
    raise InputError(
        "expected a [group] in the recipe, whose transformations could teach something, but there is none: add one"
    )
