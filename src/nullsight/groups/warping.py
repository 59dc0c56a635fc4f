"""Images read off at moved places, without aliasing and with the exact transpose: what all deformations share."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from nullsight.groups.base import by_kind
from nullsight.groups.boundaries import Boundary
from nullsight.groups.interpolation import Sampled, transpose
from nullsight.linalg import linear_map
from nullsight.types import Element, Image, InputError

_NO_WIDTH = 1e-6  # pixels: what is narrower is rounding


class Warp:
    """The linear map ``(T x)(p) = x(q(p))`` for a smooth map q of places, one an image.

    Where q runs through the image faster than the grid does (the image shrinks), a single reading would alias. There
    the mean of x over the footprint of a pixel is taken: the unit square times ``F = ((J J^T - I)_+)^(1/2)``, ``J``
    being the derivative of q at p and ``_+`` the positive part, so that footprint and interpolation kernel together are
    as wide as the pixel's image (the idea of Heckbert, "Fundamentals of texture mapping and image warping", 1989, with
    the box in place of his Gaussian). Along directions that are enlarged F is zero: nothing is blurred there. The mean
    is over n x n readings, n the largest width in the image, rounded up to whole pixels and 2 at least, spaced so that
    their variance is that of the footprint. An image of which every pixel is read where it is comes back as it is.

    Args:
        at: q, (row, column) in pixels from the centre of the image, float64 ``(batch, height, width, 2)``.
        slope: J, float64 ``(batch, height, width, 2, 2)``.
        interpolation: how images are read between samples.
        boundary: what is read outside.
    """

    def __init__(self, at: Tensor, slope: Tensor, interpolation: Sampled, boundary: Boundary) -> None:
        self.at = at
        self.interpolation = interpolation
        self.boundary = boundary
        self.footprint, width = _footprint(slope)
        count = torch.where(width > _NO_WIDTH, width.ceil().clamp_min(2), torch.ones_like(width))
        still = (at == places(at.shape[1], at.shape[2], at.device)).flatten(1).all(1)
        self.count = torch.where(still, torch.zeros_like(count), count).long().cpu()

    def apply(self, x: Image) -> Image:
        """Return ``T x``; its gradient is the transpose. Half precision is computed in float32."""
        return linear_map(_wide(x), self._read, self._spread).to(x.dtype)

    def apply_adjoint(self, y: Image) -> Image:
        """Return ``T^T y``, the exact transpose; its gradient is :meth:`apply`."""
        return linear_map(_wide(y), self._spread, self._read).to(y.dtype)

    def _read(self, x: Image) -> Image:
        return by_kind(self.count, x, lambda n, rows, few: self._mean(n, rows.to(x.device), few) if n else few)

    def _spread(self, y: Image) -> Image:
        return transpose(self._read, y)

    def _mean(self, n: int, rows: Tensor, x: Image) -> Image:
        at, footprint = self.at[rows], self.footprint[rows]
        size = torch.tensor(x.shape[2:], device=x.device, dtype=torch.float64)
        total = torch.zeros_like(x)
        for down, right in _nodes(n):
            moved = at + down * footprint[..., 0] + right * footprint[..., 1]
            grid = (2 * moved / size).flip(-1).to(x.dtype)
            total = total + self.interpolation.read(x, grid, self.boundary.outside)
        return total / n**2


def places(height: int, width: int, device: torch.device) -> Tensor:
    """Return (row, column) of every pixel from the centre of the image, in pixels, float64 ``(height, width, 2)``."""
    axes = [torch.arange(n, device=device, dtype=torch.float64) - (n - 1) / 2 for n in (height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def check_elements(name: str, shape: tuple[int, ...], g: Element, x: Image) -> None:
    """Raise an InputError unless ``g`` has one element of that shape for each of the images, which are 2-D."""
    if x.ndim != 4:
        raise InputError(
            f"expected images (batch, channels, height, width) for {name}, but shape {tuple(x.shape)} came: signals "
            f"are not deformed"
        )
    if tuple(g.shape) != (x.shape[0], *shape) or not g.is_floating_point():
        raise InputError(
            f"expected one element per image for {name}, floating-point of shape {(x.shape[0], *shape)}, but "
            f"{tuple(g.shape)} of {g.dtype} came: draw them with sample(stream), one stream a sample"
        )


def _wide(x: Image) -> Image:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _footprint(slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return F, ``(batch, height, width, 2, 2)``, and its largest width in each image, ``(batch,)``."""
    square = slope @ slope.mT
    middle = (square[..., 0, 0] + square[..., 1, 1]) / 2
    radius = torch.hypot((square[..., 0, 0] - square[..., 1, 1]) / 2, square[..., 0, 1])
    high, low = ((value - 1).clamp_min(0).sqrt() for value in (middle + radius, middle - radius))
    # a function of a symmetric 2 x 2 matrix with eigenvalues middle +- radius is linear in it
    tilt = torch.where(radius > 1e-12, (high - low) / (2 * radius.clamp_min(1e-12)), torch.zeros_like(radius))
    eye = torch.eye(2, device=slope.device, dtype=slope.dtype)
    level = (high + low) / 2 - tilt * middle
    return tilt[..., None, None] * square + level[..., None, None] * eye, high.flatten(1).amax(1)


def _nodes(n: int) -> Iterator[tuple[float, float]]:
    """Go through n x n points of the unit square, evenly spaced, with its variance 1 / 12 along each axis."""
    spacing = 1 / n if n == 1 else 1 / math.sqrt(n**2 - 1)
    line = [(k - (n - 1) / 2) * spacing for k in range(n)]
    return ((down, right) for down in line for right in line)
