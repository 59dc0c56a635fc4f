"""Any matrix as an operator: compressed sensing, or a system matrix from a file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.physics.base import Iterative
from nullsight.physics.sparse import SparsePair
from nullsight.types import Image, InputError, Measurement

DENSE_INVERSE_LIMIT = 2000
"""Up to so many rows or columns (the smaller number) the pseudo-inverse is computed by singular values (seconds)."""


class MatrixOperator(Iterative):
    """``y = M x`` for a dense or sparse matrix ``M`` on the flattened image.

    ``A_dagger`` is the pseudo-inverse, computed once from the singular values for dense matrices of at most 2000 rows
    or columns (exact, singular values below rounding left out); otherwise least squares by conjugate gradients.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``; its product is the number of columns.
        matrix: ``(measurements, pixels)``, floating point, dense or sparse CSR (:func:`load_matrix` reads both).

    Raises:
        InputError: a matrix of another shape or type, or with NaN or infinite values.

    Example:
        >>> physics = MatrixOperator((1, 8, 8), gaussian_matrix(20, 64, seed=0))
        >>> physics.A(torch.ones(3, 1, 8, 8)).shape
        torch.Size([3, 20])
    """

    def __init__(self, image_shape: Sequence[int], matrix: Tensor) -> None:
        pixels = int(np.prod(tuple(image_shape)))
        if matrix.ndim != 2 or matrix.shape[1] != pixels:
            raise InputError(
                f"expected a matrix with {pixels} columns, one for each entry of an image {tuple(image_shape)}, but "
                f"shape {tuple(matrix.shape)} came: transpose the matrix or correct the image shape"
            )
        if not matrix.is_floating_point():
            raise InputError(f"expected a floating-point matrix, but {matrix.dtype} came: convert it with .float()")
        sparse = matrix.layout != torch.strided
        whole = matrix.to_sparse_csr() if sparse else matrix
        if not bool(torch.isfinite(whole.values() if sparse else whole).all()):
            raise InputError("expected a matrix of finite values, but NaN or infinite values came: correct the file")
        super().__init__(image_shape, (int(matrix.shape[0]),))
        self.register_buffer("dense", None if sparse else whole, persistent=False)
        self.dense: Tensor | None
        self.pair = SparsePair(_scipy(whole)) if sparse else None

    @property
    def matrix(self) -> Tensor:
        """The matrix, dense or sparse CSR."""
        if self.dense is not None:
            return self.dense
        assert self.pair is not None
        return self.pair.rows.tensor

    @property
    def exact(self) -> bool:
        """Whether ``A_dagger`` is the pseudo-inverse itself."""
        return self.dense is not None and min(self.dense.shape) <= DENSE_INVERSE_LIMIT

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """0 where ``A_dagger`` is the pseudo-inverse itself; else what the iterations leave."""
        return 0.0 if self.exact else super().dagger_error

    def _measure(self, x: Image) -> Measurement:
        rows = x.flatten(1)
        if self.dense is not None:
            return rows @ self.dense.T
        assert self.pair is not None
        out: Tensor = self.pair(rows)
        return out

    def _adjoint(self, y: Measurement) -> Image:
        if self.dense is not None:
            return (y @ self.dense).reshape(-1, *self.image_shape)
        assert self.pair is not None
        return self.pair.transposed(y).reshape(-1, *self.image_shape)

    def _invert(self, y: Measurement) -> Image:
        if self.dense is None or not self.exact:
            return super()._invert(y)
        return (y @ self._pseudo_inverse(self.dense).T).reshape(-1, *self.image_shape)

    def _pseudo_inverse(self, matrix: Tensor) -> Tensor:
        # kept aside, not a buffer: after .double() it has to be computed anew, a converted one would be inexact
        kept: dict[tuple[torch.dtype, torch.device], Tensor] = self.__dict__.setdefault("_inverses", {})
        key = (matrix.dtype, matrix.device)
        if key not in kept:
            kept.clear()
            kept[key] = torch.linalg.pinv(matrix.double()).to(matrix.dtype)
        return kept[key]


def gaussian_matrix(measurements: int, pixels: int, seed: int) -> Tensor:
    """Return a float32 matrix ``(measurements, pixels)`` of independent normal entries with variance 1/measurements.

    Args:
        measurements: rows, >= 1.
        pixels: columns, >= 1.
        seed: of the draw.

    Raises:
        InputError: no row or no column.

    Example:
        >>> gaussian_matrix(2, 5, seed=0).shape
        torch.Size([2, 5])
    """
    if measurements < 1 or pixels < 1:
        raise InputError(f"expected at least 1 measurement and 1 pixel, but {measurements} and {pixels} came")
    drawn = Draws(seed, 0, (0,)).of("gaussian matrix").normal((measurements, pixels))[0]
    return drawn.div(measurements**0.5).float()


def load_matrix(path: str | Path) -> Tensor:
    """Read a matrix: a dense array from ``.npy``, or a ``scipy.sparse`` one from ``.npz`` (as a sparse CSR tensor).

    Raises:
        InputError: no such file, another kind of file, or a matrix that is complex or not two-dimensional.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"expected a matrix in {str(file)!r}, but there is no such file: correct the path")
    try:
        if file.suffix == ".npz":
            return _sparse(scipy.sparse.csr_array(scipy.sparse.load_npz(file)))
        array = np.load(file, allow_pickle=False)
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"expected a dense .npy or a scipy.sparse .npz matrix in {str(file)!r}, but it cannot be read ({error}): "
            f"save it with numpy.save or scipy.sparse.save_npz"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiub":
        raise InputError(f"expected a real matrix (measurements, pixels) in {str(file)!r}, but another array is there")
    return torch.from_numpy(_floating(array))


def _floating(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32)


def _sparse(matrix: scipy.sparse.csr_array) -> Tensor:
    if matrix.dtype.kind not in "fiub":
        raise ValueError(f"{matrix.dtype} is not a real number")
    if max(matrix.nnz, *matrix.shape) >= 2**31:
        raise ValueError(f"{matrix.nnz} non-zeros are more than the 2147483647 that fit")
    matrix.sort_indices()
    start, index = (torch.from_numpy(one.astype(np.int32)) for one in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(_floating(matrix.data))
    return torch.sparse_csr_tensor(start, index, values, size=matrix.shape, check_invariants=True)


def _scipy(matrix: Tensor) -> scipy.sparse.csr_matrix:
    data, columns, starts = (
        part.detach().cpu().numpy() for part in (matrix.values(), matrix.col_indices(), matrix.crow_indices())
    )
    return scipy.sparse.csr_matrix((data, columns, starts), shape=(int(matrix.shape[0]), int(matrix.shape[1])))
