"""Where rays run through an image of square pixels, and where pixels are seen on the detector."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import cos, floor, radians, sin

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rays:
    """Rays of one view as lines ``column cos + up sin = distance``, coordinates in pixels from the image's centre.

    Attributes:
        bins: which bins of the view they belong to, all or int64 ``(values,)``.
        cos: of the angle between a ray's normal and the columns' axis, one for all or ``(values, 1)``.
        sin: likewise.
        distance: float64 ``(values, 1)``.
        steep: whether all of them cross rows more steeply than columns, ``|cos| >= |sin|``, or none does.
    """

    bins: slice | Tensor
    cos: float | Tensor
    sin: float | Tensor
    distance: Tensor
    steep: bool


@dataclass(frozen=True)
class Samples:
    """Linear interpolation in rows of a table: value ``l`` is ``factor * sum_k row_k(positions[l, k])``.

    Attributes:
        positions: float64 ``(values, rows)``; a row is zero outside 0 .. size - 1.
        size: entries of a row.
        step: distance of two entries of a row in the flat table.
        stride: distance of two rows.
        factor: the length that one sample stands for, or the weight of a pixel; one for all or ``(values, 1)``.
        bins: which values of the view these are, all or int64 ``(values,)``.
    """

    positions: Tensor
    size: int
    step: int
    stride: int
    factor: float | Tensor
    bins: slice | Tensor


@dataclass(frozen=True)
class Geometry(ABC):
    """The rays of all views.

    Attributes:
        height: rows.
        width: columns.
        angles: degrees.
        detectors: bins a view.
        spacing: distance of two bins on the detector, pixels.
        offset: of the detector's centre, pixels.
        pixel_size: edge of a pixel, in the length unit of the line integrals.
    """

    height: int
    width: int
    angles: tuple[float, ...]
    detectors: int
    spacing: float
    offset: float
    pixel_size: float

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return self.height * self.width

    @property
    def rays(self) -> int:
        """Rays of all views."""
        return len(self.angles) * self.detectors

    @property
    @abstractmethod
    def turn(self) -> float:
        """Degrees after which views see the same lines again in the same bins."""

    @property
    @abstractmethod
    def bin_width(self) -> float:
        """Distance of two bins as seen in the image's centre, in the length unit of the line integrals."""

    @abstractmethod
    def slant(self, device: torch.device) -> Tensor:
        """Return the cosine between each bin's ray and the detector's normal, float64 ``(detectors,)``."""

    @abstractmethod
    def lines(self, view: int, device: torch.device) -> list[Rays]:
        """Return the rays of one view, steep ones apart from others."""

    @abstractmethod
    def pixel_samples(self, view: int, device: torch.device) -> Samples:
        """Return where on one view's detector each pixel falls, with its weight in back-projection."""

    @abstractmethod
    def most_weights(self) -> int:
        """Return an upper bound of the weights in the two matrices, ray by pixel and pixel by ray."""

    def places(self, device: torch.device) -> Tensor:
        """Return the coordinate of each bin along the detector, in pixels, float64 ``(detectors, 1)``."""
        return centred(self.detectors, device)[:, None] * self.spacing + self.offset


@dataclass(frozen=True)
class ParallelGeometry(Geometry):
    """Parallel rays: bin ``d`` of n in the view at angle ``a`` is the line ``column cos(a) + up sin(a) = s``.

    ``up`` goes against the row index, ``s = (d - (n - 1) / 2) * spacing + offset``.
    """

    @property
    def turn(self) -> float:
        """180: the opposite view sees the same lines, mirrored."""
        return 180.0

    @property
    def bin_width(self) -> float:
        """The distance of two rays."""
        return self.spacing * self.pixel_size

    def slant(self, device: torch.device) -> Tensor:
        """Return ones."""
        return torch.ones(self.detectors, dtype=torch.float64, device=device)

    def lines(self, view: int, device: torch.device) -> list[Rays]:
        """Return all rays of the view."""
        c, s = direction(self.angles[view])
        return [Rays(slice(None), c, s, self.places(device), abs(c) >= abs(s))]

    def pixel_samples(self, view: int, device: torch.device) -> Samples:
        """Return where each pixel falls; all weigh alike."""
        c, s = direction(self.angles[view])
        across, up = centred(self.width, device), -centred(self.height, device)[:, None]
        where = (across * c + up * s - self.offset) / self.spacing + (self.detectors - 1) / 2
        return Samples(where.reshape(-1, 1), self.detectors, 1, self.detectors, 1.0, slice(None))

    def most_weights(self) -> int:
        """Return the bound, within some per cent."""
        total = 0
        for angle in self.angles:
            c, s = abs(cos(radians(angle))), abs(sin(radians(angle)))
            samples, across = (self.height, self.width) if c >= s else (self.width, self.height)
            total += 2 * samples * min(self.detectors, floor((across + 1) * max(c, s) / self.spacing) + 1)
        return total + 2 * self.pixels * len(self.angles)


def ray_samples(geometry: Geometry, view: int, device: torch.device, pitch: int) -> list[Samples]:
    """Return the samples of one view's rays in the flat image (P. M. Joseph, IEEE Trans. Med. Imaging 1, 1982).

    A ray is sampled once in every row, or in every column, whichever it crosses more steeply, and interpolated linearly
    between the two pixels there. ``pitch`` is the distance of two rows in the flat image.
    """
    across, up = centred(geometry.width, device), -centred(geometry.height, device)
    found = []
    for rays in geometry.lines(view, device):
        c, s = rays.cos, rays.sin
        if rays.steep:
            columns = (rays.distance - up * s) / c + (geometry.width - 1) / 2
            found.append(Samples(columns, geometry.width, 1, pitch, geometry.pixel_size / _size(c), rays.bins))
        else:
            rows = (geometry.height - 1) / 2 - (rays.distance - across * c) / s
            found.append(Samples(rows, geometry.height, pitch, 1, geometry.pixel_size / _size(s), rays.bins))
    return found


def _size(value: float | Tensor) -> float | Tensor:
    return value.abs() if isinstance(value, Tensor) else abs(value)


def direction(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in degrees, exact at multiples of 90: rays along pixels touch no neighbour."""
    quarter, rest = divmod(angle, 90.0)
    c, s = cos(radians(rest)), sin(radians(rest))
    return ((c, s), (-s, c), (-c, -s), (s, -c))[int(quarter) % 4]


def centred(size: int, device: torch.device) -> Tensor:
    """Return coordinates of ``size`` points at distance 1 around 0, float64 ``(size,)``."""
    return torch.arange(size, dtype=torch.float64, device=device) - (size - 1) / 2
