"""Operators behind a transformation, side by side, and of other libraries."""

import pytest
import torch

from nullsight import physics as p
from nullsight.groups import Dihedral, Rotations
from nullsight.physics.base import measured_dagger_error
from nullsight.physics.several import several
from nullsight.types import InputError
from tests.cases.physics import DenseForeign, Stretch, Turns


def mask() -> torch.Tensor:
    return p.bernoulli_mask((4, 4), 0.5, seed=0)


def test_transformed_measures_the_transformed_image() -> None:
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    g = torch.tensor([0, 1, 2])
    physics = p.Transformed(p.Inpainting((1, 4, 4), mask()), Turns(), g)
    turned = torch.stack([torch.rot90(one, int(k), (-2, -1)) for k, one in zip(g, x, strict=True)])
    assert torch.equal(physics.A(x), turned * mask())
    assert physics.samples == 3
    assert torch.equal(physics.take([1]).A(x[:1]), torch.rot90(x[:1], 1, (-2, -1)) * mask())
    assert physics.dagger_error == 0


def test_transformed_without_inverse_measures_its_own_error() -> None:
    physics = p.Transformed(p.Hadamard((1, 4, 4), 9), Stretch(), torch.tensor([0.5]))
    assert measured_dagger_error(physics, seed=0) == pytest.approx(1.25)  # 1.5 x 1.5 instead of 1
    assert physics.dagger_error == pytest.approx(1.5)  # with 20 % to spare


def test_transformations_that_are_not_linear_are_refused() -> None:
    class Square(Turns):
        linear = False

    with pytest.raises(InputError, match="linear, but those of Square are not"):
        p.Transformed(p.Hadamard((1, 4, 4), 9), Square(), torch.tensor([1]))


def test_behind_is_the_closed_form_where_both_know_it() -> None:
    ct, g = p.ParallelBeamCT((1, 8, 8), 4), torch.tensor([90])
    assert p.composed.behind(ct, Rotations(360), g) is ct.turned(90.0)
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    other = p.composed.behind(p.Inpainting((1, 4, 4), mask()), Rotations(4), torch.tensor([1]))
    assert torch.equal(other.A(x[..., :4, :4]), torch.rot90(x[..., :4, :4], 1, (-2, -1)) * mask())
    mirrored = p.composed.behind(ct, Dihedral(4), torch.tensor([4]))
    assert isinstance(mirrored, p.Transformed)
    assert torch.equal(mirrored.A(x), ct.A(Dihedral(4).act(torch.tensor([4, 4]), x)))


def test_several_measure_each_row_by_its_own_operator() -> None:
    seen = p.Inpainting((1, 4, 4), mask())
    whole = p.MatrixOperator((1, 4, 4), torch.eye(16)).double()
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    parts = [seen, p.Inpainting((1, 4, 4), torch.ones(4, 4))]
    mixed = several(parts, torch.tensor([1, 0, 1]))
    y = mixed.A(x)
    assert torch.equal(y[0], x[0]) and torch.equal(y[1], x[1] * mask()) and torch.equal(y[2], x[2])
    assert mixed.measured is not None and torch.equal(mixed.measured[1, 0], mask().bool())
    assert torch.equal(mixed.take([2, 1]).A(x[:2]), torch.stack([x[0], x[1] * mask()]))
    assert several(parts, torch.tensor([1, 1])) is parts[1]
    keep = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    for chosen in (keep, keep[0]):
        part = mixed.subset(chosen)
        assert torch.equal(part.A(x), y * chosen)
        assert torch.equal(part.A_dagger(part.A(x)), y * chosen)  # as each of them inverts, not by iterations
    alone = p.Several(parts, torch.tensor([1])).subset(keep)  # one that serves any batch, each row with its own entries
    assert torch.equal(alone.A(x), x * keep)
    with pytest.raises(InputError, match="one measurement shape"):
        p.Several([seen, whole], torch.tensor([0]))
    with pytest.raises(InputError, match="each for any batch"):
        p.Several([p.Inpainting((1, 4, 4), torch.stack([mask(), mask()])[:, None])], torch.tensor([0]))
    with pytest.raises(InputError, match="number of one of 2"):
        p.Several(parts, torch.tensor([2]))


def test_stacked_measures_one_after_the_other_and_inverts_jointly() -> None:
    parts = [p.Inpainting((1, 4, 4), mask()), p.Hadamard((1, 4, 4), 5)]
    physics = p.Stacked(parts)
    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    y = physics.A(x)
    assert torch.equal(y, torch.cat([one.A(x).flatten(1) for one in parts], 1))
    assert torch.allclose(
        physics.A_dagger(y).flatten(1), y @ torch.linalg.pinv(physics.to_matrix()).float().T, atol=1e-5
    )
    measured = physics.measured
    assert measured is not None
    assert torch.equal(measured[0], torch.cat([mask().flatten(), torch.ones(5, dtype=torch.bool)]))
    assert p.Stacked([p.Hadamard((1, 4, 4), 5)]).measured is None


def test_stacked_refuses_several_grids_and_nothing() -> None:
    with pytest.raises(InputError, match="one image shape"):
        p.Stacked([p.Hadamard((1, 4, 4), 5), p.Hadamard((1, 4, 8), 5)])
    with pytest.raises(InputError, match="one image shape"):
        p.Stacked([])


def test_masking_twice_keeps_what_both_keep() -> None:
    whole = p.MatrixOperator((1, 4), p.gaussian_matrix(6, 4, seed=0))
    one, two = torch.tensor([1, 1, 1, 0, 0, 1]).bool(), torch.tensor([1, 0, 1, 1, 0, 1]).bool()
    twice = whole.subset(one).subset(two)
    assert isinstance(twice, p.Masked)
    assert twice.whole is whole
    assert torch.equal(twice.keep[0], one & two)


def test_a_foreign_module_moves_with_its_wrapper() -> None:
    physics = p.ForeignLinear(DenseForeign(), (2, 4, 4), (10,)).double()
    assert physics.A(torch.ones(1, 2, 4, 4, dtype=torch.float64)).dtype == torch.float64


def test_a_foreign_operator_states_what_it_is_told_or_what_is_measured() -> None:
    class Half:
        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x

        def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
            return y

        def A_dagger(self, y: torch.Tensor) -> torch.Tensor:
            return y / 2

    assert p.ForeignLinear(Half(), (1, 4), (1, 4)).dagger_error == pytest.approx(0.6)
    assert p.ForeignLinear(Half(), (1, 4), (1, 4), dagger_error=0.7).dagger_error == 0.7
