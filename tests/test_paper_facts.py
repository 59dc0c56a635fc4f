"""What "Equivariant Imaging" (Chen, Tachella, Davies, ICCV 2021) states, as facts about small dense problems.

Sections 2 and 3 of the paper, and its sequel on what can be learned at all: Tachella, Chen, Davies, "Sensing theorems
for unsupervised learning in linear inverse problems", JMLR 2023.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import nullsight as ns

N = 12  # samples of a signal
MASK = torch.tensor([1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0])


def signals(count: int, shape: tuple[int, ...] = (1, N), seed: int = 0) -> Tensor:
    return ns.Draws(seed, 0, tuple(range(count))).of("signals").normal(shape)


def rank(matrix: Tensor) -> int:
    values = torch.linalg.svdvals(matrix)
    return int((values > 1e-8 * values.max()).sum())


def seen_with(physics: ns.physics.LinearPhysics, group: ns.groups.FiniteGroup) -> int:
    """Return the rank of A T_g over all g, one below the other: how much of an image all virtual operators see."""
    each = [ns.physics.Transformed(physics, group, torch.tensor([g])) for g in group.elements()]
    return rank(ns.physics.Stacked(each).to_matrix())


def consistency(physics: ns.physics.Physics, y: Tensor, f: Callable[[Tensor], Tensor]) -> float:
    evidence = ns.losses.Evidence(
        y=y,
        physics=physics,
        ids=torch.arange(len(y)),
        draws=ns.Draws(0, 0, tuple(range(len(y)))),
        progress=0.0,
        reconstruct=lambda y, physics, *, start=None, draws=None: f(y),
    )
    return float(ns.losses.MeasurementConsistency()(evidence))


# ---- measurement consistency alone: section 2, equation (3)

ROWS = torch.linalg.qr(signals(N, (5,)))[0].T  # 5 orthonormal rows
PSEUDO_INVERTIBLE = {
    "mask": ns.physics.Inpainting((1, N), MASK).double(),
    "orthonormal rows": ns.physics.MatrixOperator((1, N), ROWS),
    "matrix": ns.physics.MatrixOperator((1, N), ns.physics.gaussian_matrix(5, N, seed=0)).double(),
    "k-space mask": ns.physics.CartesianMRI((2, 4, 4), signals(4, (4,)) > 0).double(),
}


@pytest.mark.parametrize("physics", PSEUDO_INVERTIBLE.values(), ids=list(PSEUDO_INVERTIBLE))
def test_consistency_is_zero_for_a_dagger_and_for_anything_that_differs_from_it_in_the_null_space(
    physics: ns.physics.LinearPhysics,
) -> None:
    x = signals(20, physics.image_shape)
    y = physics.A(x)

    def dagger(y: Tensor) -> Tensor:
        return physics.A_dagger(y)

    def absurd(y: Tensor) -> Tensor:  # a nonlinear function of y, a hundred times as large as the image, put in
        return physics.A_dagger(y) + 100 * physics.project_null(physics.A_dagger(y).roll(1, -1).exp())

    assert (absurd(y) - x).square().mean() > 1e3 * (dagger(y) - x).square().mean() > 0
    assert consistency(physics, y, dagger) < 1e-20
    assert consistency(physics, y, absurd) < 1e-15
    assert consistency(physics, y, lambda y: 0.9 * dagger(y)) > 1e-4  # the loss is not blind to everything


def test_the_gradient_of_consistency_has_no_part_in_the_null_space() -> None:
    physics = PSEUDO_INVERTIBLE["matrix"]
    y = physics.A(signals(4, seed=1))
    x1 = signals(4, seed=2).requires_grad_()
    (physics.A(x1) - y).square().mean().backward()
    assert x1.grad is not None and x1.grad.norm() > 0.1
    torch.testing.assert_close(physics.project_null(x1.grad), torch.zeros_like(x1))


def test_training_by_consistency_leaves_the_missing_samples_where_the_first_weights_put_them() -> None:
    physics = ns.physics.Inpainting((1, N), MASK)
    network = torch.nn.Linear(N, N, bias=False)
    before = network.weight.detach().clone()
    f = ns.reconstructors.ArtifactRemoval(network)
    settings = ns.training.Settings(steps=50, batch_size=8, optimiser=ns.training.Adam(1e-2))
    ns.fit(f, physics.A(signals(40).float()), physics, ns.losses.MeasurementConsistency(), settings=settings)
    moved = (network.weight.detach() - before).abs().amax(1)
    assert torch.equal(moved == 0, MASK == 0)  # rows of missing samples: no gradient at all, in any step


# ---- several operators out of one: section 3.1


def test_measuring_a_turned_image_is_measuring_the_image_by_a_turned_operator() -> None:
    physics, group = PSEUDO_INVERTIBLE["matrix"], ns.groups.Shifts((N,))
    x = signals(N)
    g = torch.arange(N)
    virtual = ns.physics.Transformed(physics, group, g)
    turned = group.act(group.inverse(g), x)  # also in the set where it is invariant
    torch.testing.assert_close(virtual.A(turned), physics.A(x))
    dense = physics.to_matrix()
    shifted = torch.stack([dense.roll(-int(one), 1) for one in g])  # A T_g: the columns go round
    torch.testing.assert_close(virtual.to_matrix(), shifted)


def test_the_null_space_of_a_mask_turns_under_shifts_and_stays_under_the_identity() -> None:
    physics = PSEUDO_INVERTIBLE["mask"]
    assert seen_with(physics, ns.groups.Trivial()) == rank(physics.to_matrix()) == int(MASK.sum()) < N
    assert seen_with(physics, ns.groups.Shifts((N,))) == N


def test_one_measured_sample_and_all_shifts_see_everything_but_too_few_elements_cannot() -> None:
    single = ns.physics.Inpainting((1, N), torch.arange(N) == 3)
    assert seen_with(single, ns.groups.Shifts((N,))) == N
    # necessary: order times measurements >= n. Four shifts by three samples of one measurement see four samples
    assert seen_with(single, ns.groups.Shifts((N,), step=3)) == 4
    # and not sufficient: a mask of period 3 is mapped to itself by them
    periodic = ns.physics.Inpainting((1, N), ns.physics.periodic_mask((N,), 3))
    assert 4 * seen_with(periodic, ns.groups.Trivial()) >= N
    assert seen_with(periodic, ns.groups.Shifts((N,), step=3)) == 4 < N


@pytest.mark.parametrize("measurements", [1, 3, 5])
def test_a_random_matrix_and_shifts_see_everything(measurements: int) -> None:
    physics = ns.physics.MatrixOperator((1, N), ns.physics.gaussian_matrix(measurements, N, seed=measurements))
    assert seen_with(physics, ns.groups.Trivial()) == measurements
    assert seen_with(physics, ns.groups.Shifts((N,))) == N


# ---- an operator that commutes with the group teaches nothing: section 3.2


def shift_of_spectrum(g: int, size: int) -> Tensor:
    """Return the phases, (re, im) pairs as complex numbers, by which a shift along columns multiplies a spectrum."""
    frequency = (torch.arange(size) - size // 2).double()
    return torch.exp(-2j * torch.pi * frequency * g / size)


def test_a_fourier_mask_commutes_with_shifts_so_that_they_add_nothing() -> None:
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[1:3] = True
    mask[0, 2] = True
    physics, group = ns.physics.CartesianMRI((2, 4, 6), mask).double(), ns.groups.Shifts((4, 6))
    x = signals(6, (2, 4, 6))
    g = torch.arange(6)  # along columns
    spectrum = torch.view_as_complex(physics.A(x)[:, 0].movedim(1, -1).contiguous())
    phases = torch.stack([shift_of_spectrum(int(one), 6) for one in g])
    expected = torch.view_as_real(spectrum * phases[:, None]).movedim(-1, 1)[:, None]
    torch.testing.assert_close(physics.A(group.act(g, x)), expected)  # A T_g = T'_g A
    assert seen_with(physics, group) == seen_with(physics, ns.groups.Trivial()) == 2 * int(mask.sum()) < 48


BLUR = ns.physics.Blur((1, N), torch.ones(1, 3)).double()  # zero at two of twelve frequencies


def test_circular_blur_commutes_with_shifts_so_that_they_add_nothing() -> None:
    group = ns.groups.Shifts((N,))
    x, g = signals(N), torch.arange(N)
    torch.testing.assert_close(BLUR.A(group.act(g, x)), group.act(g, BLUR.A(x)))
    assert seen_with(BLUR, group) == seen_with(BLUR, ns.groups.Trivial()) == N - 2


def test_masks_and_random_matrices_do_not_commute_with_shifts() -> None:
    group = ns.groups.Shifts((N,))
    x, g = signals(N), torch.arange(N)
    mask = PSEUDO_INVERTIBLE["mask"]
    apart = (mask.A(group.act(g, x)) - group.act(g, mask.A(x))).flatten(1).norm(dim=1)
    assert apart[0] == 0 and bool((apart[1:] > 0.1).all())
    square = ns.physics.MatrixOperator((1, N), signals(N, (N,), seed=3))
    assert (square.A(group.act(g, x)) - group.act(g, square.A(x)[:, None])[:, 0]).norm() > 1


def test_what_commutes_satisfies_both_losses_with_a_dagger_and_remains_wrong() -> None:
    group = ns.groups.Shifts((N,))
    x = signals(30)
    f = ns.reconstructors.LinearInverse().double()
    for physics, taught in ((BLUR, False), (PSEUDO_INVERTIBLE["mask"], True)):
        evidence = ns.losses.Evidence(physics.A(x), physics, torch.arange(30), ns.Draws(0, 0, tuple(range(30))), 0.0, f)
        assert float(ns.losses.MeasurementConsistency()(evidence)) < 1e-20
        assert (float(ns.losses.Equivariance(group)(evidence)) > 1e-2) == taught
        assert (evidence.x1 - x).square().mean() > 0.1


# ---- tomography


def test_quarter_turns_add_nothing_to_an_even_number_of_equispaced_views_and_new_views_to_an_odd_one() -> None:
    size = 12
    turns, nothing = ns.groups.QuarterTurns(), ns.groups.Trivial()
    even, odd, double = (ns.physics.ParallelBeamCT((1, size, size), views) for views in (4, 3, 6))
    assert seen_with(even, turns) == seen_with(even, nothing) < size**2
    alone, with_turns, twice = seen_with(odd, nothing), seen_with(odd, turns), seen_with(double, nothing)
    assert with_turns == twice  # 0, 60, 120 degrees and, turned, 90, 150, 30
    assert 1.6 * alone < with_turns <= 2 * alone < size**2


def test_finer_rotations_add_to_an_even_number_of_views_what_quarter_turns_cannot() -> None:
    size = 12
    physics = ns.physics.ParallelBeamCT((1, size, size), 4)
    assert seen_with(physics, ns.groups.Rotations(16)) > 1.5 * seen_with(physics, ns.groups.Trivial())


# ---- what is learned where it can be


def test_the_linear_f_learned_from_measurements_and_shifts_is_the_supervised_one_where_shifts_reach_all_pairs() -> None:
    """A Gaussian ensemble is known by its covariance C; y tells A C A^T, and invariance that T_g C T_g^T = C.

    So y y^T, averaged over all shifts of it, gives C at every lag at which any two samples are measured, and with it
    the best f, which is C A^T (A C A^T)^+.
    """
    physics = ns.physics.Inpainting((1, N), MASK).double()
    lags = torch.minimum(torch.arange(N), N - torch.arange(N)).double()
    covariance = torch.stack([torch.exp(-lags / 3).roll(k) for k in range(N)])
    x = signals(40_000)[:, 0] @ torch.linalg.cholesky(covariance).T
    y = physics.A(x[:, None])[:, 0]

    def average(moment: Tensor, group: ns.groups.FiniteGroup, elements: Tensor) -> Tensor:
        return group.act(elements, moment[None, None].expand(len(elements), -1, -1, -1)).sum(0)[0]

    def best(covariance: Tensor) -> Tensor:
        A = physics.to_matrix()
        return (covariance @ A.T @ torch.linalg.pinv(A @ covariance @ A.T))[:, MASK.bool()]

    def away(f: Tensor) -> float:  # what f loses against the best of all, relative to the energy of the images
        return float(((f - best(covariance)) @ y[:, MASK.bool()].T).square().sum() / x.square().sum())

    supervised = torch.linalg.lstsq(y[:, MASK.bool()], x).solution.T
    moment, pairs = y.T @ y / len(y), torch.outer(MASK, MASK).double()
    shifts = ns.groups.Shifts((N, N))
    together = torch.arange(N) * (N + 1)  # rows and columns of the covariance move together
    counts = average(pairs, shifts, together)
    assert bool((counts > 0).all())  # second moments need more than single samples: every lag
    learned = best(average(moment, shifts, together) / counts)
    alone = best(moment / pairs.clamp_min(1))  # without invariance nothing is known of missing samples
    assert away(supervised) < 1e-3
    assert away(learned) < 1e-3
    assert away(alone) > 0.1
