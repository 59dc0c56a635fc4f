"""Train from a recipe: begin, resume, try one step."""

import resource
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nullsight.app.inputs import Inputs, checksums, read_inputs, read_references
from nullsight.app.runs import begin, read_about
from nullsight.assemble import place
from nullsight.data import MeasurementSet, TruthSet
from nullsight.data.datasets import split
from nullsight.metrics import psnr, reference_peak
from nullsight.outcome import Outcome, Say
from nullsight.recipe import Experiment, build_experiment, load_recipe, recipe_text, save_recipe, write_down
from nullsight.schema import Recipe
from nullsight.training import Interrupted, Observer, Run, TruthScore, new_run_folder, train
from nullsight.types import InputError


@dataclass(frozen=True)
class Ready:
    """Everything that a training needs, read and built."""

    experiment: Experiment
    data: MeasurementSet
    truth: TruthSet | None
    held_out: MeasurementSet | None
    held_out_truth: TruthSet | None
    observers: tuple[Observer, ...]
    sources: dict[str, str]


def fit_recipe(
    recipe: Recipe,
    root: Path,
    *,
    out: Path | None = None,
    stem: str = "run",
    start_from: Path | None = None,
    say: Say = print,
) -> Outcome:
    """Train what the recipe says and return where it is.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        out: the run folder; None: a new one below ``runs``.
        stem: what its name begins with.
        start_from: a run whose weights to begin with.
        say: told the effective recipe before training begins.

    Raises:
        InputError: anything of that does not fit; no run folder is left behind then.
    """
    ready = prepare(recipe, root, {})
    folder = new_run_folder(Path("runs"), stem) if out is None else out
    effective = begin(folder, ready.experiment, _absolute(recipe, root), ready.sources)
    say(recipe_text(effective))
    return _train(ready, folder, resume=False, start_from=start_from)


def resume_run(folder: Path, overrides: list[str]) -> Outcome:
    """Go on with an interrupted run, or lengthen a finished one by another budget.

    Raises:
        InputError: no run there, its measurements are gone or have changed, or an override that a run cannot change.
    """
    recipe, arrays = load_recipe(folder, tuple(overrides))
    ready = prepare(recipe, folder, arrays)
    known = read_about(folder)["sources"]
    for path, found in ready.sources.items():
        if known.get(path, found) != found:
            raise InputError(f"expected {path} as it was when the run began, but it has changed: restore it")
    if overrides:
        begin_again(folder, ready.experiment, recipe)
    return _train(ready, folder, resume=True, start_from=None)


def begin_again(folder: Path, experiment: Experiment, recipe: Recipe) -> None:
    """Write the recipe of a run whose budget was changed."""
    save_recipe(folder, *write_down(experiment, recipe))


