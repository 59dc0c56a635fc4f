"""The spectra of a diagnosis: closed forms, blocks and estimates against dense matrices."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.diagnosis import closed_tomography
from nullsight.diagnosis.build import average, matrix, spectrum
from nullsight.diagnosis.spectrum import Spectrum, of_matrix
from nullsight.groups.base import Family, FiniteGroup
from nullsight.physics.base import LinearPhysics
from tests.cases.physics import PHYSICS, Case

FORCED = ns.diagnosis.Budget(dense_limit=0, closed_forms={})
LISTED = ns.diagnosis.Budget(closed_forms={}, suggestions=0, pictures=0)
THRESHOLDS = (1e-1, 1e-2, 1e-3)


def in_double(physics: ns.physics.Physics) -> LinearPhysics:
    return ns.diagnosis.linearised(physics, None).double()


def gram(physics: LinearPhysics) -> Tensor:
    """Return the mean of A^T A over all samples."""
    dense = physics.to_matrix()
    each = dense if dense.ndim == 3 else dense[None]
    return (each.mT @ each).mean(0)


def turned(family: Family, g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the matrix of T_g."""
    eye = torch.eye(int(torch.Size(shape).numel()), dtype=torch.float64).reshape(-1, *shape)
    return family.act(g.expand(len(eye), *g.shape[1:]), eye).flatten(1).T


def dense_mean(physics: LinearPhysics, family: Family) -> Tensor:
    """Return the mean of T_g^T A^T A T_g, from matrices of all of them."""
    if isinstance(family, ns.groups.Mixture):
        weights = torch.tensor(family.weights or (1.0,) * len(family.families), dtype=torch.float64)
        each = torch.stack([dense_mean(physics, one) for one in family.families])
        return torch.einsum("k,kab->ab", weights / weights.sum(), each)
    assert isinstance(family, FiniteGroup)
    M = gram(physics)
    total = torch.zeros_like(M)
    for g in family.elements():
        T = turned(family, torch.tensor([g]), physics.image_shape)
        total += T.T @ M @ T
    return total / family.order


def groups_for(shape: tuple[int, ...]) -> list[Family]:
    space = shape[1:]
    if len(space) == 1:
        return [ns.groups.Shifts(space), ns.groups.Reflections(("horizontal",))]
    mirror = ns.groups.Reflections(("horizontal",))
    found: list[Family] = [ns.groups.Shifts(space), ns.groups.Reflections(), ns.groups.Mixture([mirror], [2.0])]
    if space[0] == space[1]:
        found += [ns.groups.Dihedral(4), ns.groups.Rotations(5), ns.groups.Mixture([ns.groups.Rotations(3), mirror])]
    return found


def shares(of: Spectrum) -> Tensor:
    return torch.tensor([of.share(t) for t in THRESHOLDS])


def unclear(of: Spectrum) -> Tensor:
    """Return the share of eigenvalues that single precision may put on either side of each threshold."""
    return torch.tensor([of.share(t * 0.999) - of.share(t * 1.001) for t in THRESHOLDS])


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_without_a_matrix_and_without_closed_forms_all_shares_are_within_one_percent(case: Case) -> None:
    physics = ns.diagnosis.linearised(case.build(), None)
    exact = in_double(case.build())
    slow = "on the fly" in case.name
    for group in groups_for(physics.image_shape)[-1 if slow else 0 :]:
        dense = of_matrix(dense_mean(exact, group))
        with torch.no_grad():
            found = spectrum(average(physics, group, FORCED), FORCED)
        apart = (shares(found) - shares(dense)).abs()
        assert bool((apart <= 0.01 + unclear(dense)).all()), f"{group}: {shares(found)} {shares(dense)}"
        assert float(found.counts.sum()) == pytest.approx(dense.counts.sum())


def mask(*shape: int, seed: int = 3) -> Tensor:
    return ns.physics.bernoulli_mask(shape, 0.4, seed=seed)


