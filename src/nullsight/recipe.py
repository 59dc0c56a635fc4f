"""A recipe becomes an experiment, and an experiment is written down as a recipe that rebuilds it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import tomli_w
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nullsight.assemble import Context, build, describe
from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss, Ramp, Weight
from nullsight.noise import Noise, Noiseless
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.schema import LossPart, Part, RampSpec, Recipe, parse_recipe, read_recipe
from nullsight.storage import whole_file, write_atomically
from nullsight.training.chooser import Chooser
from nullsight.training.optimisers import Optimiser
from nullsight.training.schedules import Schedule
from nullsight.training.settings import Settings
from nullsight.types import InputError, Scalar


class NoLoss(Loss):
    """No term at all, of a reconstructor that has no weights and so is not trained."""

    def terms(self) -> list[tuple[Weight, Loss]]:
        """Return nothing."""
        return []

    def forward(self, evidence: Evidence) -> Scalar:
        """Raise an InputError: nothing is to be trained."""
        raise InputError("expected a loss to train with, but the recipe has no [[loss]]: add measurement_consistency")


@dataclass(frozen=True)
class Experiment:
    """Everything a recipe names, built.

    Attributes:
        physics: the operator (one for all samples, as the recipe or the container has it).
        noise: what the measurements are taken to carry.
        group: the [group] section's family, or None.
        reconstructor: untrained.
        loss: the weighted terms; :class:`NoLoss` where the reconstructor has no weights and none is written.
        settings: of the training.
    """

    physics: Physics
    noise: Noise
    group: Family | None
    reconstructor: Reconstructor
    loss: Loss
    settings: Settings


def build_physics(written: Mapping[str, Any], root: Path, arrays: Mapping[str, Tensor]) -> Physics:
    """Build an operator from its written form (a recipe's [physics] or a container's)."""
    physics: Physics = build(written, Physics, "[physics]", Context(root=root, arrays=arrays))
    return physics


def build_experiment(
    recipe: Recipe, physics: Physics, noise: Noise | None, root: Path, arrays: Mapping[str, Tensor]
) -> Experiment:
    """Build everything the recipe names around a physics.

    Args:
        recipe: as read.
        physics: the operator of the measurements.
        noise: what the container says of the noise; the recipe's own [noise] goes first.
        root: the folder that the recipe's file names are relative to.
        arrays: kept tensors that ``{array = "key"}`` refers to.
    """
    image_shape = physics.image_shape
    base = Context(root=root, arrays=arrays, image_shape=image_shape)
    if recipe.noise is not None:
        noise = build(recipe.noise.model_dump(), Noise, "[noise]", base)
    noise = noise or Noiseless()
    group = _optional(recipe.group, Family, "[group]", base)
    seeded = replace(base, seed=recipe.seed)
    network = _optional(recipe.network, nn.Module, "[network]", seeded)
    full = replace(seeded, group=group, noise=noise, network=network)
    part = recipe.reconstructor or Part(name="artifact_removal")
    reconstructor: Reconstructor = build(part.model_dump(), Reconstructor, "[reconstructor]", full)
    return Experiment(
        physics=physics,
        noise=noise,
        group=group,
        reconstructor=reconstructor,
        loss=_objective(recipe.loss, reconstructor, full),
        settings=build_settings(recipe, replace(seeded, group=group, noise=noise)),
    )


def build_settings(recipe: Recipe, context: Context) -> Settings:
    """Build the training's settings from [training] and the recipe's seed."""
    section = recipe.training
    plain = {name: getattr(section, name) for name in type(section).model_fields}
    plain["optimiser"] = build(section.optimiser.model_dump(), Optimiser, "training.optimiser", context)
    plain["schedule"] = build(section.schedule.model_dump(), Schedule, "training.schedule", context)
    plain["chooser"] = build(section.chooser.model_dump(), Chooser, "training.chooser", context)
    return Settings(seed=recipe.seed, **plain)


def write_down(experiment: Experiment, recipe: Recipe) -> tuple[Recipe, dict[str, Tensor]]:
    """Return the effective recipe (every argument of every part) and the tensors it refers to.

    Args:
        experiment: what was built, from a recipe or in Python.
        recipe: gives the title, the seed and the data's places.

    Raises:
        InputError: a part that cannot be built again from what it says of itself (a lambda, a class in a script).
    """
    arrays: dict[str, Tensor] = {}
    settings = {f.name: getattr(experiment.settings, f.name) for f in fields(experiment.settings) if f.name != "seed"}
    settings["optimiser"] = describe(settings["optimiser"], arrays, "training.optimiser")
    settings["schedule"] = describe(settings["schedule"], arrays, "training.schedule")
    settings["chooser"] = describe(settings["chooser"], arrays, "training.chooser")
    group = experiment.group
    content = {
        **recipe.model_dump(exclude_none=True, include={"title", "data", "simulate"}),
        "seed": experiment.settings.seed,
        "physics": describe(experiment.physics, arrays, "physics"),
        "noise": describe(experiment.noise, arrays, "noise"),
        **({} if group is None else {"group": describe(group, arrays, "group")}),
        "reconstructor": describe(experiment.reconstructor, arrays, "reconstructor"),
        "loss": [
            {**describe(loss, arrays, f"loss.{i}"), "weight": _write_weight(weight)}
            for i, (weight, loss) in enumerate(experiment.loss.terms())
        ],
        "training": settings,
    }
    return parse_recipe(_without_none(content), "the effective recipe"), arrays


def save_recipe(folder: Path, recipe: Recipe, arrays: Mapping[str, Tensor]) -> None:
    """Write ``recipe.toml`` and, where it refers to tensors, ``arrays.safetensors`` into a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if arrays:
        with whole_file(folder / "arrays.safetensors", overwrite=True) as file:
            file.write(save(dict(arrays)))
    write_atomically(folder / "recipe.toml", recipe_text(recipe))


