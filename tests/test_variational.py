"""Iterations with a prior: closed forms, conditions of optimality, agreement with each other, stopping."""

import pytest
import torch

from nullsight.constraints import AnyValue
from nullsight.draws import Draws
from nullsight.noise import Gaussian, Noiseless, Poisson, PoissonGaussian
from nullsight.physics import (
    Inpainting,
    MatrixOperator,
    ParallelBeamCT,
    Saturation,
    Transmission,
    bernoulli_mask,
    gaussian_matrix,
)
from nullsight.reconstructors import (
    Admm,
    Allowed,
    Fista,
    HalfQuadratic,
    Likelihood,
    PrimalDualSplitting,
    ProximalGradient,
    Roughness,
    Separate,
    Size,
    Solved,
    Tikhonov,
    Variation,
    Wavelets,
    misfit,
)
from nullsight.types import InputError
from tests.cases.toy_operators import ToySaturation

PHYSICS = {
    "matrix": lambda: MatrixOperator((1, 4, 8), gaussian_matrix(20, 32, seed=0)),
    "mask_each": lambda: Inpainting((1, 4, 8), torch.stack([bernoulli_mask((1, 4, 8), 0.6, seed=s) for s in range(2)])),
    "ct": lambda: ParallelBeamCT((1, 8, 8), 5),
}
NOISES = [Noiseless(), Gaussian(0.1), PoissonGaussian(0.02, 0.1)]
PRIORS = [Size(), Roughness(), Allowed(), Wavelets("db2", levels=2)]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def problem(name, dtype=torch.float64):
    physics = PHYSICS[name]().to(dtype)
    x = (
        torch.rand(2, *physics.image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(-1)
        / 4
    )
    return physics, physics.A(x.to(dtype))


def weight(noise, physics):
    """Return one that counts as much against each of the noises, so that all problems are as well conditioned."""
    return 0.05 if isinstance(noise, Noiseless) else 0.05 * physics.norm() ** 2 / 0.1**2


def brightness(physics, y):
    flat = physics.A_dagger(y).abs().flatten(1)
    return torch.quantile(flat.double(), 0.999, dim=1).to(y.dtype)


def fixed_point_residual(x, y, physics, prior, weight, noise):
    """``|u - prox(u - t grad d(u), t weight)| / |u|`` with t = 1 / curvature: 0 at a minimum, and only there."""
    s = brightness(physics, y).reshape(-1, *[1] * (x.ndim - 1))
    of_y = s.reshape(-1, *[1] * (y.ndim - 1))
    found = misfit(noise, y, of_y * physics.norm())
    u, gradient = x / s, s * physics.A_adjoint(found.gradient(physics.A(x)))
    curvature = found.usual_curvature()
    t = 1 / (curvature.reshape(s.shape) * s**2 * physics.norm() ** 2)
    moved = prior.prox(u - t * gradient, weight * t, Draws(0, 0, (0,) * len(y)).of("prior"))
    return float(((moved - u).flatten(1).norm(dim=1) / u.flatten(1).norm(dim=1)).max())


@pytest.mark.parametrize("noise", NOISES, ids=repr)
@pytest.mark.parametrize("penalty", [Size(), Roughness()], ids=repr)
@pytest.mark.parametrize("name", PHYSICS)
@DTYPES
def test_tikhonov_is_the_dense_solution(name, penalty, noise, dtype):
    physics, y = problem(name, dtype)
    got = Tikhonov(weight(noise, physics), noise, penalty)(y, physics)
    matrix = physics.to_matrix().expand(2, -1, -1)
    columns = torch.eye(matrix.shape[-1]).double().reshape(-1, *physics.image_shape)
    n = penalty.normal(columns).flatten(1)
    s = brightness(physics, y).double()
    variance = noise.variance(y).double().flatten(1) if not isinstance(noise, Noiseless) else None
    for i in range(2):
        w = (
            torch.full((matrix.shape[1],), physics.norm() ** -2).double()
            if variance is None
            else s[i] ** 2 / variance[i]
        )
        normal = matrix[i].T @ (w[:, None] * matrix[i]) + weight(noise, physics) * n
        wanted = torch.linalg.solve(normal, matrix[i].T @ (w * y[i].flatten().double()))
        error = (got[i].flatten().double() - wanted).norm() / wanted.norm()
        assert float(error) < (2e-4 if dtype == torch.float32 else 1e-8)


def test_gradient_of_tikhonov_is_that_of_the_dense_solution():
    physics, y = problem("matrix")
    f = Tikhonov(0.3, penalty=Roughness())
    y = y[:1].requires_grad_()
    back = torch.randn(1, *physics.image_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (got,) = torch.autograd.grad(f(y, physics), y, back)
    columns = f(torch.eye(y.shape[1]).double(), physics).flatten(1)  # f is linear in y without noise
    torch.testing.assert_close(got[0], columns @ back.flatten(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("name", "noise"), [("matrix", NOISES[0]), ("matrix", NOISES[2]), ("mask_each", NOISES[0])])
@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_all_methods_reach_one_optimal_image(name, prior, noise):
    physics, y = problem(name)
    w, most = weight(noise, physics), {"iterations": 20000, "tolerance": 1e-8}
    methods = [Fista(prior, w, noise, **most), ProximalGradient(prior, w, noise, **most), Admm(prior, w, noise, **most)]
    found = [f.solve(y, physics) for f in methods]
    for solution in found:
        assert bool(solution.converged.all()) and float(solution.residual.max()) <= 1e-8
        assert fixed_point_residual(solution.x, y, physics, prior, w, noise) < 1e-6
    for solution in found[1:]:
        if isinstance(prior, Allowed) or (isinstance(prior, Wavelets) and name == "mask_each"):  # more than one minimum
            torch.testing.assert_close(physics.A(solution.x), physics.A(found[0].x), rtol=1e-3, atol=1e-4)
        else:
            torch.testing.assert_close(solution.x, found[0].x, rtol=1e-4, atol=1e-5)
    if isinstance(prior, Size | Roughness):
        torch.testing.assert_close(found[0].x, Tikhonov(w, noise, prior)(y, physics), rtol=1e-5, atol=1e-5)


@DTYPES
def test_single_precision_reaches_the_same_image(dtype):
    physics, y = problem("matrix", dtype)
    prior = Wavelets("db2", levels=2)
    exact, y64 = problem("matrix")
    wanted = Fista(prior, 0.05, iterations=5000, tolerance=1e-9)(y64, exact)
    for f in (Fista(prior, 0.05, tolerance=1e-6), Admm(prior, 0.05, tolerance=1e-5, iterations=2000)):
        found = f.solve(y, physics)
        assert found.x.dtype == dtype and bool(found.converged.all())
        assert float((found.x.double() - wanted).norm() / wanted.norm()) < 2e-3


def test_wavelets_agree_with_the_primal_dual_method():
    physics, y = problem("matrix")
    regulariser, noise = Wavelets("haar", levels=2), Gaussian(0.1)
    one = Admm(regulariser, 20.0, noise, tolerance=1e-6, iterations=500)(y, physics)
    fit = Likelihood(noise, 20.0)
    other = PrimalDualSplitting(regulariser, fit, AnyValue(), iterations=1000, tolerance=1e-6)(y, physics)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["matrix", "mask_each"])
def test_counts_agree_with_the_primal_dual_method_and_are_optimal(name):
    noise, w, whole = Poisson(0.05), 3.0, torch.eye(32).double()
    physics = PHYSICS[name]().double()
    if name == "matrix":  # of what is not negative
        physics = MatrixOperator((1, 4, 8), whole + 0.1 * gaussian_matrix(32, 32, seed=0).abs()).double()
    x = torch.rand(2, 1, 4, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.2
    y = noise.sample(physics.A(x), Draws(0, 0, (0, 1)).of("noise"))
    regulariser = Wavelets("haar", levels=2)
    one = Admm(regulariser, w, noise, tolerance=1e-7, iterations=500).solve(y, physics)
    fit = Likelihood(noise, w)
    other = PrimalDualSplitting(regulariser, fit, AnyValue(), iterations=2000, tolerance=1e-6).solve(y, physics)
    assert bool(one.converged.all()) and bool(other.converged.all())
    torch.testing.assert_close(physics.A(one.x), physics.A(other.x), rtol=1e-4, atol=1e-4)
    if name == "matrix":  # gaps have more than one minimum
        torch.testing.assert_close(one.x, other.x, rtol=1e-4, atol=1e-4)
    for refused in (Fista, ProximalGradient, HalfQuadratic):
        with pytest.raises(InputError, match="Admm"):
            refused(regulariser, w, noise)(y, physics)
    with pytest.raises(InputError, match="Admm"):
        Tikhonov(w, noise)(y, physics)


def test_total_variation_as_a_prior_is_total_variation():
    physics, y = problem("ct")
    prior = Solved(Variation(Separate()), iterations=300, tolerance=1e-5)
    one = Fista(prior, 0.02, iterations=30, tolerance=1e-4)(y, physics)
    fit = Likelihood(Noiseless(), 0.02)
    other = PrimalDualSplitting(Variation(), fit, AnyValue(), iterations=2000, tolerance=1e-5)(y, physics)
    torch.testing.assert_close(one, other, rtol=1e-2, atol=3e-3)


def test_half_quadratic_splitting_solves_its_own_problem():
    """With ``|z|^2 / 2`` both parts are linear: eliminating z leaves a weight of ``w mu / (w + mu)``."""
    physics, y = problem("matrix")
    for penalty in (0.1, 10.0):
        found = HalfQuadratic(Size(), 0.3, penalty=penalty, iterations=2000, tolerance=1e-11).solve(y, physics)
        mu = penalty * 1.02**2
        u = Tikhonov(0.3 * mu / (0.3 + mu))(y, physics)
        torch.testing.assert_close(found.x, u * mu / (0.3 + mu), rtol=1e-6, atol=1e-7)
        assert bool(found.converged.all())


def test_momentum_saves_iterations_and_samples_stop_each_by_its_own_residual():
    physics, y = problem("matrix")
    prior = Wavelets("db2", levels=2)
    plain, fast = (f(prior, 1e-3, iterations=9000, tolerance=1e-7).solve(y, physics) for f in (ProximalGradient, Fista))
    assert bool((fast.iterations < plain.iterations / 3).all())
    y[0] = 0
    found = Fista(prior, 1e-3, iterations=9000, tolerance=1e-7).solve(y, physics)
    assert int(found.iterations[0]) == 1 and int(found.iterations[1]) == int(fast.iterations[1])
    assert not found.x[0].any() and float(found.misfit[0]) == 0
    short = Fista(prior, 1e-3, iterations=3).solve(y, physics)
    assert short.iterations.tolist() == [1, 3] and short.converged.tolist() == [True, False]


def test_what_is_not_measured_shortens_no_step():
    """Unmeasured entries are zero: as measurements they would be the least noisy ones of all."""
    physics = PHYSICS["mask_each"]().double()
    y = physics.A(1 + torch.rand(2, 1, 4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    noise = PoissonGaussian(0.1, 1e-3)
    wanted = Tikhonov(5.0, noise)(y, physics)
    for method in (ProximalGradient, Fista, Admm):
        found = method(Size(), 5.0, noise, iterations=300, tolerance=1e-6).solve(y, physics)
        assert bool(found.converged.all())
        torch.testing.assert_close(found.x, wanted, rtol=1e-4, atol=1e-4)
    known = misfit(noise, y, y, physics.measured)
    seen = [w[m] for w, m in zip(1 / noise.variance(y), physics.measured, strict=True)]
    torch.testing.assert_close(known.curvature(), torch.stack([w.max() for w in seen]))
    torch.testing.assert_close(known.usual_curvature(), torch.stack([1 / (1 / w).mean() for w in seen]))


def test_steps_that_are_alike_are_solved_for_together(monkeypatch):
    prior, together = Solved(Variation(Separate()), iterations=50), []
    one = Solved._denoise
    monkeypatch.setattr(Solved, "_denoise", lambda self, x, step: together.append(len(x)) or one(self, x, step))
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0.1, 0.3, 0.1])[:, None, None, None]
    steps[2] = torch.nextafter(steps[2], steps[1])
    stream = Draws(0, 0, (0,) * 3).of("prior")
    found = prior.prox(x, steps, stream)
    assert together == [2, 1]
    for i in range(3):
        torch.testing.assert_close(found[i : i + 1], prior.prox(x[i : i + 1], steps[i : i + 1], stream))


def test_likelihood_is_that_of_the_measurements_that_came():
    f = PrimalDualSplitting(Wavelets("haar", levels=1), Likelihood(Gaussian(0.1), 1.0), iterations=5)
    counts = Transmission(ParallelBeamCT((1, 8, 8), 5), photons=1e4, attenuation=0.05)
    with pytest.raises(InputError, match="linearised Transmission"):
        f(counts.A(torch.ones(1, 1, 8, 8)), counts)
    cut = Saturation(Inpainting((1, 4, 4), torch.ones(4, 4)), 2.0)  # of which the measurements stay what they are
    assert f(torch.ones(1, 1, 4, 4), cut).shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fista(Size(), 0.0), "weight above 0"),
        (lambda: Tikhonov(-1.0), "weight above 0"),
        (lambda: ProximalGradient(Size(), iterations=0), "at least 1 iteration"),
        (lambda: Admm(Size(), tolerance=-1.0), "tolerance"),
        (lambda: Admm(Size(), penalty=0.0), "penalty above 0"),
        (lambda: HalfQuadratic(Size(), penalty=-1.0), "penalty above 0"),
        (lambda: Fista(Size())(torch.ones(1, 1, 4), ToySaturation((1, 4), (1, 4))), "linear physics"),
        (lambda: Fista(Size())(torch.ones(1, 1, 4) / 0, Inpainting((1, 4), torch.ones(4))), "finite"),
    ],
)
def test_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
