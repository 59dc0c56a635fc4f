"""Images into files: the suffix names the writer; whole or not at all, and nothing is overwritten unasked."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from nullsight.data.container import write_container
from nullsight.data.images import to_png
from nullsight.data.readers.base import ArrayFile
from nullsight.storage import whole_file, whole_folder
from nullsight.types import InputError


def write_images(path: Path | str, images: Tensor, like: ArrayFile | None = None, *, overwrite: bool = False) -> None:
    """Write a batch of images.

    ``.npy``, ``.npz`` (key ``images``), ``.h5`` and ``.tif`` keep every value; ``.png`` clips to [0, 1] and rounds to 8
    bits. Several pictures go into a folder: ``folder/*.png``, ``folder/*.tif`` or just ``folder`` (the kind of picture
    that ``like`` came as, else TIFF).

    Args:
        path: where to.
        images: ``(N, C, H, W)``; arrays and containers also take ``(N, C, L)``.
        like: gives the pictures their names.
        overwrite: whether what is there may be replaced.

    Raises:
        InputError: an unknown suffix, a shape that the format has no place for, the name is taken, or a full disk.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    names = None if like is None or like.names is None or len(like.names) != len(images) else like.names
    values = images.detach().cpu().contiguous().numpy()
    if suffix in _CONTAINERS:
        write_container(place, "images", {"names": names}, {"images": values}, overwrite=overwrite)
    elif suffix in _ARRAYS:
        with whole_file(place, overwrite=overwrite) as file:
            _ARRAYS[suffix](file, values)
    elif suffix in _PICTURES and place.stem not in _ALL:
        _write_one(place, values, overwrite=overwrite)
    elif suffix in _PICTURES:
        _write_folder(place.parent, suffix, values, names, overwrite=overwrite)
    elif not suffix:
        _write_folder(place, _suffix_like(like), values, names, overwrite=overwrite)
    else:
        known = ", ".join([*_ARRAYS, *_CONTAINERS, *_PICTURES])
        raise InputError(f"expected a folder or a name that ends in {known}, but {place} came: choose one of them")


def _write_one(path: Path, values: np.ndarray, *, overwrite: bool) -> None:
    suffix = path.suffix.lower()
    if len(values) != 1:
        raise InputError(
            f"expected one image for the file {path}, but {len(values)} came: write them into a folder, "
            f"{path.with_suffix('') / ('*' + suffix)}"
        )
    with whole_file(path, overwrite=overwrite) as file:
        _PICTURES[suffix](file, values[0])


def _write_folder(
    folder: Path, suffix: str, values: np.ndarray, names: tuple[str, ...] | None, *, overwrite: bool
) -> None:
    with whole_folder(folder, overwrite=overwrite) as inside:
        for name, value in zip(_names(names, len(values)), values, strict=True):
            with whole_file(inside / f"{name}{suffix}") as file:
                _PICTURES[suffix](file, value)


def _names(names: tuple[str, ...] | None, count: int) -> list[str]:
    stems = [Path(name.replace("#", "_page")).name for name in names or ()]
    stems = [Path(stem).stem if "_page" not in stem else stem.replace(".", "_") for stem in stems]
    if len(set(stems)) == count and all(stems):
        return stems
    return [f"{i:0{max(4, len(str(count - 1)))}d}" for i in range(count)]


def _suffix_like(like: ArrayFile | None) -> str:
    known = Path(like.names[0].partition("#")[0]).suffix.lower() if like is not None and like.names else ""
    return known if known in _PICTURES else ".tif"


def _write_npy(file: BinaryIO, values: np.ndarray) -> None:
    np.lib.format.write_array(file, values, allow_pickle=False)


def _write_npz(file: BinaryIO, values: np.ndarray) -> None:
    np.savez(file, images=values)


def _write_png(file: BinaryIO, value: np.ndarray) -> None:
    if value.ndim != 3 or value.shape[0] not in (1, 3):
        raise InputError(
            f"expected images of one or three channels for PNG, but {value.shape} came: write .npy or .tif"
        )
    file.write(to_png(torch.from_numpy(value), (0.0, 1.0)))


def _write_tiff(file: BinaryIO, value: np.ndarray) -> None:
    import tifffile

    if value.ndim != 3:
        raise InputError(f"expected images (channels, height, width) for TIFF, but {value.shape} came: write .npy")
    colour = value.shape[0] == 3
    pixels = np.ascontiguousarray(value.transpose(1, 2, 0) if value.shape[0] > 1 else value[0])
    extra = None if value.shape[0] in (1, 3) else ["unspecified"] * (value.shape[0] - 1)
    kind = "rgb" if colour else "minisblack"
    tifffile.imwrite(
        file, pixels, photometric=kind, planarconfig="contig" if pixels.ndim == 3 else None, extrasamples=extra
    )


_ALL = ("*",)  # the name that stands for all pictures of a folder
_CONTAINERS = (".h5", ".hdf5")
_ARRAYS: dict[str, Callable[[BinaryIO, np.ndarray], None]] = {".npy": _write_npy, ".npz": _write_npz}
_PICTURES: dict[str, Callable[[BinaryIO, np.ndarray], None]] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
}
