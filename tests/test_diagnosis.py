"""What a diagnosis says of small problems: verdicts, reasons, thresholds, bounds, words and JSON."""

import json
import math

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.diagnosis.build import average
from nullsight.diagnosis.linearised import Linearised
from nullsight.groups.base import Family, FiniteGroup

G, P = ns.groups, ns.physics
FORCED = ns.diagnosis.Budget(dense_limit=0, closed_forms={}, suggestions=0, pictures=1)
LISTED = ns.diagnosis.Budget(closed_forms={}, suggestions=0, pictures=0)


def mask(*shape: int, seed: int = 3) -> Tensor:
    return P.bernoulli_mask(shape, 0.4, seed=seed)


ODD = torch.stack([mask(6, 8, seed=s) for s in range(3)])


@pytest.mark.parametrize(("views", "seen"), [(50, 50), (51, 102)])
def test_quarter_turns_give_fifty_views_nothing_and_fifty_one_twice_as_many(views: int, seen: int) -> None:
    from_views = ns.diagnose(P.ParallelBeamCT((1, 12, 12), views), G.QuarterTurns(), budget=LISTED).sight
    found = average(P.ParallelBeamCT((1, 12, 12), views), G.QuarterTurns(), ns.diagnosis.Budget())
    assert f"{seen} views" in found.notes[0]
    assert found.distinct == from_views.distinct == seen // views


def test_one_sample_and_all_shifts_see_everything_and_may_not_suffice() -> None:
    found = ns.diagnose(P.Inpainting((1, 12), torch.arange(12) == 0), G.Shifts((12,)))
    assert (found.rank_alone, found.rank_visible) == (1, 12)
    assert found.verdict is ns.diagnosis.Verdict.NOTHING and found.sight.overlap == 0
    assert "independently" in str(found)


def test_the_necessary_count_of_reflections() -> None:
    few = P.MatrixOperator((1, 12), P.gaussian_matrix(5, 12, seed=0))
    half = P.MatrixOperator((1, 12), P.gaussian_matrix(7, 12, seed=0))
    mirror = G.Reflections(("horizontal",))
    assert ns.diagnose(few, mirror).verdict is ns.diagnosis.Verdict.IMPOSSIBLE
    assert ns.diagnose(half, mirror).verdict is ns.diagnosis.Verdict.HOLDS
    assert ns.diagnose(half, mirror).rank_visible == 12


def test_a_periodic_mask_is_explained_and_a_broken_one_is_not_accused() -> None:
    periodic = P.periodic_mask((12, 9), (4, 3))
    found = ns.diagnose(P.Inpainting((1, 12, 9), periodic), G.Shifts((12, 9)))
    assert found.code == 4 and found.sight.distinct == 12
    text = str(found)
    assert "every 4 rows and every 3 columns" in text and "break the period" in text
    assert "identifiable" not in text
    broken = periodic.clone()
    broken[1, 1] = True
    assert ns.diagnose(P.Inpainting((1, 12, 9), broken), G.Shifts((12, 9))).code == 0


def test_an_operator_that_commutes_gains_nothing() -> None:
    for physics, group in [
        (P.Blur((1, 8, 8), P.box_kernel(4)), G.Shifts((8, 8))),
        (P.CartesianMRI((2, 8, 8), mask(8, 8)), G.Shifts((8, 8))),
        (P.ParallelBeamCT((1, 12, 12), 6), G.Dihedral(4)),
        (P.Inpainting((1, 8, 8), mask(8, 8)), G.Trivial()),
    ]:
        for budget in (ns.diagnosis.Budget(), LISTED, FORCED):
            found = ns.diagnose(physics, group, budget=budget)
            assert (found.verdict, found.code) == (ns.diagnosis.Verdict.NOTHING, 4), str(found)
            assert found.moved < 1e-3 and found.sight.distinct == 1
            assert found.why and found.sight.alone == found.sight.visible