def dry_run(recipe: Recipe, root: Path) -> Outcome:
    """Take one step of the recipe's training and say what a whole run would take; nothing is written."""
    ready = prepare(recipe, root, {})
    steps = 3  # the first warms caches up; the last is timed
    settings = replace(ready.experiment.settings, minutes=None, epochs=None, steps=steps, evaluate_every=steps)
    begun = time.monotonic()
    run = train(ready.experiment.reconstructor, ready.data, ready.experiment.loss, settings, truth=ready.truth)
    seconds = (time.monotonic() - begun) / steps
    weights = sum(p.numel() for p in ready.experiment.reconstructor.parameters())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    per_epoch = -(-len(ready.data) // settings.batch_size)
    lines = [
        f"{len(ready.data)} measurements of shape {ready.data.physics.measurement_shape}, images "
        f"{ready.data.physics.image_shape}, {weights} weights",
        f"one step takes about {seconds:.2f} s on {torch.get_num_threads()} threads, an epoch ({per_epoch} steps) "
        f"{seconds * per_epoch / 60:.1f} minutes; peak memory {peak:.2f} GiB",
    ]
    name, amount = ready.experiment.settings.budget
    totals = {"minutes": amount * 60 / seconds, "epochs": amount * per_epoch, "steps": amount}
    planned = totals[name]
    lines.append(f"the recipe's {amount:g} {name} are about {planned:.0f} steps, {planned * seconds / 60:.1f} minutes")
    lines.append(f"the loss after {run.step} steps is {run.history[-1].get('total', float('nan')):.4g}")
    return Outcome(tuple(lines))


def prepare(recipe: Recipe, root: Path, arrays: dict[str, torch.Tensor]) -> Ready:
    """Read and build everything that the recipe names."""
    section = recipe.data
    if section.measurements is None:
        raise InputError("expected measurements in the recipe's [data], but none are named: add measurements = ...")
    inputs = read_inputs(section.measurements, section, recipe.physics, root, arrays)
    experiment = build_experiment(recipe, inputs.data.physics, inputs.noise, root, arrays)
    needs = bool(experiment.loss.needs_truth)
    if needs and section.truth is None:
        raise InputError("expected truth in the recipe's [data], since the loss asks for it, but none is named: add it")
    truth = read_references(section.truth, section, root, inputs.data) if needs and section.truth else None
    kept: tuple[int, ...] = tuple(range(len(inputs.data)))
    held: tuple[int, ...] = ()
    if section.held_out > 0:
        kept, held = split(inputs.data, section.held_out, recipe.seed, inputs.groups)
    return Ready(
        experiment=experiment,
        data=inputs.data.take(kept) if held else inputs.data,
        truth=None if truth is None else truth.take(kept),
        held_out=inputs.data.take(held) if held else None,
        held_out_truth=None if truth is None or not held else truth.take(held),
        observers=_observers(recipe, root, inputs, arrays),
        sources=checksums(inputs.path),
    )


def _observers(recipe: Recipe, root: Path, inputs: Inputs, arrays: dict[str, torch.Tensor]) -> tuple[Observer, ...]:
    """Return who watches the training: the PSNR on test measurements, where the recipe names them with their truth."""
    section = recipe.data
    if section.test_measurements is None or section.test_truth is None:
        return ()
    test = read_inputs(section.test_measurements, section, recipe.physics, root, arrays).data
    truth = read_references(section.test_truth, section, root, test)

    def score(image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return psnr(image, reference, data_range=reference_peak(reference))

    return (TruthScore("test PSNR", score, test, truth),)


def _train(ready: Ready, folder: Path, *, resume: bool, start_from: Path | None) -> Outcome:
    experiment = ready.experiment
    try:
        run = train(
            experiment.reconstructor,
            ready.data,
            experiment.loss,
            experiment.settings,
            out=folder,
            truth=ready.truth,
            held_out=ready.held_out,
            held_out_truth=ready.held_out_truth,
            observers=ready.observers,
            initial=start_from,
            resume=resume,
        )
    except Interrupted as stopped:
        lines = (f"interrupted at step {stopped.run.step}; go on with", f"  {stopped.run.resume_line}")
        return Outcome(lines, 128 + stopped.signal)
    return Outcome(_said(run))


def _said(run: Run) -> tuple[str, ...]:
    minutes = run.history[-1].get("minutes", 0.0) if run.history else 0.0
    lines = [f"trained {run.step} steps in {minutes:.1f} minutes: {run.out}"]
    scores = {k: v for line in run.history for k, v in line.items() if k.startswith(("held_out/total", "observed/"))}
    lines += [f"  {name.partition('/')[2]}: {value:.4g}" for name, value in scores.items()]
    lines += [f"see it: nullsight report {run.out}", f"use it: nullsight reconstruct {run.out} new.npy -o images.npy"]
    return tuple(lines)


def _absolute(recipe: Recipe, root: Path) -> Recipe:
    """Return the recipe with the data's places absolute, so that the run folder can be opened from anywhere."""
    section = recipe.data
    names = ("measurements", "truth", "test_measurements", "test_truth")
    found = {n: str(place(getattr(section, n), root).resolve()) for n in names if getattr(section, n) is not None}
    return recipe.model_copy(update={"data": section.model_copy(update=found)})
