"""Pictures: PNG, JPEG and TIFF files, and folders of them."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nullsight.data.readers.base import Raw, read_bytes, scaled, unreadable
from nullsight.types import InputError

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR = (2, 6)  # IHDR colour types of true colour, without and with alpha


def read_picture(path: Path, key: str | None) -> Raw:
    """Read a PNG or JPEG picture as one sample; the alpha channel is dropped.

    Raises:
        InputError: damage, 16-bit colour PNG (of which the decoder keeps 8 bits) or four inks.
    """
    import imageio.v3 as iio

    _no_key(path, key)
    content = read_bytes(path)
    if content.startswith(_PNG) and len(content) > 25 and content[24] == 16 and content[25] in _PNG_COLOUR:
        raise InputError(
            f"expected colour of 8 bits a channel in {path}, but it has 16, and half would be lost: save it as TIFF"
        )
    try:
        values = np.asarray(iio.imread(content, index=0, plugin="pillow", extension=path.suffix.lower()))
    except Exception as error:  # decoders answer damage with errors of every class
        raise unreadable(path, "a picture", error) from None
    if values.ndim == 3 and values.shape[2] == 4 and not content.startswith(_PNG):
        raise InputError(f"expected a grey or RGB picture in {path}, but it has four inks: convert it to RGB")
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    return _samples(path, values if values.ndim == 3 else values[..., None])


def read_tiff(path: Path, key: str | None) -> Raw:
    """Read a TIFF file; its pages (all axes but rows, columns and channels) are samples; alpha is dropped."""
    import tifffile

    _no_key(path, key)
    content = read_bytes(path)
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series = file.series[0]
            first, axes, values = file.pages.first, series.axes, np.asarray(series.asarray())
            colours, extra = int(first.photometric), tuple(int(one) for one in first.extrasamples)
    except Exception as error:  # the decoder answers damage with errors of every class
        raise unreadable(path, "a TIFF picture", error) from None
    if colours not in (0, 1, 2):  # white is zero, black is zero, RGB
        raise InputError(f"expected a grey or RGB picture in {path}, but its colours are stored otherwise: convert it")
    if colours == 0 and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    channel = next((axes.index(letter) for letter in "SC" if letter in axes), None)
    if channel is None:
        axes, values, channel = axes + "S", values[..., None], values.ndim
    rest = [i for i, letter in enumerate(axes) if letter not in "YX" and i != channel]
    values = values.transpose([*rest, axes.index("Y"), axes.index("X"), channel])
    values = values.reshape(-1, *values.shape[-3:])
    if extra and extra[-1] in (1, 2):  # associated and unassociated alpha
        values = values[..., : values.shape[-1] - 1]
    return _samples(path, values)


def read_folder(path: Path, key: str | None) -> Raw:
    """Read all pictures of a folder, in the order of their names with numbers counted (2 before 10)."""
    _no_key(path, key)
    files = sorted((one for one in path.iterdir() if one.suffix.lower() in PICTURES and one.is_file()), key=_by_number)
    if not files:
        raise InputError(f"expected pictures ({', '.join(PICTURES)}) in the folder {path}, but there are none")
    raws = [PICTURES[file.suffix.lower()](file, None) for file in files]
    shapes = [raw.values.shape[1:] for raw in raws]
    for file, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(
                f"expected pictures of one size in {path}, but {files[0].name} has {_size(shapes[0])} and {file.name} "
                f"has {_size(shape)}: crop or resize them"
            )
    names = tuple(name for raw in raws for name in raw.names or ())
    notes = sorted({raw.note for raw in raws if raw.note})
    return Raw(np.concatenate([raw.values for raw in raws]), "NHWC", names, " and ".join(notes))


def _samples(path: Path, values: np.ndarray) -> Raw:
    values = values if values.ndim == 4 else values[None]
    values, note = scaled(values, path)
    count = len(values)
    names = (path.name,) if count == 1 else tuple(f"{path.name}#{i}" for i in range(count))
    return Raw(values, "NHWC", names, note)


def _no_key(path: Path, key: str | None) -> None:
    if key is not None:
        raise InputError(f"expected no key for the pictures in {path}, but {key!r} came: leave the key out")


def _by_number(path: Path) -> list[tuple[int, int, str]]:
    pieces = re.split(r"([0-9]+)", path.name)
    return [(1, int(piece), piece) if piece.isdecimal() else (0, 0, piece) for piece in pieces]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} rows, {shape[1]} columns and {shape[2]} channels"


PICTURES: dict[str, Callable[[Path, str | None], Raw]] = {
    ".png": read_picture,
    ".jpg": read_picture,
    ".jpeg": read_picture,
    ".tif": read_tiff,
    ".tiff": read_tiff,
}
