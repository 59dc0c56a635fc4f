"""The three parts of an image against dense projectors, with and without a matrix."""

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.diagnosis.linearised import Linearised
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.linalg import function_of_map
from nullsight.physics.base import LinearPhysics
from nullsight.physics.ensembles import blobs
from nullsight.trust import Parts, measured_part, three_parts
from tests.cases.physics import PHYSICS, Case
from tests.test_diagnosis_spectra import dense_mean, groups_for

P, G = ns.physics, ns.groups
ONE_BY_ONE = ns.diagnosis.Budget(dense_limit=1024, closed_forms={})  # turns are those of images, as in dense_mean
NEAR = 0.02  # eigenvalues so near to the threshold, relative to it, may count as either


def drawn(shape: tuple[int, ...], count: int) -> Tensor:
    draws = Draws(0, 0, tuple(range(count)))
    return draws.of("white").normal(shape) + blobs(shape, draws.of("blobs"))


def check_measured(found: Parts, x: Tensor, physics: LinearPhysics) -> None:
    """Nothing of the null space, all of A x."""
    torch.testing.assert_close(found.measured + found.unlearnable + found.learnable, x, rtol=1e-12, atol=1e-12)
    dense = physics.to_matrix()
    for row, A in enumerate(dense if dense.ndim == 3 else dense.expand(len(x), *dense.shape)):
        values, vectors = torch.linalg.eigh(A.T @ A)
        null = vectors[:, values <= 1e-14 * values[-1]]
        seen, whole = found.measured[row].flatten(), x[row].flatten()
        assert float((null.T @ seen).norm()) <= 1e-5 * float(whole.norm())
        assert float((A @ (seen - whole)).norm()) <= 1e-4 * float((A @ whole).norm())


def check_rest(found: Parts, x: Tensor, physics: LinearPhysics, group: Family) -> None:
    """Split by the eigenvectors of the dense N; masks compute in single precision."""
    values, vectors = torch.linalg.eigh(dense_mean(physics, group))
    edge = found.threshold.value * values[-1]
    low, high = vectors[:, values < (1 - NEAR) * edge], vectors[:, values > (1 + NEAR) * edge]
    scale = float(x.norm())
    assert float((found.unlearnable.flatten(1) @ high).norm()) <= 1e-4 * scale
    assert float((found.learnable.flatten(1) @ low).norm()) <= 1e-4 * scale


def check_orthogonal(found: Parts, x: Tensor) -> None:
    energies = [float(one.square().sum()) for one in (found.measured, found.learnable, found.unlearnable)]
    assert sum(energies) == pytest.approx(float(x.square().sum()), rel=1e-6)


LINEAR = [case for case in PHYSICS if isinstance(case.build(), LinearPhysics)]
NONLINEAR = [case for case in PHYSICS if case not in LINEAR]


@pytest.mark.parametrize("case", LINEAR, ids=lambda case: case.name)
def test_the_parts_are_those_of_the_dense_projectors(case: Case) -> None:
    physics = case.build().double()
    x = drawn(physics.image_shape, physics.samples or 2)
    groups = groups_for(physics.image_shape)
    for group in (groups[-1],) if "on the fly" in case.name else (groups[0], groups[-1]):
        found = three_parts(x, physics, group, budget=ONE_BY_ONE)
        check_measured(found, x, physics)
        check_rest(found, x, physics, group)
        check_orthogonal(found, x)


@pytest.mark.parametrize("case", NONLINEAR, ids=lambda case: case.name)
def test_the_parts_of_nonlinear_measurements_are_those_near_each_image(case: Case) -> None:
    physics = case.build().double()
    x = drawn(physics.image_shape, physics.samples or 2)
    group = groups_for(physics.image_shape)[-1]
    found = three_parts(x, physics, group, budget=ONE_BY_ONE)
    check_orthogonal(found, x)
    for row in range(len(x)):
        one, near = x[row : row + 1], Linearised(physics.take([row]), x[row])
        alone = three_parts(one, physics.take([row]), group, budget=ONE_BY_ONE)
        check_measured(alone, one, near)
        check_rest(alone, one, near, group)
        torch.testing.assert_close(found.unlearnable[row], alone.unlearnable[0])


MATRIX_FREE = {
    "mask, reflections": (lambda: P.Inpainting((1, 6, 5), P.bernoulli_mask((6, 5), 0.5, seed=0)), G.Reflections()),
    "masks, turns": (
        lambda: P.Inpainting((1, 6, 6), torch.stack([P.bernoulli_mask((1, 6, 6), 0.3, seed=s) for s in range(3)])),
        G.QuarterTurns(),
    ),
    "k-space, dihedral": (lambda: P.CartesianMRI((2, 6, 6), P.bernoulli_mask((6, 6), 0.3, seed=1)), G.Dihedral(4)),
    "ct, rotations": (lambda: P.ParallelBeamCT((1, 10, 10), 4), G.Rotations(5)),
    "matrix, shifts": (lambda: P.MatrixOperator((1, 4, 6), P.gaussian_matrix(5, 24, seed=0)), G.Shifts((4, 6), (2, 3))),
}


