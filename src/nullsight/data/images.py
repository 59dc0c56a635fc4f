"""Images as pictures for the eye: bytes of a PNG file, and several beside one another."""

import struct
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.types import InputError


def to_png(image: Tensor, window: tuple[float, float]) -> bytes:
    """Return one image as an 8-bit PNG file.

    Args:
        image: ``(channels, height, width)``: one channel grey, three RGB, two complex (re, im), shown as magnitude.
        window: (low, high): low and below becomes black, high and above white.

    Raises:
        InputError: another shape, or a window whose ends are not in order.

    Example:
        >>> to_png(torch.zeros(1, 2, 2), (0.0, 1.0))[1:4]
        b'PNG'
    """
    low, high = window
    if not low < high:
        raise InputError(f"expected a window (low, high) with low below high, but {window} came")
    seen = visible(image)
    pixels = ((seen.detach().cpu().double() - low) / (high - low)).nan_to_num(0.0).clamp(0, 1).mul(255).round().byte()
    channels, height, width = pixels.shape
    rows = pixels.permute(1, 2, 0).reshape(height, width * channels)
    filtered = torch.cat([torch.zeros(height, 1, dtype=torch.uint8), rows], 1)  # 0: no filter in every line
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    content = zlib.compress(filtered.numpy().tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def visible(image: Tensor) -> Tensor:
    """Return an image with one or three channels: complex ``(2, H, W)`` becomes its magnitude ``(1, H, W)``.

    Raises:
        InputError: another number of axes or channels.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 2, 3):
        raise InputError(
            f"expected an image of shape (1, 2 or 3 channels, height, width), but {tuple(image.shape)} came: choose one"
        )
    return image.norm(dim=0, keepdim=True) if image.shape[0] == 2 else image


def montage(rows: Sequence[Sequence[Tensor]], *, gap: int = 2, fill: float = 1.0) -> Tensor:
    """Return images set side by side in rows as one image, ``(channels, height, width)``.

    Args:
        rows: of images ``(channels, height, width)``, each placed at the top left of its cell; grey becomes colour
            where any is colour.
        gap: pixels between cells.
        fill: value of gaps and empty places.

    Raises:
        InputError: no image, or one that :func:`visible` refuses.
    """
    seen = [[visible(image) for image in row] for row in rows]
    flat = [image for row in seen for image in row]
    if not flat:
        raise InputError("expected at least one image for a montage, but none came")
    channels = max(image.shape[0] for image in flat)
    height, width = max(image.shape[1] for image in flat), max(image.shape[2] for image in flat)
    down, across = len(seen), max(len(row) for row in seen)
    shape = channels, down * (height + gap) - gap, across * (width + gap) - gap
    whole = torch.full(shape, fill, dtype=flat[0].dtype, device=flat[0].device)
    for i, row in enumerate(seen):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            whole[:, top : top + image.shape[1], left : left + image.shape[2]] = image
    return whole


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