def load_recipe(folder: Path, overrides: tuple[str, ...] = ()) -> tuple[Recipe, dict[str, Tensor]]:
    """Read what :func:`save_recipe` wrote, with ``section.key=value`` in place of its values.

    Raises:
        InputError: no recipe there, or one file of the two is damaged.
    """
    kept = folder / "arrays.safetensors"
    try:
        arrays = load_file(kept) if kept.exists() else {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"expected the tensors of the recipe in {kept}, but they cannot be read: {error}") from None
    return read_recipe(folder / "recipe.toml", overrides), arrays


def recipe_text(recipe: Recipe) -> str:
    """Return the recipe as TOML."""
    return tomli_w.dumps(_without_none(recipe.model_dump(exclude_none=True)))


def _optional(part: Part | None, kind: type, where: str, context: Context) -> Any:
    return None if part is None else build(part.model_dump(), kind, where, context)


def _term(number: int, part: LossPart, context: Context) -> Loss:
    written = part.model_dump(exclude={"weight"})
    loss: Loss = build(written, Loss, f"[[loss]] {number + 1}", context)
    spec = part.weight
    weight: Weight = Ramp(spec.start, spec.stop, spec.begin, spec.end) if isinstance(spec, RampSpec) else spec
    return weight * loss


def _objective(parts: list[LossPart], reconstructor: Reconstructor, context: Context) -> Loss:
    if parts:
        return _sum([_term(i, part, context) for i, part in enumerate(parts)])
    if any(True for _ in reconstructor.parameters()):
        raise InputError(
            f"expected at least one [[loss]] in the recipe, since {type(reconstructor).__name__} has weights to train, "
            f"but there is none: add measurement_consistency"
        )
    return NoLoss()


def _sum(terms: list[Loss]) -> Loss:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _write_weight(weight: Weight) -> float | dict[str, float]:
    if isinstance(weight, int | float):
        return float(weight)
    if isinstance(weight, Ramp):
        return {f.name: getattr(weight, f.name) for f in fields(weight)}
    raise InputError("expected weights that are numbers or ramps in a run that is written down, but a function came")


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value
