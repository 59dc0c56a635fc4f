"""What files were simulated with, and whether that is what the recipe's [simulate] says now."""

from pathlib import Path
from typing import Any

from nullsight.app.inputs import difference
from nullsight.assemble import Context, build, place
from nullsight.data import read_measurements
from nullsight.data.container import kind_of, read_header
from nullsight.noise import ESTIMATES, Noise, Noiseless, UnknownNoise
from nullsight.recipe import build_physics
from nullsight.schema import Recipe, SimulateSection
from nullsight.types import InputError

SIMULATED = "simulated"  # the key of a container's header


def settings_of(section: SimulateSection, chosen: tuple[int, int] | None) -> dict[str, Any]:
    """Return what [simulate] says of one file, as it is written into its header; of the images, the name alone.

    Args:
        section: as read.
        chosen: the range of the images that go into the file, as it is written; None: all.
    """
    known = section.model_dump(exclude={"images", "train", "test", "noise"})
    return {"images": Path(section.images).name, "range": None if chosen is None else list(chosen), **known}


def simulated_noise(recipe: Recipe, root: Path) -> Noise | None:
    """Return the noise that simulated measurements get; None where the recipe has one of unknown level alone.

    Raises:
        InputError: a noise that cannot be built.
    """
    own = None if recipe.simulate is None else recipe.simulate.noise
    written = own or recipe.noise
    if written is None:
        return Noiseless()
    if own is None and written.name in ESTIMATES:
        return None
    noise = build(written.model_dump(), Noise, "[simulate.noise]" if own else "[noise]", Context(root=root))
    return None if isinstance(noise, UnknownNoise) else noise


def check_simulated(recipe: Recipe, root: Path) -> None:
    """Raise an InputError where a file that [data] names was simulated otherwise than the recipe would simulate it.

    Files that do not say how they were made are taken as they are.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
    """
    section, data = recipe.simulate, recipe.data
    if section is None:
        return
    named = [(data.measurements, data.truth, section.train)]
    if section.test is not None:  # else no test files are simulated, and these are others
        named.append((data.test_measurements, data.test_truth, section.test))
    for measurements, truth, chosen in named:
        for name in (measurements, truth):
            if name is not None:
                _check_settings(place(name, root), settings_of(section, chosen))
        if measurements is not None:
            _check_parts(place(measurements, root), recipe, root)


def _check_settings(path: Path, wanted: dict[str, Any]) -> None:
    known = read_header(path).get(SIMULATED, {})
    for key, value in wanted.items():
        if key in known and known[key] != value:
            raise InputError(_otherwise(path, f"{key} in [simulate]", repr(known[key]), repr(value)))


def _check_parts(path: Path, recipe: Recipe, root: Path) -> None:
    if not read_header(path).get(SIMULATED) or kind_of(path) is None:
        return
    file = read_measurements(path)
    if recipe.physics is not None:
        stated = build_physics(recipe.physics.model_dump(), root, {})
        found = difference(stated, build_physics(file.physics, root, file.arrays))
        if found is not None:
            raise InputError(_otherwise(path, f"{found[0]} in [physics]", *found[1:]))
    noise = simulated_noise(recipe, root)
    if noise is not None:
        found = difference(noise, build(file.noise, Noise, "the container's noise", Context(root, file.arrays)))
        if found is not None:
            other = ", or say in [simulate.noise] what it carries where another noise is to be reckoned with"
            raise InputError(_otherwise(path, f"{found[0]} in [noise]", *found[1:]) + other)


def _otherwise(path: Path, what: str, there: str, here: str) -> str:
    return (
        f"expected {path} as the recipe simulates it, but it was simulated with {there} as {what} and the recipe says "
        f"{here}: name another file in [data], leave [simulate] out, or make it anew with nullsight simulate RECIPE "
        f"--overwrite"
    )
