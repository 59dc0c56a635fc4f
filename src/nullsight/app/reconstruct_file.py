"""Reconstruct the measurements in a file: ``nullsight reconstruct``."""

from dataclasses import replace
from pathlib import Path

from nullsight.app.helpers import read_helpers
from nullsight.app.inputs import Inputs, read_inputs
from nullsight.app.noise_of import with_noise_estimated
from nullsight.app.runs import load, reconstruct_with, untrained
from nullsight.data import ArrayFile, write_images
from nullsight.outcome import Outcome
from nullsight.recipe import NoLoss, build_experiment, load_recipe
from nullsight.schema import Recipe, read_recipe
from nullsight.training import Run
from nullsight.types import InputError


def reconstruct_file(
    run: Path,
    measurements: Path,
    out: Path,
    *,
    other: tuple[Recipe, Path] | None = None,
    helpers: Path | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Reconstruct the measurements in a file or folder and write images in the format that ``out`` asks for.

    Args:
        run: the trained run's folder, or a recipe (TOML) whose reconstructor has no weights.
        measurements: a container, an array or a folder of images; the pictures of a folder keep their names.
        out: ``.npy``, ``.npz``, ``.h5`` or a folder for pictures.
        other: a recipe and its folder, whose [physics] made these measurements; None: the container's or the run's.
        helpers: a recipe with [[helper]], to be used; None: none are.
        overwrite: whether ``out`` may be replaced.

    Raises:
        InputError: no run, measurements that do not fit, or a name that is taken.
    """
    if out.exists() and not overwrite:  # before the work, not after it
        raise InputError(f"expected a name that is free, but {out} exists: choose another or add --overwrite")
    trained = load(run) if run.is_dir() else None
    recipe, arrays = (read_recipe(run), {}) if trained is None else load_recipe(run)
    section, own, root = recipe.data, recipe.physics, run.parent if trained is None else run
    if other is not None:
        section, own, root, arrays = other[0].data, other[0].physics, other[1], {}
        if own is None:
            raise InputError("expected [physics] in the recipe after --physics, but it has none: add it")
    read = read_inputs(str(measurements.resolve()), section, own, root, arrays, container_first=other is None)
    data = read.data
    if trained is None:
        trained = _untrained(recipe, read, run)
    if helpers is not None:
        helped = read_helpers(helpers).build(trained.reconstructor, data.physics)
        trained = replace(trained, reconstructor=helped.eval())
    images = reconstruct_with(trained, data.y, data.physics)
    write_images(out, images, ArrayFile(images, data.names, str(measurements)), overwrite=overwrite)
    return Outcome((f"wrote {len(images)} images of shape {tuple(images.shape[1:])} to {out}",))


def _untrained(recipe: Recipe, read: Inputs, path: Path) -> Run:
    """Return the run of a recipe that needs no training; InputError where it needs some."""
    known = with_noise_estimated(recipe, read.data, path.parent)
    experiment = build_experiment(known, read.data.physics, read.noise, path.parent, {})
    if not isinstance(experiment.loss, NoLoss):
        raise InputError(
            f"expected a run folder, or a recipe without [[loss]] whose reconstructor has no weights, but {path} is to "
            f"be trained: nullsight fit {path} first, and give its run folder"
        )
    return untrained(experiment)
