"""What a results file says besides scores: how a method came about, and on what."""

import os
import time
from pathlib import Path

import torch

from nullsight.app.runs import commit, processor, read_about, rebuild
from nullsight.evaluation import Method, Setting
from nullsight.schema import Recipe
from nullsight.training import Run


def method_notes(
    run: Run, folder: Path, train_psnr: float | None, *, recipe: str | None = None, helpers: tuple[str, ...] = ()
) -> Method:
    """Return what a results file says of a run.

    Args:
        run: as opened.
        folder: of the run.
        train_psnr: its mean PSNR on its training measurements, dB, where it is known.
        recipe: the path of its recipe; None: the one in its folder.
        helpers: the names of those used at test time.
    """
    experiment, _, _ = rebuild(folder)
    about = read_about(folder)
    elsewhere = any(getattr(part, "learned_from_truth", False) for part in experiment.reconstructor.modules())
    return Method(
        uses_truth=bool(experiment.loss.needs_truth) or elsewhere,
        helpers=helpers,
        minutes=round(minutes_of(run), 2),
        setup_minutes=round(run.plan.preparation_minutes, 2),
        seeds=(run.settings.seed,),
        recipe=recipe or os.path.relpath(folder / "recipe.toml"),
        psnr_train_mean=train_psnr,
        commit=about.get("commit"),
        date=str(about.get("date", ""))[:10],
    )


def minutes_of(run: Run) -> float:
    """Return the wall minutes that a training took, preparation included."""
    return float(next((line["minutes"] for line in reversed(run.history) if "minutes" in line), 0.0))


def setting(recipe: Recipe, command: str) -> Setting:
    """Return what a results file says of the circumstances.

    Args:
        recipe: of the first run.
        command: that makes the file.
    """
    dataset = Path(recipe.simulate.images if recipe.simulate else recipe.data.measurements or "").name
    return circumstances(recipe.title, dataset, recipe.training.threads or torch.get_num_threads(), command)


def circumstances(task: str, dataset: str, threads: int, command: str) -> Setting:
    """Return what results say of the circumstances, where no recipe tells.

    Args:
        task: what is reconstructed from what.
        dataset: its name.
        threads: of the processor, a run.
        command: that makes the file.
    """
    return Setting(
        task=task,
        dataset=dataset,
        machine=f"{processor()}, {os.cpu_count()} cores",
        threads=threads,
        commit=commit(),
        date=time.strftime("%Y-%m-%d"),
        command=command,
    )
