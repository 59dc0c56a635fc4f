"""A run opened together with measurements to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nullsight.app.inputs import measure_alike, read_inputs
from nullsight.app.runs import load, rebuild, reconstruct_with
from nullsight.data import MeasurementSet
from nullsight.groups.base import Family
from nullsight.groups.mixture import Mixture
from nullsight.noise import Noise, UnknownNoise
from nullsight.physics.base import Physics
from nullsight.recipe import Experiment
from nullsight.schema import Recipe
from nullsight.training import Run
from nullsight.types import InputError


@dataclass(frozen=True)
class Opened:
    """A run, what it is made of, and measurements.

    Attributes:
        run: with its weights.
        experiment: its parts; of the reconstructor, that of ``run`` counts.
        recipe: the effective one.
        data: measurements with their operator.
        source: where they came from.
    """

    run: Run
    experiment: Experiment
    recipe: Recipe
    data: MeasurementSet
    source: str

    def reconstruct(self, y: Tensor, physics: Physics) -> Tensor:
        """Reconstruct with the run's own ``A_dagger`` where it measures as ``physics`` does."""
        return reconstruct_with(self.run, y, physics)

    def few(self, images: int) -> MeasurementSet:
        """Return the first measurements, with the run's own ``A_dagger`` where it measures as their operator does."""
        first = self.data.take(range(min(images, len(self.data))))
        own = self.run.physics
        alike = own.samples is None and measure_alike(own, first.physics)
        return MeasurementSet(first.y, own if alike else first.physics, first.names)

    @property
    def families(self) -> list[Family]:
        """The transformations that were learned from."""
        return families(self.experiment)

    @property
    def noise(self) -> Noise:
        """What the measurements are taken to carry; where its level was learned, that at the end."""
        noise = self.experiment.noise
        if not isinstance(noise, UnknownNoise):
            return noise
        learned = {key.rpartition(" ")[2]: float(line[key]) for line in self.run.history for key in _levels(line)}
        return UnknownNoise(learned.get("sigma", noise.first_sigma), learned.get("gain", noise.first_gain)).now


def open_with_measurements(folder: Path, measurements: Path | None = None) -> Opened:
    """Open a run with its test measurements (else those it was trained on), or with the measurements in a file.

    Args:
        folder: of the run.
        measurements: a container, an array or a folder of images; None: as its recipe has it.

    Raises:
        InputError: no run there, or no measurements.
    """
    experiment, recipe, arrays = rebuild(folder)
    section = recipe.data
    named = section.test_measurements or section.measurements
    chosen = str(measurements.resolve()) if measurements is not None else named
    if chosen is None:
        raise InputError(f"expected measurements for {folder}, but its recipe names none: add --measurements")
    data = read_inputs(chosen, section, recipe.physics, folder, arrays, container_first=True).data
    return Opened(load(folder), experiment, recipe, data, chosen)


def families(experiment: Experiment) -> list[Family]:
    """Return the transformations that were learned from: of the [group] section and of the loss terms, each once."""
    named = [experiment.group, *(family for _, loss in experiment.loss.terms() for family in loss.families)]
    known = {id(one): one for one in named if one is not None}
    return list(known.values())


def together(listed: Sequence[Family]) -> Family | None:
    """Return one family for several: a mixture of those that differ; None for none."""
    different = list({repr(one): one for one in listed}.values())
    return None if not different else different[0] if len(different) == 1 else Mixture(different)


def _levels(line: dict[str, Any]) -> list[str]:
    return [key for key in line if key.endswith((" sigma", " gain")) and line[key] is not None]