def test_parts_and_wholes() -> None:
    quarter = P.CartesianMRI((2, 16, 16), P.cartesian_mask((16, 16), 4, 0.1, seed=0))
    found = ns.diagnose(quarter, G.Dihedral(4))
    assert (found.code, found.verdict) == (3, ns.diagnosis.Verdict.PARTLY)
    assert 0.25 == found.sight.alone < found.sight.visible < 1
    assert [c.group for c in found.candidates] and "spatial frequencies are never seen" in str(found)
    assert ns.diagnose(P.Inpainting((1, 8, 8), mask(8, 8)), G.Shifts((8, 8))).code == 0


def test_several_operators_see_more_than_one() -> None:
    one = P.Inpainting((1, 6, 8), ODD[:1, None])
    three = P.Inpainting((1, 6, 8), ODD[:, None])
    group = G.Reflections(("horizontal",))
    single, several = ns.diagnose(one, group), ns.diagnose(three, group)
    assert several.operators == 3 and several.sight.alone > single.sight.alone
    assert several.sight.distinct == 6
    assert several.rank_alone == int(ODD.any(0).sum())


def test_a_nonlinear_operator_is_taken_by_its_jacobian() -> None:
    class Bend:
        def A(self, x: Tensor) -> Tensor:
            return (x + 0.1 * x**2)[..., ::2]

        def A_dagger(self, y: Tensor) -> Tensor:
            return y.repeat_interleave(2, -1)

    physics = P.Foreign(Bend(), (1, 8), (1, 4), dagger_error=1.0)
    at = torch.linspace(0, 1, 8)[None]
    near = Linearised(physics, at.double())
    expected = torch.diag(1 + 0.2 * at[0].double())[::2]
    torch.testing.assert_close(near.to_matrix(), expected)
    y = torch.rand(3, 1, 4, dtype=torch.float64)
    torch.testing.assert_close(near.A_adjoint(y).flatten(1), y[:, 0] @ expected)
    found = ns.diagnose(physics, G.Shifts((8,)), at=at)
    assert found.rank_alone == 4 and found.physics == "Foreign"


def test_pictures_are_invisible() -> None:
    physics = P.CartesianMRI((2, 16, 16), P.cartesian_mask((16, 16), 4, 0.1, seed=0)).double()
    group = G.Dihedral(4)
    found = ns.diagnose(physics, group)
    assert found.invisible.shape == (4, 2, 16, 16)
    seen = [physics.A(group.act(torch.full((4,), g), found.invisible)) for g in group.elements()]
    assert max(float(y.norm(dim=0).max()) for y in seen) < 1e-2
    assert len(ns.diagnose(P.Inpainting((1, 8, 8), mask(8, 8)), G.Shifts((8, 8))).invisible) == 0


def test_thresholds_rise_with_noise_and_with_the_error_of_the_transformations() -> None:
    physics = P.Blur((1, 8, 8), P.gaussian_kernel(1.0, reach=2))
    plain = ns.diagnose(physics, G.Shifts((8, 8)))
    noisy = ns.diagnose(physics, G.Shifts((8, 8)), noise=ns.noise.Gaussian(0.1), contrast=0.5)
    assert plain.threshold.value == pytest.approx(1e-4)
    assert noisy.threshold.value == pytest.approx(0.04, rel=1e-3) and "noise of 0.1" in noisy.threshold.reason
    assert noisy.sight.alone < plain.sight.alone
    fine = ns.diagnose(P.Inpainting((1, 12, 12), mask(12, 12)), G.Rotations(3))
    assert fine.threshold.value == pytest.approx(G.Rotations(3).action_error ** 2)


GROUPS = [
    (G.Shifts((6, 4), (2, 1)), (1, 6, 4)),  # 3 x 4 shifts are one cycle of 12
    (G.Shifts((6, 4), (3, 2)), (1, 6, 4)),
    (G.Reflections(), (1, 5, 6)),
    (G.Reflections(("vertical",)), (1, 5, 6)),
    (G.QuarterTurns(), (1, 5, 5)),
    (G.Dihedral(4), (1, 6, 6)),
    (G.Trivial(), (1, 7)),
]


