"""Make measurement files from images: ``nullsight simulate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nullsight.app.simulated_as import settings_of, simulated_noise
from nullsight.assemble import describe, place
from nullsight.data import (
    MeasurementFile,
    TruthFile,
    block_means,
    read_images,
    simulate,
    with_smooth_phase,
    write_measurements,
    write_truth,
)
from nullsight.draws import stable_hash
from nullsight.noise import Noise
from nullsight.outcome import Outcome
from nullsight.physics.base import Physics, like
from nullsight.recipe import build_physics
from nullsight.schema import Recipe, SimulateSection
from nullsight.types import InputError


@dataclass(frozen=True)
class _Job:
    """One pair of files, the images that go into them, and what is written down of how."""

    measurements: Path
    truth: Path | None
    rows: range
    seed: int
    settings: dict[str, Any]


def simulate_recipe(recipe: Recipe, root: Path, *, overwrite: bool = False, only_missing: bool = False) -> Outcome:
    """Write the measurement and truth files that the recipe's [data] names, from the images of its [simulate].

    Args:
        recipe: as read.
        root: the folder that its paths are relative to.
        overwrite: whether files that are there may be replaced.
        only_missing: leave files that are there as they are.

    Raises:
        InputError: no [simulate] or [physics], images of another shape, a range without images, or files that are
            there already; nothing is written then.
    """
    section = recipe.simulate
    if section is None:
        raise InputError("expected a [simulate] section in the recipe, but it has none: add it with images = ...")
    if recipe.physics is None:
        raise InputError("expected [physics] in the recipe to measure with, but it has none: add it")
    physics = build_physics(recipe.physics.model_dump(), root, {})
    noise = simulated_noise(recipe, root)
    if noise is None:
        raise InputError("expected noise of a known level to simulate, but [noise] has none: add [simulate.noise]")
    file = read_images(place(section.images, root), section.key, section.axes)
    jobs = _jobs(recipe, section, root, len(file.values))
    for path in (path for job in jobs for path in (job.measurements, job.truth) if path is not None):
        if path.exists() and not (overwrite or only_missing):
            raise InputError(f"expected to write {path}, but it exists: add --overwrite if it may be replaced")
    lines = [f"{len(file.values)} images from {file.source}" + (f" ({file.note})" if file.note else "")]
    for job in jobs:
        names = tuple(file.names[i] if file.names else str(i) for i in job.rows)
        images = block_means(file.values[job.rows.start : job.rows.stop].to(like(physics).dtype), section.shrink)
        if section.phase is not None:
            images = with_smooth_phase(images, section.phase, seed=job.seed)
        if overwrite or not job.measurements.exists():
            lines.append(_measure(job, images, names, physics, noise))
        if job.truth is not None and (overwrite or not job.truth.exists()):
            write_truth(job.truth, TruthFile(images, names=names, simulated=job.settings), overwrite=overwrite)
            lines.append(f"wrote {len(images)} images of ground truth to {job.truth}")
    return Outcome(tuple(lines))


def _jobs(recipe: Recipe, section: SimulateSection, root: Path, count: int) -> list[_Job]:
    data = recipe.data
    if data.measurements is None:
        raise InputError("expected measurements = ... in the recipe's [data] to write to, but it is not given: add it")
    named = [(data.measurements, data.truth, section.train, section.seed)]
    if data.test_measurements is not None and section.test is not None:
        other = stable_hash(f"{section.seed}/test") >> 1  # test images carry noise of their own
        named.append((data.test_measurements, data.test_truth, section.test, other))
    return [
        _Job(
            measurements=place(y, root),
            truth=None if x is None else place(x, root),
            rows=_range(chosen or (0, count), count),
            seed=seed,
            settings=settings_of(section, chosen),
        )
        for y, x, chosen, seed in named
    ]


def _measure(job: _Job, images: Tensor, names: tuple[str, ...], physics: Physics, noise: Noise) -> str:
    y = simulate(images, physics, noise, seed=job.seed)
    arrays: dict[str, Tensor] = {}
    written, noise_written = describe(physics, arrays, "physics"), describe(noise, arrays, "noise")
    file = MeasurementFile(y, written, noise_written, names=names, arrays=arrays, simulated=job.settings)
    write_measurements(job.measurements, file, overwrite=True)
    return f"wrote {len(y)} measurements of shape {tuple(y.shape[1:])} to {job.measurements}"


def _range(chosen: tuple[int, int], count: int) -> range:
    first, end = chosen
    if not 0 <= first < end <= count:
        raise InputError(
            f"expected a range [first, end) within 0 .. {count} images, but {list(chosen)} came: change it"
        )
    return range(first, end)
