"""Single-pixel sensing against the transform written out."""

import pytest
import scipy.linalg
import torch

from nullsight.physics import Hadamard
from nullsight.physics.hadamard import sequency, sequency_order, walsh_hadamard
from nullsight.types import InputError


@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_the_fast_transform_is_the_matrix(n: int) -> None:
    matrix = torch.from_numpy(scipy.linalg.hadamard(n)).double() / n**0.5
    assert torch.allclose(walsh_hadamard(torch.eye(n, dtype=torch.float64)), matrix)


@pytest.mark.parametrize("n", [1, 2, 4, 16, 64])
def test_sequency_counts_sign_changes(n: int) -> None:
    matrix = torch.from_numpy(scipy.linalg.hadamard(n))
    assert sequency(n).tolist() == (matrix.diff(dim=1) != 0).sum(1).tolist()


def test_patterns_come_coarse_first() -> None:
    height, width = 4, 8
    patterns = Hadamard((1, height, width), 32).to_matrix().reshape(32, height, width).sign()
    down, across = (patterns.diff(dim=1) != 0)[:, :, 0].sum(1), (patterns.diff(dim=2) != 0)[:, 0].sum(1)
    key = (down + across) * 100 + down
    assert key.tolist() == sorted(key.tolist())
    assert sorted(sequency_order((height, width)).tolist()) == list(range(32))


def test_all_patterns_are_an_orthonormal_basis() -> None:
    matrix = Hadamard((1, 4, 4), 16).to_matrix()
    assert torch.allclose(matrix @ matrix.T, torch.eye(16, dtype=torch.float64))


def test_sides_that_are_no_powers_of_two_are_refused() -> None:
    with pytest.raises(InputError, match=r"powers of two, but \(6, 8\) came: .* to \(8, 8\)"):
        Hadamard((1, 6, 8), 3)


@pytest.mark.parametrize("count", [0, 17])
def test_too_many_or_no_patterns_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 16 measurements"):
        Hadamard((1, 4, 4), count)
