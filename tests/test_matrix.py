"""Matrices, dense and sparse, made and read."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from nullsight.physics import MatrixOperator, gaussian_matrix, load_matrix
from nullsight.types import InputError


def test_gaussian_entries_have_variance_one_over_m() -> None:
    matrix = gaussian_matrix(50, 4000, seed=0)
    assert float(matrix.var() * 50) == pytest.approx(1, abs=0.02)
    assert abs(float(matrix.mean())) < 1e-3
    assert torch.equal(matrix, gaussian_matrix(50, 4000, seed=0))
    assert not torch.equal(matrix, gaussian_matrix(50, 4000, seed=1))


def test_dense_and_sparse_say_the_same() -> None:
    array = scipy.sparse.random_array((9, 12), density=0.4, rng=np.random.default_rng(0))
    dense = MatrixOperator((1, 3, 4), torch.from_numpy(array.toarray()))
    sparse = MatrixOperator((1, 3, 4), torch.from_numpy(array.toarray()).to_sparse_csr())
    x = torch.rand(5, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = dense.A(x)
    assert torch.allclose(sparse.A(x), y)
    assert torch.allclose(sparse.A_adjoint(y), dense.A_adjoint(y))
    assert torch.allclose(sparse.A_dagger(y), dense.A_dagger(y), atol=1e-8)
    assert torch.equal(sparse.matrix.to_dense(), dense.matrix)


def test_matrices_from_files(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(3, 8))
    np.save(tmp_path / "dense.npy", array)
    assert torch.equal(load_matrix(tmp_path / "dense.npy"), torch.from_numpy(array))
    np.save(tmp_path / "whole.npy", np.arange(6).reshape(2, 3))
    assert load_matrix(str(tmp_path / "whole.npy")).dtype == torch.float32
    some = scipy.sparse.coo_array(np.where(array > 0, array, 0))
    scipy.sparse.save_npz(tmp_path / "sparse.npz", some)
    read = load_matrix(tmp_path / "sparse.npz")
    assert read.layout == torch.sparse_csr
    assert torch.equal(read.to_dense(), torch.from_numpy(some.toarray()))
    assert MatrixOperator((1, 8), read).A(torch.ones(2, 1, 8, dtype=torch.float64)).shape == (2, 3)


@pytest.mark.parametrize(
    "name", ["missing.npy", "text.npy", "text.npz", "plain.npz", "cube.npy", "complex.npy", "o.npy"]
)
def test_bad_files_are_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.npy").write_text("no matrix")
    (tmp_path / "text.npz").write_text("no matrix")
    np.savez(tmp_path / "plain.npz", np.ones((2, 2)))
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    np.save(tmp_path / "complex.npy", np.ones((2, 2), dtype=np.complex64))
    np.save(tmp_path / "o.npy", np.array([[None, {}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="expected a"):
        load_matrix(tmp_path / name)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.ones(3, 5), "with 8 columns"),
        (torch.ones(8), "with 8 columns"),
        (torch.ones(3, 8, dtype=torch.int64), "floating-point matrix"),
        (torch.full((3, 8), float("nan")), "finite values"),
    ],
)
def test_bad_matrices_are_refused(matrix: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MatrixOperator((1, 8), matrix)


def test_a_matrix_with_dependent_rows_has_its_pseudo_inverse() -> None:
    matrix = gaussian_matrix(3, 8, seed=0).double()
    matrix = torch.cat([matrix, matrix[:1] + matrix[1:2]])
    physics = MatrixOperator((1, 8), matrix)
    y = torch.rand(2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(physics.A_dagger(y).flatten(1), y @ torch.linalg.pinv(matrix).T)
