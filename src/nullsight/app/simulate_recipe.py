"""Make measurement files from images: ``nullsight simulate``."""

from pathlib import Path

from torch import Tensor

from nullsight.assemble import Context, build, describe, place
from nullsight.data import MeasurementFile, TruthFile, read_images, simulate, write_measurements, write_truth
from nullsight.noise import Noise, Noiseless
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.recipe import build_physics
from nullsight.schema import Recipe, SimulateSection
from nullsight.types import InputError


def simulate_recipe(recipe: Recipe, root: Path, *, overwrite: bool = True) -> Outcome:
    """Write the measurement and truth files that the recipe's [data] names, from the images of its [simulate].

    Raises:
        InputError: no [simulate] or [physics], images of another shape, or a range without images.
    """
    section = recipe.simulate
    if section is None:
        raise InputError("expected a [simulate] section in the recipe, but it has none: add it with images = ...")
    if recipe.physics is None:
        raise InputError("expected [physics] in the recipe to measure with, but it has none: add it")
    physics = build_physics(recipe.physics.model_dump(), root, {})
    noise: Noise = Noiseless()
    if recipe.noise is not None:
        noise = build(recipe.noise.model_dump(), Noise, "[noise]", Context(root=root))
    file = read_images(place(section.images, root), section.key, section.axes)
    lines = [f"{len(file.values)} images from {file.source}" + (f" ({file.note})" if file.note else "")]
    jobs = [
        (recipe.data.measurements, recipe.data.truth, section.train or (0, len(file.values))),
        (recipe.data.test_measurements, recipe.data.test_truth, section.test),
    ]
    if recipe.data.measurements is None:
        raise InputError("expected measurements = ... in the recipe's [data] to write to, but it is not given: add it")
    for measurements, truth, chosen in jobs:
        if measurements is None or chosen is None:
            continue
        rows = _range(chosen, len(file.values), section)
        names = tuple(file.names[i] if file.names else str(i) for i in rows)
        images = file.values[rows.start : rows.stop]
        place(measurements, root).parent.mkdir(parents=True, exist_ok=True)
        lines += _write(images, names, physics, noise, section.seed, place(measurements, root), overwrite)
        if truth is not None:
            place(truth, root).parent.mkdir(parents=True, exist_ok=True)
            write_truth(place(truth, root), TruthFile(images, names=names), overwrite=overwrite)
            lines.append(f"wrote {len(images)} images of ground truth to {place(truth, root)}")
    return Outcome(tuple(lines))


def _write(
    images: Tensor, names: tuple[str, ...], physics: Physics, noise: Noise, seed: int, path: Path, overwrite: bool
) -> list[str]:
    y = simulate(images, physics, noise, seed=seed)
    arrays: dict[str, Tensor] = {}
    written = describe(physics, arrays, "physics")
    noise_written = describe(noise, arrays, "noise")
    file = MeasurementFile(y, written, noise_written, names=names, arrays=arrays)
    write_measurements(path, file, overwrite=overwrite)
    return [f"wrote {len(y)} measurements of shape {tuple(y.shape[1:])} to {path}"]


def _range(chosen: tuple[int, int], count: int, section: SimulateSection) -> range:
    first, end = chosen
    if not 0 <= first < end <= count:
        raise InputError(
            f"expected a range [first, end) within 0 .. {count} images, but {list(chosen)} came: change it"
        )
    return range(first, end)
