"""The noise of a recipe, where it is to be found in the measurements themselves."""

from pathlib import Path

from nullsight.assemble import Context, build, describe
from nullsight.data import MeasurementSet
from nullsight.noise import ESTIMATES, Estimate
from nullsight.schema import Part, Recipe


def with_noise_estimated(recipe: Recipe, data: MeasurementSet, root: Path) -> Recipe:
    """Return the recipe with the noise that its [noise] finds in the measurements, where that is an estimate.

    Levels have six digits, far more than measurements tell: sums over them are not the same to the last digit every
    time, and the same recipe is to say the same noise, as a table that goes on checks.

    Raises:
        InputError: an estimate that does not fit, or measurements that say too little.
    """
    if recipe.noise is None or recipe.noise.name not in ESTIMATES:
        return recipe
    estimate: Estimate = build(recipe.noise.model_dump(), Estimate, "[noise]", Context(root=root))
    found = estimate.of(data.y, data.physics.measured)
    said = describe(found, {}, "noise")
    said.update({name: float(f"{value:.6g}") for name, value in said.items() if isinstance(value, float)})
    return recipe.model_copy(update={"noise": Part(**said)})
