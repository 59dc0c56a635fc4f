"""Sparse matrices with their transposes, and linear interpolation as one."""

import warnings
from functools import cache

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from nullsight.physics.geometry import Samples


def interpolation_matrix(samples: Samples, columns: int, dtype: np.dtype) -> sparse.csr_matrix:
    """Return the matrix of linear interpolation in the rows of a table.

    Args:
        samples: the values, one row of the matrix each.
        columns: entries of the flat table.
        dtype: of the weights.
    """
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


class Sparse(nn.Module):
    """A sparse matrix by rows with int32 columns.

    The weights are buffers that move with ``.to`` and stay out of checkpoints. They are plain tensors; the sparse
    tensor is put together at every product, which costs microseconds.

    Args:
        matrix: what it holds; its entries are sorted in place.
    """

    start: Tensor
    index: Tensor
    weight: Tensor

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        super().__init__()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        matrix.sort_indices()
        self.register_buffer("start", torch.from_numpy(matrix.indptr.astype(np.int32)), persistent=False)
        self.register_buffer("index", torch.from_numpy(matrix.indices.astype(np.int32)), persistent=False)
        self.register_buffer("weight", torch.from_numpy(matrix.data), persistent=False)

    @property
    def tensor(self) -> Tensor:
        """The matrix, sparse CSR, sharing its memory."""
        _warn_once()
        return torch.sparse_csr_tensor(self.start, self.index, self.weight, size=self.shape, check_invariants=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the matrix times every row of ``x``: ``(vectors, columns)`` to ``(vectors, rows)``."""
        if not self.shape[0]:
            return x.new_zeros(len(x), 0)
        matrix = self.tensor
        if len(x) == 1:  # a product with a matrix of one column costs up to twice that with a vector
            return torch.mv(matrix, x[0])[None]
        return torch.mm(matrix, x.T).T.contiguous()


class SparsePair(nn.Module):
    """A sparse matrix and its transpose: the adjoint is exact and as fast."""

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        super().__init__()
        self.rows, self.columns = Sparse(matrix), Sparse(matrix.T.tocsr())

    def forward(self, x: Tensor) -> Tensor:
        """Return the matrix times every row of ``x``: ``(vectors, columns)`` to ``(vectors, rows)``."""
        out: Tensor = self.rows(x)
        return out

    def transposed(self, y: Tensor) -> Tensor:
        """Return the transpose times every row of ``y``: ``(vectors, rows)`` to ``(vectors, columns)``."""
        out: Tensor = self.columns(y)
        return out


@cache
def _warn_once() -> None:
    """Let torch give its one warning a process, that CSR tensors are in beta, to nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        torch.sparse_csr_tensor(
            [0, 0], torch.zeros(0, dtype=torch.int64), torch.zeros(0), size=(1, 1), check_invariants=False
        )
