"""Reconstruct the measurements in a file: ``nullsight reconstruct``."""

from pathlib import Path

from nullsight.app.inputs import read_inputs
from nullsight.app.runs import load
from nullsight.data import ArrayFile, write_images
from nullsight.outcome import Outcome
from nullsight.recipe import load_recipe
from nullsight.schema import Recipe
from nullsight.types import InputError


def reconstruct_file(
    run: Path, measurements: Path, out: Path, *, other: tuple[Recipe, Path] | None = None, overwrite: bool = False
) -> Outcome:
    """Reconstruct the measurements in a file or folder and write images in the format that ``out`` asks for.

    Args:
        run: the trained run's folder.
        measurements: a container, an array or a folder of images; the pictures of a folder keep their names.
        out: ``.npy``, ``.npz``, ``.h5`` or a folder for pictures.
        other: a recipe and its folder, whose [physics] made these measurements; None: the container's or the run's.
        overwrite: whether ``out`` may be replaced.

    Raises:
        InputError: no run, measurements that do not fit, or a name that is taken.
    """
    if out.exists() and not overwrite:  # before the work, not after it
        raise InputError(f"expected a name that is free, but {out} exists: choose another or add --overwrite")
    trained = load(run)
    recipe, arrays = load_recipe(run)
    section, own, root = recipe.data, recipe.physics, run
    if other is not None:
        section, own, root, arrays = other[0].data, other[0].physics, other[1], {}
        if own is None:
            raise InputError("expected [physics] in the recipe after --physics, but it has none: add it")
    data = read_inputs(str(measurements.resolve()), section, own, root, arrays, container_first=other is None).data
    images = trained.reconstruct(data)
    write_images(out, images, ArrayFile(images, data.names, str(measurements)), overwrite=overwrite)
    return Outcome((f"wrote {len(images)} images of shape {tuple(images.shape[1:])} to {out}",))
