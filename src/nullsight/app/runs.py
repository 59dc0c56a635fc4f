"""Run folders: begin one, write down what it is made of, open it again."""

import json
import platform
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nullsight.app.inputs import measure_alike
from nullsight.assemble import own_files
from nullsight.losses.growing import Growing
from nullsight.physics.base import Physics
from nullsight.recipe import Experiment, NoLoss, build_experiment, build_physics, load_recipe, save_recipe, write_down
from nullsight.schema import Recipe
from nullsight.storage import write_atomically
from nullsight.training import Run, open_run
from nullsight.training.plan import Plan
from nullsight.types import InputError

ABOUT, RECIPE, ARRAYS = "about.json", "recipe.toml", "arrays.safetensors"
_PARTS = ("seed", "physics", "noise", "group", "reconstructor", "loss")


@contextmanager
def begun(folder: Path, experiment: Experiment, recipe: Recipe, sources: dict[str, str]) -> Iterator[Recipe]:
    """Write the effective recipe, versions and the data's checksums into a new run folder and yield that recipe.

    The user's own parts, where they lie in a single file, are kept beside it. If the training then fails before its
    first step, nothing of this is left.

    Raises:
        InputError: there is a run already, or a part cannot be built again from what it says of itself.
    """
    if (folder / RECIPE).exists():
        raise InputError(f"expected a new run folder, but {folder} holds a run: choose another, or resume that one")
    written: list[Path] = []
    try:
        effective, arrays = write_down(experiment, recipe)
        _check_rebuilds(experiment, effective, arrays)
        modules = own_files(effective.model_dump())
        written += [folder / name for name in (RECIPE, ARRAYS, ABOUT, *(f"{module}.py" for module in modules))]
        for module, file in modules.items():
            write_atomically(folder / f"{module}.py", file.read_text(encoding="utf-8"))
        save_recipe(folder, effective, arrays)
        known = about(sources, experiment.settings.threads)
        write_atomically(folder / ABOUT, json.dumps(known, indent=1) + "\n")
        yield effective
    except BaseException:
        if Plan.read(folder) is None:
            _remove(folder, written)
        raise


def _remove(folder: Path, files: list[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _check_rebuilds(experiment: Experiment, effective: Recipe, arrays: dict[str, torch.Tensor]) -> None:
    """Raise an InputError, now and not when the run is opened, where its parts would come back as others."""
    again = build_experiment(effective, experiment.physics, None, Path(), arrays)
    losses, others = ([loss for _, loss in one.loss.terms()] for one in (experiment, again))  # a sum is in another one
    for mine, other in zip([experiment.reconstructor, *losses], [again.reconstructor, *others], strict=True):
        shapes, found = map(_shapes, (mine, other))
        if shapes != found:
            raise InputError(
                f"expected parts that a run can be rebuilt from, but the {type(mine).__name__} built from its "
                f"constructor's arguments has other weights: keep every argument as it came, as an attribute of its "
                f"name"
            )


def _shapes(part: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of all that a part keeps, but for what has its size only in a training."""
    modules = part.named_modules()
    grown = {f"{name}.{one}".lstrip(".") for name, m in modules if isinstance(m, Growing) for one in m.growing}
    return {name: value.shape for name, value in part.state_dict().items() if name not in grown}


def about(sources: dict[str, str], threads: int | None = None) -> dict[str, Any]:
    """Return what is known of the program, the machine and the data (checksums by path)."""
    return {
        "nullsight": version("nullsight"),
        "commit": commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": processor(),
        "threads": threads or torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "sources": sources,
    }


def differing(now: Recipe, before: Recipe, free: Collection[str] = ()) -> list[str]:
    """Return what differs between two effective recipes, the data's places, the title and ``free`` settings aside."""
    names = [n for n in _PARTS if getattr(now, n) != getattr(before, n)]
    kept = [key for key in type(now.training).model_fields if key not in free]
    names += [f"training.{key}" for key in kept if getattr(now.training, key) != getattr(before.training, key)]
    return [*names, *(["data.held_out"] if now.data.held_out != before.data.held_out else [])]


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


def commit() -> str:
    """Return the short hash of the checkout that this package is in, or "unknown"."""
    here = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(here), "rev-parse", "--show-toplevel", "--short", "HEAD"]
    try:
        top, commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return "unknown"
    # installed in an environment inside another project, git would name that one's
    return commit if (Path(top) / "src" / "nullsight").resolve() == here else "unknown"


def rebuild(folder: Path, overrides: tuple[str, ...] = ()) -> tuple[Experiment, Recipe, dict[str, torch.Tensor]]:
    """Build a run's experiment again from its recipe, untrained.

    Raises:
        InputError: no run there, or a part of the user's own that cannot be found.
    """
    if not (folder / RECIPE).exists():
        raise InputError(f"expected a run folder with a {RECIPE}, but {folder} has none: check the path")
    recipe, arrays = load_recipe(folder, overrides)
    if recipe.physics is None:
        raise InputError(f"expected the run in {folder} to say its physics, but its recipe has none: it is damaged")
    physics: Physics = build_physics(recipe.physics.model_dump(), folder, arrays)
    return build_experiment(recipe, physics, None, folder, arrays), recipe, arrays


def load(folder: str | Path) -> Run:
    """Open a run folder: its reconstructor with the trained weights, its physics and its history.

    One of a recipe whose reconstructor has no weights has zero steps and is finished.

    Args:
        folder: that ``fit`` wrote.

    Raises:
        InputError: no run there, or one that is damaged.
    """
    folder = Path(folder)
    experiment, _, _ = rebuild(folder)
    if isinstance(experiment.loss, NoLoss):
        return untrained(experiment, folder)
    return open_run(folder, experiment.reconstructor, experiment.physics, experiment.settings)


def untrained(experiment: Experiment, out: Path | None = None) -> Run:
    """Return the run of a reconstructor without weights: no step was taken, none is to come."""
    plan = Plan(0, 1, 1, ("steps", 0.0), None, 0.0, {})
    return Run(experiment.reconstructor.eval(), experiment.physics, experiment.settings, plan, 0, True, out)


def reconstruct_with(run: Run, y: Tensor, physics: Physics) -> Tensor:
    """Reconstruct with the run's own ``A_dagger`` where it measures as ``physics`` does, else with ``physics``."""
    return run.reconstruct(y, run.physics if measure_alike(run.physics, physics) else physics)
