"""Train from Python: ``nullsight.fit``."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from torch import Tensor

from nullsight.app.hope import NothingToLearn, nothing_to_learn
from nullsight.app.runs import begun, differing, load
from nullsight.data import MeasurementSet, TruthSet
from nullsight.losses.base import Loss
from nullsight.noise import Noise, Noiseless
from nullsight.physics.base import Physics
from nullsight.recipe import Experiment, load_recipe, write_down
from nullsight.reconstructors.base import Reconstructor
from nullsight.schema import Recipe
from nullsight.training import Chooser, Display, Observer, Run, Settings, train
from nullsight.training.settings import FREE
from nullsight.types import InputError


def fit(
    reconstructor: Reconstructor,
    measurements: Tensor | MeasurementSet,
    physics: Physics | None,
    loss: Loss,
    *,
    minutes: float | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    truth: Tensor | TruthSet | None = None,
    held_out: Tensor | MeasurementSet | None = None,
    observers: Sequence[Observer] = (),
    noise: Noise | None = None,
    chooser: Chooser | None = None,
    settings: Settings | None = None,
    initial: str | Path | None = None,
    resume: bool = False,
    display: Display | None = None,
) -> Run:
    """Train a reconstructor from measurements.

    Args:
        reconstructor: f, trained in place of its present weights.
        measurements: ``(N, *physics.measurement_shape)``, or a set with its own physics.
        physics: the operator that made them; None where the set has it.
        loss: what is minimised, such as ``MeasurementConsistency() + Equivariance(group)``.
        minutes: wall minutes in all; give one of minutes, epochs and steps, here or in ``settings``.
        epochs: passes over the data.
        steps: weight updates.
        out: run folder to write (recipe, checkpoints, metrics), from which ``load`` and the command line rebuild the
            run: its parts must then be importable; None: nothing is written.
        seed: of the order of samples and of all draws; ``settings.seed`` where settings are given.
        truth: images, only for a loss that needs them.
        held_out: measurements that are scored during training and choose the best weights, as ``chooser`` says.
        observers: see scores and touch nothing, such as the PSNR against a reference.
        noise: what the measurements carry, written into the run; None: noiseless.
        chooser: which weights are kept, such as ``nullsight.trust.PredictedError(group, noise)``, which also chooses
            without held-out measurements; None: that of ``settings``, by default the held-out loss.
        settings: everything else about the training.
        initial: a run whose weights to begin with.
        resume: go on with the interrupted run in ``out``, or lengthen it by a larger budget.
        display: shows progress, such as ``nullsight.training.Silent()``; None: a bar on a terminal, else plain lines.

    Warns:
        NothingToLearn: transformations that can teach nothing about what the operator does not see.

    Raises:
        InputError: shapes that do not fit, NaN, truth that is missing or not asked for, no budget or two, a run
            folder that holds a run.

    Example:
        >>> import nullsight as ns
        >>> import torch
        >>> physics = ns.physics.Inpainting((1, 8, 8), ns.physics.bernoulli_mask((1, 8, 8), 0.7, seed=0))
        >>> f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(channels=1, width=4, depth=2, seed=0))
        >>> loss = ns.losses.MeasurementConsistency() + ns.losses.Equivariance(ns.groups.Shifts((8, 8)))
        >>> run = ns.fit(f, physics.A(torch.rand(6, 1, 8, 8)), physics, loss, steps=2)
        >>> run.step
        2
    """
    data = _as_set(measurements, physics)
    budget = {"minutes": minutes, "epochs": epochs, "steps": steps}
    if settings is None:
        settings = Settings(seed=seed, minutes=minutes, epochs=epochs, steps=steps)
    elif any(value is not None for value in budget.values()):
        settings = replace(settings, minutes=minutes, epochs=epochs, steps=steps)
    if chooser is not None:
        settings = replace(settings, chooser=chooser)
    doubt = None if resume else nothing_to_learn(loss, data.physics)
    if doubt is not None:
        warnings.warn(doubt, NothingToLearn, stacklevel=2)
    folder = None if out is None else Path(out)
    references = TruthSet(truth) if isinstance(truth, Tensor) else truth
    kept_out = None if held_out is None else _as_set(held_out, data.physics)
    start = None if initial is None else Path(initial)

    def begin() -> Run:
        return train(
            reconstructor, data, loss, settings, out=folder, truth=references, held_out=kept_out, observers=observers,
            initial=start, resume=resume, display=display,
        )  # fmt: skip

    if folder is None:
        return begin()
    experiment = Experiment(data.physics, noise or Noiseless(), None, reconstructor, loss, settings)
    if resume:
        _check_same(folder, experiment)
        return begin()
    with begun(folder, experiment, Recipe(), {"measurements": _digest(data.y)}):
        return begin()


def fitted(out: Path, begin: Callable[[bool], Run]) -> Run:
    """Return the run in a folder if it is finished; else begin it, or go on with it.

    For scripts of several trainings that may be interrupted.

    Args:
        out: the run folder.
        begin: calls :func:`fit` with this ``out`` and the ``resume`` that it is given.

    Raises:
        InputError: what :func:`fit` refuses, or a run in the folder that began with other parts.
    """
    if not (out / "recipe.toml").exists():
        return begin(False)
    if (out / "checkpoints").exists():
        known = load(out)
        if known.finished:
            return known
    return begin(True)


def _check_same(folder: Path, experiment: Experiment) -> None:
    before, _ = load_recipe(folder)
    changed = differing(write_down(experiment, Recipe())[0], before, FREE)
    if changed:
        raise InputError(
            f"expected the parts that the run in {folder} began with, but its {changed[0]} is another: only its length "
            f"may change; begin a new run with initial={str(folder)!r}"
        )


def _digest(values: Tensor) -> str:
    return blake2b(values.detach().cpu().contiguous().numpy().tobytes(), digest_size=32).hexdigest()


def _as_set(measurements: Tensor | MeasurementSet, physics: Physics | None) -> MeasurementSet:
    if isinstance(measurements, MeasurementSet):
        return measurements
    if physics is None:
        raise InputError("expected the physics of the measurements, but None came: hand in the operator that made them")
    return MeasurementSet(measurements, physics)
