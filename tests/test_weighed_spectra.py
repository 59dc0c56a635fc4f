"""Eigenvalues of ``A^T W A`` and of W: beside the dense matrix's, and found once for an operator."""

import pytest
import torch

from nullsight.physics import Inpainting, ParallelBeamCT
from nullsight.physics.linearized import WhitenedWeighed
from nullsight.physics.weighed_spectra import of_normal_map, of_weighting
from nullsight.physics.weightings import Unweighed, WhereKnown


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_they_are_those_of_the_dense_matrices(dtype: torch.dtype) -> None:
    physics = ParallelBeamCT((1, 12, 12), 9).to(dtype)
    matrix, like = physics.to_matrix(), torch.zeros(0, dtype=dtype)
    eye = torch.eye(len(matrix), dtype=torch.float64).reshape(-1, *physics.measurement_shape)
    exact = ParallelBeamCT((1, 12, 12), 9).to(torch.float64)
    weights = exact.weigh(eye).flatten(1)
    for map_, found in (
        (matrix.T @ weights @ matrix, of_normal_map(physics, WhereKnown(), like)),
        (matrix.T @ matrix, of_normal_map(physics, Unweighed(), like)),
        (weights, of_weighting(physics, WhereKnown(), like)),
    ):
        values = torch.linalg.eigvalsh((map_ + map_.T) / 2)
        assert found.top.dtype == dtype
        assert 1.0 <= float(found.top) / float(values.max()) <= 1.0201
        assert float(found.mean) == pytest.approx(float(values.mean()), rel=0.35)  # one white image


def test_an_operator_finds_its_own_once_and_a_part_of_it_finds_others(monkeypatch: pytest.MonkeyPatch) -> None:
    physics, like = ParallelBeamCT((1, 12, 12), 8), torch.zeros(0)
    calls, project = [], physics.projector.project

    def counted(x: torch.Tensor) -> torch.Tensor:
        calls.append(x)
        return project(x)

    monkeypatch.setattr(physics.projector, "project", counted)
    first = of_normal_map(physics, WhereKnown(), like)
    before = len(calls)
    assert before > 0
    again = of_normal_map(physics, WhereKnown(), like)
    assert len(calls) == before
    assert torch.equal(again.top, first.top) and torch.equal(again.mean, first.mean)
    keep = torch.ones(physics.measurement_shape, dtype=torch.bool)
    keep[:, ::2] = False
    assert float(of_normal_map(physics.subset(keep), WhereKnown(), like).mean) != pytest.approx(float(first.mean))
    assert len(calls) > before


def test_there_is_one_for_each_sample_where_operators_differ() -> None:
    keep = torch.tensor([[[1, 1, 1], [1, 1, 1]], [[1, 0, 0], [0, 0, 0]]], dtype=torch.bool)[:, None]
    found = of_normal_map(Inpainting((1, 2, 3), keep), WhereKnown(), torch.zeros(0))
    assert found.top.shape == found.mean.shape == (2,)
    assert torch.allclose(found.top, torch.tensor([1.02, 1.02])) and float(found.mean[0]) == pytest.approx(1.0)


def test_a_whitened_operator_weighs_as_the_one_behind_it() -> None:
    physics, like = ParallelBeamCT((1, 12, 12), 8), torch.zeros(0)
    roots = torch.rand(3, *physics.measurement_shape, generator=torch.Generator().manual_seed(0))
    whitened = WhitenedWeighed(physics, roots)
    found, plain = of_weighting(whitened, WhereKnown(), like), of_weighting(physics, WhereKnown(), like)
    assert torch.equal(found.top, plain.top) and found.top.shape == (1,)
    normal = of_normal_map(whitened, WhereKnown(), like)
    for one, top in zip(roots, normal.top, strict=True):
        alone = of_normal_map(WhitenedWeighed(physics, one[None]), WhereKnown(), like)
        assert float(top) == pytest.approx(float(alone.top), rel=1e-5)
