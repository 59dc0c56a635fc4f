"""One file for measurements with all that is known of them; ground truth goes into another file of another kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nullsight.data.container import digest_stream, read_container, write_container
from nullsight.types import InputError


@dataclass(frozen=True)
class MeasurementFile:
    """What a measurement container holds.

    Args:
        y: measurements, ``(samples, ...)``, float32 or float64, finite.
        physics: the operator in its written form (the recipe's), e.g. ``{"name": "inpainting", "mask": {"array":
            "mask"}}``; an argument that is an array stands in ``arrays`` under the key named. Empty: not known.
        noise: the noise in its written form, e.g. ``{"name": "gaussian", "sigma": 0.1}``. Empty: not known.
        names: what each sample is called; None numbers them.
        groups: what each sample belongs to (a patient, a volume), for splits; None: each stands alone.
        axes: what the axes of ``y`` behind the first are called, e.g. ``("coil", "part", "row", "column")``; or empty.
        units: of ``y`` and of axes, e.g. ``{"y": "1/mm", "view": "degree"}``.
        arrays: tensors that ``physics`` and ``noise`` refer to.
        simulated: the settings that made it from images, physics and noise aside. Empty: it was measured, or it is not
            known.

    Raises:
        InputError: anything of that does not fit.

    Example:
        >>> file = MeasurementFile(torch.zeros(2, 1, 3), {"name": "inpainting", "mask": {"array": "mask"}},
        ...     arrays={"mask": torch.tensor([[True, False, True]])})
        >>> file.y.shape
        torch.Size([2, 1, 3])
    """

    y: Tensor
    physics: dict[str, Any] = field(default_factory=dict)
    noise: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    axes: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Tensor] = field(default_factory=dict)
    simulated: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_values(self.y, "measurements")
        _check_count(self.names, "names", len(self.y))
        _check_count(self.groups, "groups", len(self.y))
        if self.axes and len(self.axes) != self.y.ndim - 1:
            raise InputError(
                f"expected {self.y.ndim - 1} names of axes, one for each axis of a measurement, but {self.axes} came"
            )
        for key in sorted({*_references(self.physics), *_references(self.noise)} - set(self.arrays)):
            raise InputError(f"expected the array {key!r} that the physics refers to, but it is missing: add it")


@dataclass(frozen=True)
class TruthFile:
    """What a container of ground truth holds.

    Args:
        x: images, ``(samples, channels, ...)``, float32 or float64; anything finite where there is none.
        has_x: which samples carry truth, bool ``(samples,)``; None: all.
        names: as in the measurement file, so that the two can be matched.
        unit: of the values.
        simulated: as in the measurement file.

    Raises:
        InputError: values, names or ``has_x`` that do not fit.
    """

    x: Tensor
    has_x: Tensor | None = None
    names: tuple[str, ...] | None = None
    unit: str = ""
    simulated: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_values(self.x, "images")
        _check_count(self.names, "names", len(self.x))
        if self.has_x is not None and (self.has_x.dtype != torch.bool or tuple(self.has_x.shape) != (len(self.x),)):
            raise InputError(
                f"expected has_x as {len(self.x)} truth values, one a sample, but {self.has_x.dtype} "
                f"{tuple(self.has_x.shape)} came"
            )


def write_measurements(path: Path | str, file: MeasurementFile, *, overwrite: bool = False) -> None:
    """Write a measurement container, whole or not at all.

    Args:
        path: of the container, an HDF5 file.
        file: what goes in.
        overwrite: whether a file that is there may be replaced.

    Raises:
        InputError: the file exists and may not be replaced, or the disk is full (nothing half-written is left).
    """
    header = {
        "physics": file.physics,
        "noise": file.noise,
        "names": file.names,
        "groups": file.groups,
        "axes": file.axes,
        "units": file.units,
        "simulated": file.simulated,
    }
    arrays = {"y": _plain(file.y), **{f"physics/{key}": _plain(value) for key, value in file.arrays.items()}}
    write_container(Path(path), "measurements", header, arrays, overwrite=overwrite)


def read_measurements(path: Path | str) -> MeasurementFile:
    """Read a measurement container, its checksums verified.

    Raises:
        InputError: no such file, damage, another format, or a file of ground truth.
    """
    header, arrays = _read(Path(path), "measurements", "y")
    y = arrays.pop("y")
    try:
        return MeasurementFile(
            y=y,
            physics=header["physics"],
            noise=header["noise"],
            names=_texts(header["names"]),
            groups=_texts(header["groups"]),
            axes=_texts(header["axes"]) or (),
            units=header["units"],
            arrays={key.removeprefix("physics/"): value for key, value in arrays.items()},
            simulated=header.get("simulated", {}),  # files of earlier versions do not say
        )
    except KeyError as error:
        raise InputError(f"expected {error} in the header of {path}, but it is missing: write the file again") from None


def write_truth(path: Path | str, file: TruthFile, *, overwrite: bool = False) -> None:
    """Write a container of ground truth, whole or not at all.

    Args:
        path: of the container, an HDF5 file.
        file: what goes in.
        overwrite: whether a file that is there may be replaced.

    Raises:
        InputError: as :func:`write_measurements`.
    """
    arrays = {"x": _plain(file.x), **({} if file.has_x is None else {"has_x": _plain(file.has_x)})}
    header = {"names": file.names, "unit": file.unit, "simulated": file.simulated}
    write_container(Path(path), "truth", header, arrays, overwrite=overwrite)


def read_truth(path: Path | str) -> TruthFile:
    """Read a container of ground truth; InputError as :func:`read_measurements`, also for a file of measurements."""
    header, arrays = _read(Path(path), "truth", "x")
    names, unit = _texts(header.get("names")), str(header.get("unit", ""))
    return TruthFile(arrays["x"], arrays.get("has_x"), names, unit, header.get("simulated", {}))


def checksum(path: Path | str) -> str:
    """Return the BLAKE2b-256 checksum of a file, or of a folder's files with their names, in hexadecimal digits.

    Raises:
        InputError: there is no such file or folder, or it cannot be read.
    """
    place = Path(path)
    try:
        if not place.is_dir():
            with open(place, "rb") as file:
                return digest_stream(file)
        inside = sorted(one for one in place.rglob("*") if one.is_file())
        lines = [f"{checksum(one)} {one.relative_to(place).as_posix()}\n" for one in inside]
        return blake2b("".join(lines).encode(), digest_size=32).hexdigest()
    except OSError as error:
        raise InputError(
            f"expected a file or folder {place}, but it cannot be read ({error.strerror}): check the path"
        ) from None


def _read(path: Path, kind: str, main: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    header, arrays = read_container(path, kind)
    if main not in arrays:
        raise InputError(f"expected an array {main!r} in {path}, but it is missing: write the file again")
    return header, {key: torch.from_numpy(value) for key, value in arrays.items()}


def _plain(value: Tensor) -> np.ndarray:
    try:
        return value.detach().cpu().contiguous().numpy()
    except TypeError:
        raise InputError(f"expected tensors of a type that NumPy has, but {value.dtype} came: use float32") from None


def _texts(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(str(one) for one in value)


def _references(value: Any) -> list[str]:
    """Return the keys of all arrays that a written form refers to."""
    if isinstance(value, Mapping):
        own = [str(value["array"])] if set(value) == {"array"} else []
        return own + [key for item in value.values() for key in _references(item)]
    return [key for item in value for key in _references(item)] if isinstance(value, list | tuple) else []


def _check_values(value: Tensor, what: str) -> None:
    if value.dtype not in (torch.float32, torch.float64):
        raise InputError(f"expected {what} in float32 or float64, but {value.dtype} came: convert them with .float()")
    if value.ndim < 2 or value.numel() == 0:
        raise InputError(
            f"expected {what} of shape (samples, ...) with at least one sample, but {tuple(value.shape)} came"
        )
    bad = (~torch.isfinite(value.flatten(1))).any(1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        raise InputError(f"expected finite {what}, but sample {first} has NaN or infinite values: remove it")


def _check_count(values: tuple[str, ...] | None, what: str, count: int) -> None:
    if values is not None and len(values) != count:
        raise InputError(f"expected {count} {what}, one a sample, but {len(values)} came")