def spanned(group: FiniteGroup, g: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the order r of an element, and the most frequent of the r-th roots of 1 among T_g's eigenvalues."""
    pixels = int(torch.Size(shape).numel())
    identity = torch.eye(pixels, dtype=torch.float64).reshape(-1, *shape)
    dense = group.act(torch.full((pixels,), g), identity).flatten(1).T
    order = next(r for r in range(1, group.order + 1) if torch.equal(dense.matrix_power(r), identity.flatten(1)))
    roots = (torch.linalg.eigvals(dense).angle() * order / (2 * torch.pi)).round().long() % order
    return order, int(torch.bincount(roots).max())


@pytest.mark.parametrize("group", [G.Shifts((6, 6), 3), G.RotationsWithin(180, 3)], ids=["finite", "not finite"])
def test_there_is_something_to_do_for_any_operator_and_family(group: Family) -> None:
    found = ns.diagnose(P.MatrixOperator((1, 6, 6), P.gaussian_matrix(2, 36, seed=0)), group, budget=LISTED)
    assert found.code != 0 and "another operator for each sample" in found.advice[0]
    whole = ns.diagnose(P.MatrixOperator((1, 6, 6), P.gaussian_matrix(36, 36, seed=0)), group, budget=LISTED)
    assert whole.advice == ()


def test_bounds_by_the_exact_turns_of_interpolated_ones() -> None:
    quarter, fine = (ns.diagnosis.bounds(group, (1, 8, 8), dimension=2) for group in (G.QuarterTurns(), G.Rotations(8)))
    assert quarter is not None and fine is not None
    assert (fine.sufficient, fine.cyclic, fine.exact) == (quarter.sufficient, 4, False)
    found = ns.diagnose(P.ParallelBeamCT((1, 8, 8), 5), G.Rotations(8), dimension=2)
    assert f"m >= {fine.sufficient} is enough" in str(found) and "by the subgroup of order 4" in str(found)


def test_bounds_per_representation() -> None:
    for group, shape in GROUPS:
        found = ns.diagnosis.bounds(group, shape, dimension=2)
        assert found is not None
        every = [spanned(group, g, shape) for g in group.elements()]
        multiplicity = min(one[1] for one in every)
        assert found.sufficient == min(2 * 2 + multiplicity + 2, math.prod(shape))
        assert found.cyclic in {one[0] for one in every if one[1] == multiplicity}
        assert found.cyclic != group.order or multiplicity == max(i.multiplicity for i in found.irreps)
        pixels = int(torch.Size(shape).numel())
        enough = [
            ns.diagnose(P.MatrixOperator(shape, P.gaussian_matrix(m, pixels, seed=1)), group).rank_visible == pixels
            for m in (found.necessary - 1, found.necessary)
            if m
        ]
        assert enough[-1] and not all(enough[:-1]), f"{group}: {found}"


def test_bounds_of_several_operators() -> None:
    found = ns.diagnosis.bounds(G.Trivial(), (1, 14), dimension=2, operators=3)
    assert found is not None and (found.necessary, found.sufficient) == (5, 7)
    for rows, enough in ((4, False), (5, True)):
        each = [P.MatrixOperator((1, 14), P.gaussian_matrix(rows, 14, seed=s)) for s in range(3)]
        several = ns.diagnose(P.Several(each, torch.arange(3)), G.Trivial(), dimension=2)
        assert (several.rank_alone == 14) == enough
        assert several.sight.own == 3 and several.bounds == found
    assert ns.diagnosis.bounds(G.Shifts((14,)), (1, 14), dimension=2, operators=3) is None


def test_json_and_text() -> None:
    found = ns.diagnose(P.ParallelBeamCT((1, 12, 12), 7), G.QuarterTurns(), dimension=3)
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert read["verdict"] == found.verdict.words and read["code"] == found.code
    assert read["sight"]["visible"] == found.sight.visible
    assert "invisible" not in read and "14 views" in str(found)
    assert all(one.alone <= 1 and one.visible <= 1 for one in found.curve)


def test_what_cannot_be_diagnosed_is_refused() -> None:
    physics = P.Inpainting((1, 8, 8), mask(8, 8))
    with pytest.raises(ns.InputError, match="contrast"):
        ns.diagnose(physics, G.Shifts((8, 8)), contrast=0.0)
    with pytest.raises(ns.InputError, match="images of"):
        ns.diagnose(physics, G.Shifts((9, 9)))
    with pytest.raises(ns.InputError, match="steps"):
        ns.diagnosis.Budget(steps=0)
