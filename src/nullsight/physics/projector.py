"""Line integrals by interpolation: where every sample lies, and the sparse matrices of the weights."""

import warnings
from dataclasses import dataclass
from functools import cache
from math import cos, floor, radians, sin

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn


@dataclass(frozen=True)
class ParallelGeometry:
    """Parallel rays through an image of square pixels.

    A ray of the view at angle ``a`` is the line ``column cos(a) + up sin(a) = s``, both coordinates from the centre of
    the image, ``up`` against the row index. Bin ``d`` of n has ``s = (d - (n - 1) / 2) * spacing + offset``.

    Attributes:
        height: rows.
        width: columns.
        angles: degrees.
        detectors: bins a view.
        spacing: distance of two bins, pixels.
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

    def most_weights(self) -> int:
        """Return an upper bound of the weights in the two matrices, ray by pixel and pixel by ray."""
        total = 0
        for angle in self.angles:
            c, s = abs(cos(radians(angle))), abs(sin(radians(angle)))
            samples, across = (self.height, self.width) if c >= s else (self.width, self.height)
            total += 2 * samples * min(self.detectors, floor((across + 1) * max(c, s) / self.spacing) + 1)
        return total + 2 * self.pixels * len(self.angles)


@dataclass(frozen=True)
class Samples:
    """Linear interpolation in rows of a table: value ``l`` is ``factor * sum_k row_k(positions[l, k])``.

    Attributes:
        positions: float64 ``(values, rows)``; a row is zero outside 0 .. size - 1.
        size: entries of a row.
        step: distance of two entries of a row in the flat table.
        stride: distance of two rows.
        factor: the length that one sample stands for.
    """

    positions: Tensor
    size: int
    step: int
    stride: int
    factor: float


def ray_samples(geometry: ParallelGeometry, view: int, device: torch.device, pitch: int) -> Samples:
    """Return the samples of one view's rays in the flat image (P. M. Joseph, IEEE Trans. Med. Imaging 1, 1982).

    A ray is sampled once in every row, or in every column, whichever it crosses more steeply, and interpolated linearly
    between the two pixels there. ``pitch`` is the distance of two rows in the flat image.
    """
    c, s = _direction(geometry.angles[view])
    bins = _centred(geometry.detectors, device) * geometry.spacing + geometry.offset
    across, up = _centred(geometry.width, device), -_centred(geometry.height, device)
    if abs(c) >= abs(s):
        columns = (bins[:, None] - up * s) / c + (geometry.width - 1) / 2
        return Samples(columns, geometry.width, 1, pitch, geometry.pixel_size / abs(c))
    rows = (geometry.height - 1) / 2 - (bins[:, None] - across * c) / s
    return Samples(rows, geometry.height, pitch, 1, geometry.pixel_size / abs(s))


def pixel_samples(geometry: ParallelGeometry, view: int, device: torch.device) -> Samples:
    """Return the samples of all pixels in one view of the sinogram: where on the detector each pixel falls."""
    c, s = _direction(geometry.angles[view])
    across, up = _centred(geometry.width, device), -_centred(geometry.height, device)[:, None]
    where = (across * c + up * s - geometry.offset) / geometry.spacing + (geometry.detectors - 1) / 2
    return Samples(where.reshape(-1, 1), geometry.detectors, 1, geometry.detectors, 1.0)


def _direction(angle: float) -> tuple[float, float]:
    # multiples of 90 degrees exactly, so that rays along the pixels touch no neighbour
    quarter, rest = divmod(angle, 90.0)
    c, s = cos(radians(rest)), sin(radians(rest))
    return ((c, s), (-s, c), (-c, -s), (s, -c))[int(quarter) % 4]


def _centred(size: int, device: torch.device) -> Tensor:
    return torch.arange(size, dtype=torch.float64, device=device) - (size - 1) / 2


def _view_matrix(samples: Samples, columns: int, dtype: np.dtype) -> sparse.csr_matrix:
    position = samples.positions.numpy()
    left = np.floor(position).astype(np.int32)
    share = position - left
    row = samples.stride * np.arange(position.shape[1], dtype=np.int32)
    entry = np.stack([left, left + 1], axis=-1)
    weight = np.stack([1 - share, share], axis=-1) * samples.factor
    inside = (entry >= 0) & (entry < samples.size) & (weight > 0)
    index = (entry * samples.step + row[:, None])[inside]
    start = np.concatenate([[0], np.cumsum(inside.sum(axis=(1, 2)))]).astype(np.int32)
    return sparse.csr_matrix((weight[inside].astype(dtype), index, start), shape=(len(position), columns))


class SparsePair(nn.Module):
    """A sparse matrix and its transpose, both by rows with int32 columns: the adjoint is exact and as fast.

    The weights are buffers that move with ``.to`` and stay out of checkpoints. They are plain tensors; the sparse
    tensor is put together at every product, which costs microseconds.
    """

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        super().__init__()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        matrix.sort_indices()
        for name, one in (("rows", matrix), ("columns", matrix.T.tocsr())):
            self.register_buffer(f"{name}_start", torch.from_numpy(one.indptr.astype(np.int32)), persistent=False)
            self.register_buffer(f"{name}_index", torch.from_numpy(one.indices.astype(np.int32)), persistent=False)
            self.register_buffer(f"{name}_weight", torch.from_numpy(one.data), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the matrix times every row of ``x``: ``(vectors, columns)`` to ``(vectors, rows)``."""
        return self._product("rows", x, self.shape)

    def transposed(self, y: Tensor) -> Tensor:
        """Return the transpose times every row of ``y``: ``(vectors, rows)`` to ``(vectors, columns)``."""
        return self._product("columns", y, self.shape[::-1])

    def _product(self, name: str, x: Tensor, shape: tuple[int, int]) -> Tensor:
        start, index, weight = (self._buffers[f"{name}_{part}"] for part in ("start", "index", "weight"))
        assert start is not None and index is not None and weight is not None
        _warn_once()
        matrix = torch.sparse_csr_tensor(start, index, weight, size=shape, check_invariants=False)
        if len(x) <= 2:  # a product with a matrix of few columns costs more than two with vectors
            return torch.stack([torch.mv(matrix, vector) for vector in x])
        return torch.mm(matrix, x.T).T.contiguous()


