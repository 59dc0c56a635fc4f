"""Total variation: gradients, independent exact solutions, certificates of optimality, units, operators."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from nullsight.constraints import AnyValue, NonNegative
from nullsight.physics import (
    CartesianMRI,
    Inpainting,
    MatrixOperator,
    ParallelBeamCT,
    WeightedLeastSquares,
    bernoulli_mask,
    gaussian_matrix,
)
from nullsight.reconstructors import (
    Exact,
    Joint,
    Penalised,
    Separate,
    TotalVariation,
    Unweighed,
    Weighed,
    Within,
)
from nullsight.reconstructors.variation import Variation, gradient, gradient_adjoint
from nullsight.types import InputError
from tests.cases.toy_operators import ToySaturation

SHAPES = [(2, 1, 7), (3, 2, 5, 4), (1, 3, 1, 6), (2, 1, 3, 4, 2)]


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whole(*shape):
    return Inpainting(shape, torch.ones(shape[1:])).double()


def blocks(height=24, width=24, batch=1):
    """Overlapping rectangles, piecewise constant and positive."""
    x = torch.zeros(batch, 1, height, width, dtype=torch.float64)
    for b in range(batch):
        x[b, :, 4:18, 5:13] += 1
        x[b, :, 9 : 21 - b, 8:20] += 0.5
    return x


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_and_its_transpose(shape):
    x = rand(*shape)
    p = rand(*gradient(x).shape, seed=1)
    torch.testing.assert_close((gradient(x) * p).sum(), (x * gradient_adjoint(p)).sum())
    assert gradient(x).shape == (*shape[:2], len(shape) - 2, *shape[2:])
    torch.testing.assert_close(gradient(x)[:, :, -1, ..., :-1], x.diff(dim=-1))
    assert not gradient(torch.ones(shape)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_bound_of_the_gradient(shape):
    x = rand(*shape) - 0.5
    for _ in range(50):
        x = gradient_adjoint(gradient(x / x.norm()))
    bound = Variation(Separate()).bound(shape[1:])
    assert 0.4 * bound < float(x.norm()) <= bound


@pytest.mark.parametrize("coupling", [Separate(), Joint()])
def test_settle_is_the_projection_on_which_the_value_rests(coupling):
    """TV(x) = max <grad x, p> over p = settle(anything), reached at p = settle(large multiple of grad x)."""
    variation, x = Variation(coupling), rand(2, 3, 6, 5)
    kx = variation.analyse(x)
    best = variation.settle(1e9 * kx, 1.0)
    torch.testing.assert_close((best * kx).flatten(1).sum(1), variation.value(x))
    other = variation.settle(3 * rand(*kx.shape, seed=2) - 1, 1.0)
    assert bool(((other * kx).flatten(1).sum(1) <= variation.value(x)).all())
    torch.testing.assert_close(variation.settle(other, 1.0), other)


def test_joint_counts_a_common_jump_once():
    x = torch.zeros(1, 2, 4)
    x[..., 2:] = 1
    assert float(Variation(Separate()).value(x)) == pytest.approx(2)
    assert float(Variation(Joint()).value(x)) == pytest.approx(2**0.5)


def test_step_signal_has_the_closed_form():
    """Both plateaus of a step move towards each other by weight / length."""
    x = torch.cat([torch.full((1, 1, 6), 0.2), torch.full((1, 1, 10), 1.0)], -1).double()
    found = TotalVariation(Penalised(0.3), tolerance=1e-8, iterations=5000).solve(x, whole(1, 16))
    wanted = torch.cat([torch.full((1, 1, 6), 0.2 + 0.3 / 6), torch.full((1, 1, 10), 1.0 - 0.3 / 10)], -1).double()
    torch.testing.assert_close(found.x, wanted, atol=1e-6, rtol=0)
    assert bool(found.converged)


@pytest.mark.parametrize("weight", [0.05, 0.4])
def test_signal_against_the_dual_problem_solved_by_another_method(weight):
    """Minimising |x - y|^2/2 + w TV(x) has x = y - D^T p for the p in [-w, w] that minimises |y - D^T p|."""
    y = 2 * rand(1, 1, 20) - 0.7
    unit = float(torch.quantile(y.abs(), 0.999))
    d = np.diff(np.eye(20), axis=0)
    target, limit = y.flatten().numpy(), weight * unit

    def dual(p):
        rest = target - d.T @ p
        return rest @ rest / 2, -d @ rest

    options = {"ftol": 1e-15, "gtol": 1e-10}
    best = minimize(dual, np.zeros(19), jac=True, bounds=[(-limit, limit)] * 19, method="L-BFGS-B", options=options)
    f = TotalVariation(Penalised(weight), AnyValue(), tolerance=1e-8, iterations=20000)
    torch.testing.assert_close(f(y, whole(1, 20)).flatten(), torch.from_numpy(target - d.T @ best.x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("weight", [1e-3, 0.1])
@pytest.mark.parametrize("physics", [MatrixOperator((1, 5, 6), gaussian_matrix(18, 30, seed=1)), whole(2, 5, 6)])
def test_no_other_image_has_a_lower_objective(physics, weight):
    """A minimum of a convex function: no small move, and not the truth either, lowers it."""
    physics = physics.double()
    x = rand(2, *physics.image_shape)
    y = physics.A(x)
    found = TotalVariation(Penalised(weight), tolerance=1e-9, iterations=20000).solve(y, physics)
    unit = torch.quantile(physics.A_dagger(y).abs().flatten(1), 0.999, dim=1)

    def objective(u):
        misfit = (physics.A(u) - y).flatten(1).square().sum(1) / (2 * weight * physics.norm() ** 2 * unit**2)
        return misfit + Variation(Separate()).value(u) / unit

    least = objective(found.x)
    for k in range(40):
        move = (rand(*x.shape, seed=k) - 0.5) * 10.0 ** -(k % 6)
        assert bool((objective((found.x + move).clamp_min(0)) >= least * (1 - 1e-7)).all())
    assert bool((objective(x) >= least).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_are_found_from_few_views(dtype):
    physics = ParallelBeamCT((1, 24, 24), 7).to(dtype)
    x = blocks(batch=2).to(dtype)
    found = TotalVariation(iterations=3000, tolerance=5e-5).solve(physics.A(x), physics)
    dagger = (physics.A_dagger(physics.A(x)) - x).norm() / x.norm()
    assert float((found.x - x).norm() / x.norm()) < 2e-3 < 0.1 < float(dagger)
    assert found.x.dtype == dtype and float(found.x.min()) >= 0
    wrong = (physics.A(found.x) - physics.A(x)).flatten(1).norm(dim=1) / physics.A(x).flatten(1).norm(dim=1)
    torch.testing.assert_close(found.misfit, wrong, rtol=1e-2, atol=1e-7)
    assert bool((found.misfit <= found.residual).all()) and bool(found.converged.all())


def test_weighting_changes_the_speed_not_the_solution():
    physics = ParallelBeamCT((1, 24, 24), 9).double()
    y = physics.A(blocks())
    fast, slow = (
        TotalVariation(Penalised(1e-3), weighting=w, tolerance=1e-4, iterations=3000).solve(y, physics)
        for w in (Weighed(), Unweighed())
    )
    torch.testing.assert_close(fast.x, slow.x, atol=2e-2, rtol=0)
    assert bool(fast.converged) and bool(slow.converged)
    known = TotalVariation(iterations=60)(y, physics)
    early, late = (
        physics.A(TotalVariation(weighting=w, iterations=60)(y, physics)) - y for w in (Weighed(), Unweighed())
    )
    assert float(early.norm()) < 0.2 * float(late.norm())
    around = WeightedLeastSquares(physics, 3)
    torch.testing.assert_close(TotalVariation(iterations=60)(y, around, start=physics.A_dagger(y)), known)
    with pytest.raises(InputError, match="weigh"):
        TotalVariation(weighting=Weighed())(rand(1, 1, 4, 4), whole(1, 4, 4))


def test_noise_of_known_size_is_left_and_no_more():
    physics = ParallelBeamCT((1, 24, 24), 9).double()
    x = blocks()
    y = physics.A(x)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.2
    epsilon = float(noise.norm())
    found = TotalVariation(Within(epsilon), tolerance=1e-5, iterations=6000).solve(y + noise, physics)
    assert bool(found.converged)
    assert float((physics.A(found.x) - y - noise).norm()) == pytest.approx(epsilon, rel=1e-3)
    value = Variation(Separate()).value
    assert float(value(found.x)) < float(value(x)), "the truth is within epsilon, too, so it cannot have less"
    exact = TotalVariation(Exact(), iterations=2000)(y + noise, physics)
    assert float((found.x - x).norm()) < 0.5 * float((exact - x).norm())


def test_weight_goes_from_the_measurements_to_a_constant():
    physics, x = whole(1, 8, 8), rand(1, 1, 8, 8)
    last = torch.full((), torch.inf)
    for weight in (1e-4, 1e-2, 0.1, 0.3, 1.0):
        found = TotalVariation(Penalised(weight), tolerance=1e-5, iterations=1000)(x, physics)
        value = Variation(Separate()).value(found)
        assert bool(value < last)
        last = value
        if weight == 1e-4:
            torch.testing.assert_close(found, x, atol=1e-3, rtol=0)
    torch.testing.assert_close(found, x.mean().expand_as(x), atol=1e-2, rtol=0)


def test_missing_pixels_of_colour_images_and_complex_mri():
    mask = bernoulli_mask((24, 24), 0.6, seed=0)
    paint, x = Inpainting((3, 24, 24), mask).double(), torch.cat([blocks(), 2 * blocks(), 1 - blocks() / 2], 1)
    found = TotalVariation(coupling=Joint(), tolerance=1e-4, iterations=3000).solve(paint.A(x), paint)
    assert float((found.x - x).norm() / x.norm()) < 0.11 < 0.5 < float((paint.A(x) - x).norm() / x.norm())
    assert bool(found.converged.all()) and float(found.misfit) < 1e-4
    rows = torch.rand(24, generator=torch.Generator().manual_seed(1)) < 0.55
    rows[10:14] = True
    mri = CartesianMRI((2, 24, 24), rows[:, None].expand(24, 24)).double()
    turned = torch.cat([0.6 * blocks(), -0.8 * blocks()], 1)
    y = mri.A(turned)
    f = TotalVariation(constraint=AnyValue(), coupling=Joint(), tolerance=1e-4, iterations=1000)
    assert float((f(y, mri) - turned).norm() / turned.norm()) < 0.02
    real = mri.A(torch.cat([blocks(), 0 * blocks()], 1))
    torch.testing.assert_close(f(y, mri)[:, 0], 0.6 * f(real, mri)[:, 0], atol=2e-2, rtol=0)


@pytest.mark.parametrize("data", [Exact(), Penalised(0.01)])
def test_unit_of_images_and_of_the_operator(data):
    matrix = gaussian_matrix(20, 30, seed=0)
    physics = MatrixOperator((1, 30), matrix).double()
    y = physics.A(blocks(30, 30)[:, :, 10])
    f = TotalVariation(data)
    torch.testing.assert_close(f(1000 * y, physics), 1000 * f(y, physics), rtol=1e-6, atol=1e-5)
    other = MatrixOperator((1, 30), 50 * matrix).double()
    torch.testing.assert_close(f(50 * y, other), f(y, physics), rtol=1e-6, atol=1e-7)


def test_flips_and_turns_move_the_solution_nearly_along():
    """Forward differences see one corner of a pixel, so a turn is not quite a symmetry."""
    x = blocks()
    f, physics = TotalVariation(Penalised(0.05), tolerance=1e-4, iterations=600), whole(1, 24, 24)
    plain = f(x, physics)
    for g in (lambda v: v.flip(-1), lambda v: v.rot90(1, (-2, -1))):
        torch.testing.assert_close(f(g(x), physics), g(plain), atol=0.06, rtol=0)
    torch.testing.assert_close(f(x.mT, physics), plain.mT, atol=5e-3, rtol=0)


def test_zero_measurements_and_constant_images():
    physics = whole(1, 6, 6)
    zero = TotalVariation().solve(torch.zeros(2, 1, 6, 6, dtype=torch.float64), physics)
    assert not zero.x.any() and bool(zero.converged.all()) and not zero.misfit.any()
    flat = TotalVariation().solve(torch.full((1, 1, 6, 6), 3.0, dtype=torch.float64), physics)
    torch.testing.assert_close(flat.x, torch.full_like(flat.x, 3.0), atol=1e-2, rtol=0)
    assert bool(flat.converged)


def test_negative_values_are_kept_where_allowed():
    physics, x = whole(1, 6, 6), rand(1, 1, 6, 6) - 0.5
    torch.testing.assert_close(TotalVariation(constraint=AnyValue(), tolerance=1e-6)(x, physics), x, atol=1e-4, rtol=0)
    assert float(TotalVariation(Penalised(0.01), NonNegative())(x, physics).min()) >= 0


def test_no_gradient_comes_out():
    y = rand(1, 1, 6, 6).requires_grad_()
    assert not TotalVariation(iterations=20)(y, whole(1, 6, 6)).requires_grad


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TotalVariation(Penalised(0.0)), "weight above 0"),
        (lambda: TotalVariation(Within(-1.0)), "epsilon above 0"),
        (lambda: TotalVariation(iterations=0), "at least 1 iteration"),
        (lambda: TotalVariation(tolerance=-1.0), "tolerance"),
        (lambda: TotalVariation()(rand(1, 1, 4, 4), ToySaturation((1, 4, 4), (1, 4, 4))), "can be linearised"),
        (lambda: TotalVariation()(rand(1, 1, 4, 4) / 0, whole(1, 4, 4)), "finite"),
    ],
)
def test_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