G = ns.groups
P = ns.physics
KERNEL = torch.tensor([[0.0, 0.3, 0.1], [0.2, 1.0, 0.0]])
LOW = torch.fft.irfft(torch.tensor([1.0, 1, 0, 0, 0, 0, 0]), 12).roll(6)  # the three lowest of 12 frequencies
ODD = torch.stack([mask(6, 8, seed=s) for s in range(3)])
COMB = ns.physics.periodic_mask((6, 8), (2, 4))
HALF = G.Rotations(2)
CLOSED: dict[str, tuple[Callable[[], LinearPhysics], Family]] = {
    "mask": (lambda: P.Inpainting((2, 6, 8), mask(2, 6, 8)), G.Trivial()),
    "mask, shifts": (lambda: P.Inpainting((2, 6, 8), mask(2, 6, 8)), G.Shifts((6, 8))),
    "mask, steps": (lambda: P.Inpainting((1, 6, 8), mask(6, 8)), G.Shifts((6, 8), (3, 4))),
    "mask, reflections": (lambda: P.Inpainting((1, 6, 8), mask(6, 8)), G.Reflections()),
    "mask, dihedral": (lambda: P.Inpainting((1, 7, 7), mask(7, 7)), G.Dihedral(4)),
    "mask, quarters": (lambda: P.Inpainting((1, 6, 6), mask(6, 6)), G.QuarterTurns()),
    "masks, turns": (lambda: P.Inpainting((1, 6, 8), ODD[:, None]), G.Rotations(2)),
    "turned masks": (lambda: P.Inpainting((1, 6, 8), torch.stack([ODD[0], ODD[0].flip(0, 1), ODD[1]])[:, None]), HALF),
    "shifted masks": (
        lambda: P.Inpainting((1, 6, 8), torch.stack([ODD[0], ODD[0].roll((2, 4), (0, 1)), COMB])[:, None]),
        G.Shifts((6, 8), 2),
    ),
    "k-space": (lambda: P.CartesianMRI((2, 6, 8), mask(6, 8)), G.Trivial()),
    "k-space, shifts": (lambda: P.CartesianMRI((2, 6, 8), mask(6, 8)), G.Shifts((6, 8))),
    "k-space, reflections": (lambda: P.CartesianMRI((2, 6, 7), mask(6, 7)), G.Reflections()),
    "k-space, dihedral": (lambda: P.CartesianMRI((2, 6, 6), mask(6, 6)), G.Dihedral(4)),
    "k-space, odd, quarters": (lambda: P.CartesianMRI((2, 7, 7), mask(7, 7)), G.QuarterTurns()),
    "k-spaces": (lambda: P.CartesianMRI((2, 6, 8), ODD), G.Reflections(("vertical",))),
    "one k-space twice": (lambda: P.CartesianMRI((2, 6, 8), ODD[[0, 1, 0]]), G.Shifts((6, 8), (3, 4))),
    "blur": (lambda: P.Blur((2, 6, 8), KERNEL), G.Trivial()),
    "blur, shifts": (lambda: P.Blur((2, 6, 8), KERNEL), G.Shifts((6, 8), 2)),
    "blur, dihedral": (lambda: P.Blur((1, 7, 7), KERNEL), G.Dihedral(4)),
    "blur, signals": (lambda: P.Blur((2, 9), KERNEL), G.Reflections(("horizontal",))),
    "blurs": (lambda: P.Blur((1, 6, 6), torch.stack([KERNEL, KERNEL.flip(1)])[:, None]), G.QuarterTurns()),
    "samples": (lambda: P.Downsampling((2, 6, 8), 2, KERNEL), G.Trivial()),
    "samples, shifts": (lambda: P.Downsampling((2, 6, 8), 2, KERNEL), G.Shifts((6, 8))),
    "samples, steps": (lambda: P.Downsampling((1, 12, 8), 4, KERNEL), G.Shifts((12, 8), (6, 1))),
    "samples by kernels": (
        lambda: P.Downsampling((2, 6, 8), 2, torch.stack([KERNEL, KERNEL.flip(1), 2 * KERNEL])[:, None]),
        G.Shifts((6, 8), (2, 1)),
    ),
    "samples of signals": (lambda: P.Downsampling((2, 12), 3, KERNEL), G.Shifts((12,))),
    "low frequencies sampled": (lambda: P.Downsampling((1, 12), 3, LOW), G.Shifts((12,))),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_are_the_dense_mean(name: str) -> None:
    build, group = CLOSED[name]
    physics = build().double()
    found = average(physics, group, ns.diagnosis.Budget())
    assert found.how.startswith("closed form") and found.spectrum is not None
    dense = dense_mean(physics, group)
    torch.testing.assert_close(matrix(found), dense, atol=1e-6, rtol=0)
    values = found.spectrum.values.repeat_interleave(found.spectrum.counts.long())
    torch.testing.assert_close(values.sort().values, torch.linalg.eigvalsh(dense), atol=1e-6, rtol=0)
    assert isinstance(group, FiniteGroup)
    kept: list[Tensor] = []
    A = physics.to_matrix()
    for one in A if A.ndim == 3 else A[None]:
        for g in group.elements():
            moved = one @ turned(group, torch.tensor([g]), physics.image_shape)
            if all(float((moved.T @ moved - other).abs().max()) > 1e-6 for other in kept):
                kept.append(moved.T @ moved)
    # of several kernels that are sampled the phases count, which the closed form does not look at
    assert found.distinct in (len(kept), None), "different operators are counted once"
    assert (found.distinct is None) == (name == "samples by kernels")
    for budget in (ns.diagnosis.Budget(suggestions=0, pictures=0), LISTED):
        tried = ns.diagnosis.diagnose(physics, group, budget=budget)
        assert tried.sight.distinct == len(kept), "also where they are found by trying"


def test_blocks_from_noise_are_those_of_all_rows_within_their_stated_error() -> None:
    blurred = P.gaussian_matrix(60, 144, seed=2) @ P.Blur((1, 12, 12), P.gaussian_kernel(0.8)).to_matrix().float()
    physics, group = P.MatrixOperator((1, 12, 12), blurred), G.Shifts((12, 12), (1, 2))
    exact, rough = (average(physics, group, ns.diagnosis.Budget(rows=rows)).spectrum for rows in (2**26, 0))
    assert exact is not None and rough is not None
    assert exact.error == 0 < rough.error < 0.2
    for threshold in (1e-1, 1e-2, 1e-3):
        assert abs(exact.share(threshold) - rough.share(threshold)) <= 2 * rough.error + 1 / 144, threshold
    assert 0.1 < exact.share(1e-2) < 0.9


def test_a_smaller_grid_sees_the_same_share(monkeypatch: pytest.MonkeyPatch) -> None:
    physics, group = P.ParallelBeamCT((1, 24, 24), 8).double(), G.Rotations(24)
    whole = average(physics, group, ns.diagnosis.Budget())
    monkeypatch.setattr(closed_tomography, "_LARGEST", 1800)
    smaller = average(physics, group, ns.diagnosis.Budget())
    assert "12 x 12 pixels and 12 views in place of 24 x 24 and 24" in smaller.how
    one, other = (spectrum(found, ns.diagnosis.Budget()) for found in (whole, smaller))
    assert float((shares(one) - shares(other)).abs().max()) < 0.05, f"{shares(one)} {shares(other)}"


def test_subsets_of_views_are_averaged_over() -> None:
    kept = torch.stack([P.bernoulli_mask((1, 6, 1), 0.6, seed=s) for s in range(3)]).expand(3, 1, 6, 13)
    physics = P.ParallelBeamCT((1, 9, 9), 6, keep=kept).double()
    found = average(physics, G.Trivial(), ns.diagnosis.Budget())
    torch.testing.assert_close(matrix(found), gram(physics), atol=1e-6, rtol=1e-6)
    turns = average(physics, G.QuarterTurns(), ns.diagnosis.Budget())
    torch.testing.assert_close(matrix(turns), dense_mean(physics, G.QuarterTurns()), atol=1e-6, rtol=1e-6)


VIEWS = {
    "even, quarters": (lambda: P.ParallelBeamCT((1, 10, 10), 4), G.QuarterTurns(), 4),
    "odd, quarters": (lambda: P.ParallelBeamCT((1, 10, 10), 5), G.QuarterTurns(), 10),
    "reflections": (lambda: P.ParallelBeamCT((1, 9, 12), [0.0, 20.0, 70.0, 135.0]), G.Reflections(), 7),
    "fine": (lambda: P.ParallelBeamCT((1, 9, 9), 3), G.Rotations(24), 12),
    "dihedral": (lambda: P.ParallelBeamCT((1, 9, 9), [3.0, 50.0]), G.Dihedral(4), 8),
    "off centre": (lambda: P.ParallelBeamCT((1, 9, 9), [3.0, 50.0], offset=0.3), G.Rotations(2), 4),
}


@pytest.mark.parametrize("name", VIEWS)
def test_turned_views_are_those_of_the_operators_that_turn_their_angles(name: str) -> None:
    build, group, count = VIEWS[name]
    physics = build().double()
    found = average(physics, group, ns.diagnosis.Budget())
    total = torch.zeros_like(gram(physics))
    for g in group.elements():
        if isinstance(group, ns.groups.Rotations):
            total += gram(physics.turned(float(group.degrees(torch.tensor([g])))))
        else:  # quarters and reflections move pixels alone
            T = turned(group, torch.tensor([g]), physics.image_shape)
            total += T.T @ gram(physics) @ T
    torch.testing.assert_close(matrix(found), total / group.order, atol=1e-6, rtol=1e-6)
    assert f"{count} views" in found.notes[0]