@cache
def _warn_once() -> None:
    """Let torch give its one warning a process, that CSR tensors are in beta, to nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        torch.sparse_csr_tensor(
            [0, 0], torch.zeros(0, dtype=torch.int64), torch.zeros(0), size=(1, 1), check_invariants=False
        )


class SparseProjector(nn.Module):
    """Projection along rays and interpolation along views, each as a sparse matrix with its transpose.

    Args:
        geometry: of rays and pixels.
    """

    def __init__(self, geometry: ParallelGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        dtype = torch.empty(0).numpy().dtype
        cpu, views = torch.device("cpu"), range(len(geometry.angles))
        rays = [_view_matrix(ray_samples(geometry, v, cpu, geometry.width), geometry.pixels, dtype) for v in views]
        self.rays = SparsePair(sparse.vstack(rays, format="csr"))
        del rays
        pixels = [_view_matrix(pixel_samples(geometry, v, cpu), geometry.detectors, dtype) for v in views]
        self.views = SparsePair(sparse.hstack(pixels, format="csr"))

    def project(self, x: Tensor) -> Tensor:
        """Return line integrals: ``(vectors, pixels)`` to ``(vectors, rays)``."""
        out: Tensor = self.rays(x)
        return out

    def project_adjoint(self, y: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`project`."""
        return self.rays.transposed(y)

    def smear(self, y: Tensor) -> Tensor:
        """Sum over views each pixel's interpolated value: ``(vectors, rays)`` to ``(vectors, pixels)``."""
        out: Tensor = self.views(y)
        return out

    def smear_adjoint(self, x: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`smear`."""
        return self.views.transposed(x)
