"""Run folders: begin one, write down what it is made of, open it again."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nullsight.physics.base import Physics
from nullsight.recipe import Experiment, build_experiment, build_physics, load_recipe, save_recipe, write_down
from nullsight.schema import Recipe
from nullsight.storage import write_atomically
from nullsight.training import Run, open_run
from nullsight.types import InputError

ABOUT = "about.json"


def begin(folder: Path, experiment: Experiment, recipe: Recipe, sources: dict[str, str]) -> Recipe:
    """Write the effective recipe, versions and the data's checksums into a new run folder; return that recipe.

    Raises:
        InputError: there is a run already, or a part cannot be written down.
    """
    if (folder / "recipe.toml").exists():
        raise InputError(f"expected a new run folder, but {folder} holds a run: choose another, or resume that one")
    effective, arrays = write_down(experiment, recipe)
    save_recipe(folder, effective, arrays)
    write_atomically(folder / ABOUT, json.dumps(about(sources), indent=1) + "\n")
    return effective


def about(sources: dict[str, str]) -> dict[str, Any]:
    """Return what is known of the program, the machine and the data (checksums by path)."""
    return {
        "nullsight": version("nullsight"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": processor(),
        "threads": torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "sources": sources,
    }


def read_about(folder: Path) -> dict[str, Any]:
    """Return what :func:`begin` wrote beside the recipe; InputError where it is missing or broken."""
    try:
        found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a run in {folder}, but {ABOUT} cannot be read ({error}): check the path") from None
    return found


def processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else (platform.processor() or platform.machine())


def rebuild(folder: Path, overrides: tuple[str, ...] = ()) -> tuple[Experiment, Recipe, dict[str, torch.Tensor]]:
    """Build a run's experiment again from its recipe, untrained.

    Raises:
        InputError: no run there, or a part of the user's own that cannot be found.
    """
    if not (folder / "recipe.toml").exists():
        raise InputError(f"expected a run folder with a recipe.toml, but {folder} has none: check the path")
    recipe, arrays = load_recipe(folder, overrides)
    if recipe.physics is None:
        raise InputError(f"expected the run in {folder} to say its physics, but its recipe has none: it is damaged")
    physics: Physics = build_physics(recipe.physics.model_dump(), folder, arrays)
    return build_experiment(recipe, physics, None, folder, arrays), recipe, arrays


def load(folder: str | Path) -> Run:
    """Open a run folder: its reconstructor with the trained weights, its physics and its history.

    Args:
        folder: that ``fit`` wrote.

    Raises:
        InputError: no run there, or one that is damaged.
    """
    folder = Path(folder)
    experiment, _, _ = rebuild(folder)
    return open_run(folder, experiment.reconstructor, experiment.physics, experiment.settings)
