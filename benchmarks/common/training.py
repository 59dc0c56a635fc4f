"""Trainings that are ready to take single steps, on phantoms, so that no data have to be there."""

import time
from pathlib import Path

import torch

from nullsight.data import MeasurementSet
from nullsight.data.phantoms import anatomy_phantoms
from nullsight.losses import Loss
from nullsight.physics import ParallelBeamCT
from nullsight.recipe import build_experiment
from nullsight.reconstructors.base import Reconstructor
from nullsight.schema import read_recipe
from nullsight.training.backend import Backend
from nullsight.training.job import Job
from nullsight.training.loop import Loop
from nullsight.training.progress import Silent
from nullsight.training.settings import Settings

IMAGES = 6


def measurements(size: int, views: int) -> MeasurementSet:
    """Return measurements of a few phantoms."""
    physics = ParallelBeamCT((1, size, size), views)
    with torch.no_grad():
        return MeasurementSet(physics.A(anatomy_phantoms(IMAGES, size)), physics)


def loop_of(reconstructor: Reconstructor, loss: Loss, settings: Settings, size: int, views: int) -> Loop:
    """Return a training that is ready for its first step, as ``train`` prepares it."""
    data, backend = measurements(size, views), Backend(settings.precision, "cpu", 1)
    job = Job(
        reconstructor, data, loss, settings, None, None, None, None, (), None, False, Silent(), time.monotonic()
    )  # fmt: skip

    def ready(backend: Backend) -> Loop:
        loop = job._prepare(backend)
        loop.prepare()
        return loop

    loop: Loop = backend.launch(ready)
    return loop


def loop_of_recipe(path: Path, size: int, views: int) -> Loop:
    """Return a training as a recipe has it, on phantoms instead of its data, with one thread."""
    recipe = read_recipe(path, ("training.threads=1",))
    experiment = build_experiment(recipe, ParallelBeamCT((1, size, size), views), None, path.parent, {})
    return loop_of(experiment.reconstructor, experiment.loss, experiment.settings, size, views)
