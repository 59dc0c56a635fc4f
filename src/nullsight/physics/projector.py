"""The weights of line integrals by interpolation, as sparse matrices."""

import warnings
from functools import cache

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from nullsight.physics.geometry import Geometry, Samples, ray_samples


def _ray_matrix(geometry: Geometry, view: int, dtype: np.dtype) -> sparse.csr_matrix:
    parts = ray_samples(geometry, view, torch.device("cpu"), geometry.width)
    matrices = [_view_matrix(part, geometry.pixels, dtype) for part in parts]
    if len(parts) == 1:
        return matrices[0]
    order = torch.cat([torch.arange(geometry.detectors)[part.bins] for part in parts])
    whole: sparse.csr_matrix = sparse.vstack(matrices, format="csr")[order.argsort().numpy()]
    return whole


def _view_matrix(samples: Samples, columns: int, dtype: np.dtype) -> sparse.csr_matrix:
    position = samples.positions.numpy()
    left = np.floor(position).astype(np.int32)
    share = position - left
    row = samples.stride * np.arange(position.shape[1], dtype=np.int32)
    entry = np.stack([left, left + 1], axis=-1)
    weight = np.stack([1 - share, share], axis=-1) * np.asarray(samples.factor)[..., None]
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
        if len(x) == 1:  # a product with a matrix of one column costs up to twice that with a vector
            return torch.mv(matrix, x[0])[None]
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

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        dtype = torch.empty(0).numpy().dtype
        cpu, views = torch.device("cpu"), range(len(geometry.angles))
        rays = [_ray_matrix(geometry, v, dtype) for v in views]
        self.rays = SparsePair(sparse.vstack(rays, format="csr"))
        del rays
        pixels = [_view_matrix(geometry.pixel_samples(v, cpu), geometry.detectors, dtype) for v in views]
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