@pytest.mark.parametrize("name", MATRIX_FREE)
def test_without_a_matrix_the_parts_are_the_same(name: str) -> None:
    build, group = MATRIX_FREE[name]
    physics = build().double()
    x = drawn(physics.image_shape, physics.samples or 2)
    free = ns.diagnosis.Budget(dense_limit=0, steps=x[0].numel(), closed_forms={})
    found, dense = (three_parts(x, physics, group, budget=one) for one in (free, ONE_BY_ONE))
    assert found.width > 0 and dense.width == 0
    assert found.threshold.value == pytest.approx(dense.threshold.value)
    check_rest(found, x, physics, group)
    torch.testing.assert_close(found.measured + found.learnable + found.unlearnable, x)
    # conjugate gradients do not reach the weakest directions that a matrix of A shows
    torch.testing.assert_close(physics.A(found.measured), physics.A(dense.measured), atol=1e-2, rtol=1e-3)


def test_few_steps_still_make_orthogonal_parts_that_add_up() -> None:
    physics, group = P.ParallelBeamCT((1, 12, 12), 5), G.Rotations(360)
    x = drawn((1, 12, 12), 2).float()
    found = three_parts(x, physics, group, budget=ns.diagnosis.Budget(dense_limit=0, steps=12, elements=16))
    torch.testing.assert_close(found.measured + found.learnable + found.unlearnable, x)
    parts = [found.measured, found.learnable, found.unlearnable]
    energies = torch.stack([one.flatten(1).square().sum(1) for one in parts], 1)
    torch.testing.assert_close(energies.sum(1), x.flatten(1).square().sum(1), rtol=1e-2, atol=0)
    torch.testing.assert_close(found.shares.sum(1), torch.ones(2, dtype=torch.float64))
    assert bool((found.shares[:, :2] > 0.2).all())


def test_noise_and_interpolation_raise_the_threshold_and_no_group_makes_nothing_learnable() -> None:
    physics = P.Blur((1, 9, 9), P.gaussian_kernel(1.0))
    x = drawn((1, 9, 9), 2)
    assert float(three_parts(x, physics, noise=ns.noise.Gaussian(1e-6)).shares[:, 2].max()) < 1e-3
    noisy = three_parts(x, physics, noise=ns.noise.Gaussian(0.3))
    assert "noise" in noisy.threshold.reason and noisy.threshold.value > 1e-4
    mask = P.Inpainting((1, 9, 9), P.bernoulli_mask((9, 9), 0.5, seed=0))
    alone = three_parts(x, mask)
    assert float(alone.learnable.abs().max()) < 1e-12
    assert "interpolated" in three_parts(x, mask, G.Rotations(360)).threshold.reason


def test_what_does_not_fit_is_refused() -> None:
    mask = P.Inpainting((1, 5, 5), torch.eye(5))
    with pytest.raises(ns.InputError, match="are linear"):
        three_parts(torch.ones(1, 1, 5, 5), mask, G.ColourInversion())
    with pytest.raises(ns.InputError, match="images of shape"):
        three_parts(torch.ones(1, 1, 5, 6), mask)


def test_the_measured_part_of_nonlinear_operators_is_that_of_their_jacobian() -> None:
    physics = P.Transmission(P.ParallelBeamCT((1, 6, 6), 4), 1e4, 0.05).double()
    at, x = blobs((1, 6, 6), Draws(0, 0, (0, 1)).of("at")), drawn((1, 6, 6), 2)
    found = measured_part(x, physics, at)
    for row in range(2):
        J = Linearised(physics, at[row]).to_matrix()
        expected = torch.linalg.pinv(J, rtol=1e-8) @ J @ x[row].flatten()
        torch.testing.assert_close(found[row].flatten(), expected, atol=1e-4, rtol=1e-3)


def test_functions_of_maps_are_those_of_their_matrices() -> None:
    draws = Draws(0, 0, (0, 1, 2))
    root, x = draws.of("matrix").normal((7, 7))[0], draws.of("vectors").normal((7,))
    M = root @ root.T
    values, vectors = torch.linalg.eigh(M)
    found = function_of_map(lambda v: v @ M, torch.sqrt, x, steps=7)
    torch.testing.assert_close(found, x @ vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T)
    assert float(function_of_map(lambda v: v @ M, torch.exp, 0 * x, steps=3).abs().max()) == 0
