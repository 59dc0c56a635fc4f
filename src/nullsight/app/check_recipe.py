"""Run the contracts on the very physics and group of a recipe: ``nullsight check``."""

from collections.abc import Sequence
from pathlib import Path

from nullsight.assemble import Context, build, place
from nullsight.contracts.findings import Finding
from nullsight.contracts.groups import check_group
from nullsight.contracts.physics import check_physics
from nullsight.data import read_measurements
from nullsight.data.container import kind_of
from nullsight.groups.base import Family
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics
from nullsight.recipe import build_physics
from nullsight.schema import Recipe
from nullsight.types import InputError


def check_recipe(recipe: Recipe, root: Path) -> Outcome:
    """Check a recipe's physics and group and return a line a finding; code 1 where one fails.

    Raises:
        InputError: no physics in the recipe, nor in the container that it names.
    """
    physics = physics_of(recipe, root)
    lines = [
        f"physics {type(physics).__name__}: images {physics.image_shape}, measurements {physics.measurement_shape}"
    ]
    findings = list(check_physics(physics))
    lines += _lines(findings)
    if recipe.group is not None:
        context = Context(root=root, image_shape=physics.image_shape)
        group: Family = build(recipe.group.model_dump(), Family, "[group]", context)
        lines.append(f"group {type(group).__name__}")
        of_group = check_group(group, physics.image_shape)
        lines += _lines(of_group)
        findings += of_group
    failed = sum(not one.passed for one in findings)
    lines.append(f"{len(findings) - failed} of {len(findings)} checks passed")
    return Outcome(tuple(lines), 1 if failed else 0)


def physics_of(recipe: Recipe, root: Path) -> Physics:
    """Return the recipe's physics, or that of the container it names."""
    if recipe.physics is not None:
        return build_physics(recipe.physics.model_dump(), root, {})
    path = None if recipe.data.measurements is None else place(recipe.data.measurements, root)
    if path is None or kind_of(path) is None:
        raise InputError("expected [physics] in the recipe, or measurements in a container that says it, but neither")
    file = read_measurements(path)
    return build_physics(file.physics, root, file.arrays)


def _lines(findings: Sequence[Finding]) -> list[str]:
    return [
        f"  {one}" + (f" ({one.message})" if one.message and not one.message.startswith(one.name) else "")
        for one in findings
    ]
