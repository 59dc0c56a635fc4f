"""Everything that a training needs, read and built from a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nullsight.app.inputs import checksums, read_inputs, read_references
from nullsight.app.noise_of import with_noise_estimated
from nullsight.assemble import place
from nullsight.data import MeasurementSet, TruthSet
from nullsight.data.datasets import split
from nullsight.metrics import psnr, reference_peak
from nullsight.recipe import Experiment, build_experiment
from nullsight.schema import DataSection, Recipe
from nullsight.training import TruthScore
from nullsight.training.evidence import check_truth
from nullsight.types import InputError

PLACES = ("measurements", "truth", "test_measurements", "test_truth", "groups")
"""The keys of [data] that are files or folders."""


@dataclass(frozen=True)
class Ready:
    """Everything that a training needs.

    Attributes:
        experiment: physics, network, loss and settings.
        data: the measurements to train on.
        truth: theirs, only where the loss needs it.
        held_out: measurements that are scored and not trained on.
        held_out_truth: theirs, only where the loss needs it.
        observers: the PSNR on test measurements, dB, where the recipe names them with their truth.
        sources: the checksum of every file, by its path.
    """

    experiment: Experiment
    data: MeasurementSet
    truth: TruthSet | None
    held_out: MeasurementSet | None
    held_out_truth: TruthSet | None
    observers: tuple[TruthScore, ...]
    sources: dict[str, str]


def prepare(recipe: Recipe, root: Path, arrays: Mapping[str, Tensor]) -> Ready:
    """Read and build everything that the recipe names.

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        arrays: kept tensors that it refers to.

    Raises:
        InputError: anything missing, misspelt or not fitting.
    """
    section = recipe.data
    if section.measurements is None:
        raise InputError("expected measurements in the recipe's [data], but none are named: add measurements = ...")
    inputs = read_inputs(section.measurements, section, recipe.physics, root, arrays)
    recipe = with_noise_estimated(recipe, inputs.data, root)
    experiment = build_experiment(recipe, inputs.data.physics, inputs.noise, root, arrays)
    needs = bool(experiment.loss.needs_truth)
    if needs and section.truth is None:
        raise InputError("expected truth in the recipe's [data], since the loss asks for it, but none is named: add it")
    truth = read_references(section.truth, section, root, inputs.data) if needs and section.truth else None
    check_truth(experiment.loss, inputs.data, truth, "measurements")
    kept: tuple[int, ...] = tuple(range(len(inputs.data)))
    held: tuple[int, ...] = ()
    if section.held_out > 0:
        groups = inputs.groups if section.groups is None else read_groups(place(section.groups, root))
        kept, held = split(inputs.data, section.held_out, recipe.seed, groups)
    return Ready(
        experiment=experiment,
        data=inputs.data.take(kept) if held else inputs.data,
        truth=None if truth is None else truth.take(kept),
        held_out=inputs.data.take(held) if held else None,
        held_out_truth=None if truth is None or not held else truth.take(held),
        observers=_observers(recipe, root, arrays),
        sources=checksums(*_files(section, root, with_truth=needs)),
    )


def read_groups(path: Path) -> tuple[str, ...]:
    """Return which volume or patient each sample belongs to, from a text file with one name a line.

    Raises:
        InputError: the file cannot be read as text.
    """
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"expected one name of a patient or volume a line in {path}, but reading failed: {error}"
        ) from None


def _files(section: DataSection, root: Path, *, with_truth: bool) -> list[Path]:
    used = ["measurements", *(["truth"] if with_truth else [])]
    if section.test_measurements is not None and section.test_truth is not None:
        used += ["test_measurements", "test_truth"]
    return [place(getattr(section, name), root) for name in used]


def _observers(recipe: Recipe, root: Path, arrays: Mapping[str, Tensor]) -> tuple[TruthScore, ...]:
    section = recipe.data
    if section.test_measurements is None and section.test_truth is not None:
        raise InputError("expected test_measurements beside test_truth in the recipe's [data], but none came: add them")
    if section.test_measurements is None or section.test_truth is None:
        return ()
    test = read_inputs(section.test_measurements, section, recipe.physics, root, arrays, container_first=True).data
    truth = read_references(section.test_truth, section, root, test)
    return (TruthScore("test PSNR", peak_psnr, test, truth),)


def peak_psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Return the PSNR of each image, dB, with the peak of its reference as data range."""
    return psnr(image, reference, data_range=reference_peak(reference))
