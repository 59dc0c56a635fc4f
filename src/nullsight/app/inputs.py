"""From the places a recipe names to measurements, physics and truth in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nullsight.assemble import Context, build, describe, place
from nullsight.data import MeasurementSet, TruthSet, checksum, read_array, read_images, read_measurements, read_truth
from nullsight.data.container import kind_of
from nullsight.data.readers.pictures import PICTURES
from nullsight.noise import Noise
from nullsight.physics.base import Physics, like
from nullsight.physics.least_squares import without_least_squares
from nullsight.recipe import build_physics
from nullsight.schema import DataSection, Part
from nullsight.types import InputError

_SEVERAL = (".npz", ".h5", ".hdf5")  # formats with several arrays a file, of which one is named by its key
_RECONSTRUCTED = "images"  # the kind of container that reconstructions are written to


@dataclass(frozen=True)
class Inputs:
    """Measurements with their physics, what is known of their noise, and which belong together.

    Attributes:
        data: the measurements and their operator.
        noise: as the container describes it, or None.
        groups: a patient or volume per sample, or None.
        path: where they came from.
    """

    data: MeasurementSet
    noise: Noise | None
    groups: tuple[str, ...] | None
    path: Path


def read_inputs(
    name: str,
    section: DataSection,
    physics: Part | None,
    root: Path,
    arrays: Mapping[str, Tensor],
    *,
    container_first: bool = False,
) -> Inputs:
    """Read measurements from a container, an array or a folder of images, with the physics that made them.

    Where the recipe's physics differs from the container's only in the least squares around it, the recipe's is taken.

    Args:
        name: the file or folder, as the recipe has it.
        section: says axes and key of plain arrays.
        physics: the recipe's [physics]; None where the container says it.
        root: what paths are relative to.
        arrays: kept tensors of the recipe.
        container_first: whether a container made by another physics is taken at its word (a trained f runs on
            another mask or angle set) rather than refused.

    Raises:
        InputError: no physics anywhere, a container made by another one, or shapes that do not fit.
    """
    path = place(name, root)
    stated = None if physics is None else build_physics(physics.model_dump(), root, arrays)
    if kind_of(path) is None:
        if stated is None:
            raise InputError(f"expected [physics] in the recipe, since {path} says nothing of it: add it")
        file = read_array(path, *_key_and_axes(path, section))
        values = _with_channels(_floats(file.values, stated), stated)
        names = file.names if file.names is not None and len(file.names) == len(values) else None
        return Inputs(MeasurementSet(_zero_filled(values, stated), stated, names), None, None, path)
    container = read_measurements(path)
    own = build_physics(container.physics, root, container.arrays) if container.physics else None
    if own is not None and stated is not None and not container_first:
        _same(stated, own, path)
    alike = own is not None and stated is not None and measure_alike(own, stated)
    chosen = stated if alike else own or stated
    if chosen is None:
        raise InputError(f"expected [physics] in the recipe, since {path} says nothing of it: add it")
    context = Context(root=root, arrays=container.arrays)
    noise = build(container.noise, Noise, "the container's noise", context) if container.noise else None
    return Inputs(MeasurementSet(container.y, chosen, container.names), noise, container.groups, path)


def read_references(name: str, section: DataSection, root: Path, data: MeasurementSet) -> TruthSet:
    """Read ground truth for scoring or for a supervised loss: a truth container, an array or a folder of images.

    Raises:
        InputError: another number of images than measurements, or another shape.
    """
    path = place(name, root)
    from_file = read_truth_or_images(path, section)
    wanted = (len(data), *data.physics.image_shape)
    if tuple(from_file.x.shape) != wanted:
        raise InputError(
            f"expected truth of shape {wanted} in {path}, but {tuple(from_file.x.shape)} came: is it another set?"
        )
    return from_file


def read_truth_or_images(path: Path, section: DataSection) -> TruthSet:
    """Return the ground truth in a truth container, or images in any other file."""
    kind = kind_of(path)
    if kind is not None and kind != _RECONSTRUCTED:
        file = read_truth(path)
        return TruthSet(file.x, file.has_x)
    return TruthSet(read_images(path, *_key_and_axes(path, section)).values)


def _key_and_axes(path: Path, section: DataSection) -> tuple[str | None, str | None]:
    """Return what [data] says of arrays where it can mean this file: its files may be of several formats."""
    several, ordered = path.suffix.lower() in _SEVERAL, path.is_dir() or path.suffix.lower() in PICTURES
    return section.key if several else None, None if ordered else section.axes


def checksums(*paths: Path | None) -> dict[str, str]:
    """Return the checksum of every file, by its absolute path."""
    return {str(path.resolve()): checksum(path) for path in paths if path is not None}


def measure_alike(one: Physics, other: Physics) -> bool:
    """Return whether two operators are the same but for the least squares that their ``A_dagger`` may be."""
    return difference(one, other) is None


def difference(stated: object, own: object) -> tuple[str, str, str] | None:
    """Return the first argument in which two parts differ: its name, the value in ``own`` and that in ``stated``.

    None where they are the same; operators may differ in the least squares around them.
    """
    mine, theirs = (_flat(without_least_squares(p) if isinstance(p, Physics) else p) for p in (stated, own))
    for key in [*mine, *(k for k in theirs if k not in mine)]:
        if not _equal(mine.get(key), theirs.get(key)):
            return key, _short(theirs.get(key)), _short(mine.get(key))
    return None


def _same(stated: Physics, own: Physics, path: Path) -> None:
    found = difference(stated, own)
    if found is not None:
        key, there, here = found
        raise InputError(
            f"expected measurements of the recipe's physics in {path}, but they were made with {key} = {there} and the "
            f"recipe says {here}: leave [physics] out or use the other file"
        )


def _flat(part: object) -> dict[str, object]:
    """Return every argument of a part, its tensors themselves."""
    arrays: dict[str, Tensor] = {}
    written = describe(part, arrays, "part")
    references = {key.removeprefix("part."): value for key, value in arrays.items()}
    return {**written, **references}


def _equal(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool((a == b).all())
    return a == b


def _short(value: object) -> str:
    text = f"an array of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _floats(values: Tensor, physics: Physics) -> Tensor:
    return values.to(like(physics).dtype)


def _with_channels(values: Tensor, physics: Physics) -> Tensor:
    """Add the channel axis of one that measurement files in the wild leave out."""
    wanted = physics.measurement_shape
    if tuple(values.shape[1:]) == wanted[1:] and wanted[:1] == (1,):
        return values[:, None]
    return values


def _zero_filled(values: Tensor, physics: Physics) -> Tensor:
    """Put zeros where nothing is measured: pictures with missing pixels have any colour there."""
    seen = physics.measured
    if seen is None or tuple(values.shape[1:]) != physics.measurement_shape or len(seen) not in (1, len(values)):
        return values  # a wrong shape is refused by the set, which says more
    return torch.where(seen, values, torch.zeros_like(values))
