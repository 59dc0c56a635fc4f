"""Transmission in counts: Beer and Lambert, few counts, its linear problem with its weights, and who solves it."""

from dataclasses import replace
from math import exp

import pytest
import torch
from torch import Tensor

from nullsight.assemble import Context, build
from nullsight.contracts.physics import assert_dagger
from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.losses import (
    Equivariance,
    EquivariantSplitting,
    Evidence,
    MeasurementConsistency,
    PreconditionedConsistency,
    Splitting,
    WeighedSquare,
)
from nullsight.networks import DnCNN
from nullsight.noise import PoissonGaussian
from nullsight.physics import FanBeamCT, Inpainting, ParallelBeamCT, Physics, RandomLines, Transmission, Whitened
from nullsight.physics.composed import in_frame
from nullsight.physics.linearized import linear_problem
from nullsight.reconstructors import (
    ConjugateGradients,
    LeastSquares,
    NullSpace,
    Penalised,
    Preconditioned,
    TotalVariation,
    Unrolled,
    Unweighed,
)
from nullsight.reconstructors.data_steps import DataStep
from nullsight.types import InputError
from tests.cases.sinograms import relative, smooth

NOISE = PoissonGaussian(1.0, 30.0)


def scan(n: int = 12, views: int = 18, **changed: float) -> Transmission:
    arguments = {"photons": 1e5, "attenuation": 0.05, **changed}
    return Transmission(ParallelBeamCT((1, n, n), views), **arguments).double()  # type: ignore[arg-type]


def noisy(physics: Transmission, x: Tensor, seed: int = 0) -> Tensor:
    return NOISE.sample(physics.A(x), Draws(seed, 0, tuple(range(len(x)))).of("noise"))


def test_beer_and_lambert() -> None:
    rows = Transmission(ParallelBeamCT((1, 3, 256), [90.0], detectors=3), 1e5, 0.0064).double()
    y = rows.A(torch.ones(1, 1, 3, 256, dtype=torch.float64))
    torch.testing.assert_close(y, torch.full_like(y, 1e5 * exp(-0.0064 * 256)))  # the image value 1 of the docstring
    assert 0.19 < float(y[0, 0, 0, 1]) / 1e5 < 0.2


def test_the_derivative_is_that_of_the_formula() -> None:
    physics = scan(5, 4)
    x = smooth(physics, 1)
    found = torch.autograd.functional.jacobian(physics.A, x).reshape(-1, 25)
    r = physics.projector.to_matrix()
    torch.testing.assert_close(found, -0.05 * physics.A(x).reshape(-1, 1) * r)


def test_norm_is_that_of_the_derivative_at_an_empty_image() -> None:
    physics = scan(5, 4)
    empty = torch.zeros(1, *physics.image_shape, dtype=torch.float64)
    largest = [
        float(torch.linalg.matrix_norm(torch.autograd.functional.jacobian(physics.A, x).reshape(-1, 25), 2))
        for x in (empty, smooth(physics, 1))
    ]
    assert largest[1] < largest[0] == pytest.approx(physics.norm(), rel=0.01)


def test_little_attenuation_is_as_good_as_linear() -> None:
    """So that a weight of a loss means the same for both."""
    physics = scan(attenuation=1e-6)
    ct, x = physics.projector, smooth(physics, 2)
    drop = (physics.photons - physics.A(x)) / physics.norm()
    assert relative(drop, ct.A(x) / ct.norm()) < 1e-4
    assert physics.dagger_gain() == ct.dagger_gain()


def test_above_the_floor_the_inverse_is_that_of_the_line_integrals() -> None:
    for dtype, near in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        physics = scan().to(dtype)
        x = smooth(physics, 3).to(dtype)
        assert relative(physics.A_dagger(physics.A(x)), physics.projector.A_dagger(physics.projector.A(x))) < near
    for seed in range(3, 7):
        assert assert_dagger(scan(), seed=seed) > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_no_counts_and_negative_ones_are_finite_with_their_gradients(dtype: torch.dtype) -> None:
    physics = scan(floor=0.5).to(dtype)
    y = torch.linspace(-100, 100, torch.Size(physics.measurement_shape).numel(), dtype=dtype)
    y = y.reshape(1, *physics.measurement_shape).requires_grad_()
    image = physics.A_dagger(y)
    (gradient,) = torch.autograd.grad(image.square().sum(), y)
    assert bool(image.isfinite().all() and gradient.isfinite().all())
    assert not bool(gradient[y <= 0].any()) and bool(gradient[y > 0].abs().sum() > 0)
    found = physics.linearize(y)
    assert bool(found.y.isfinite().all()) and float(found.weights.detach().min()) > 0


def test_the_floor_is_smooth() -> None:
    physics = scan(floor=0.5)
    y = torch.tensor([-9.0, -1e-9, 0.0, 1e-9, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 7.0], dtype=torch.float64)
    y = y.requires_grad_()
    counts = physics._counts(y)
    (slope,) = torch.autograd.grad(counts.sum(), y)
    expected = [0.5, 0.5, 0.5, 0.5, 0.625, 1, 1, 1, 7]
    torch.testing.assert_close(counts, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(slope, torch.tensor([0, 0, 0, 0, 0.5, 1, 1, 1, 1], dtype=torch.float64))
    fine = torch.linspace(-1, 5, 1001, dtype=torch.float64).requires_grad_()
    (steepest,) = torch.autograd.grad(physics._counts(fine).log().sum(), fine)
    assert float(steepest.max()) == pytest.approx(1 / (2 * 0.5), rel=1e-3)


def test_what_an_untrained_network_makes_does_not_overflow() -> None:
    physics = scan().float()
    x = torch.full((1, 1, 12, 12), -1e6, requires_grad=True)
    y = physics.A(x)
    (gradient,) = torch.autograd.grad(y.square().mean(), x)
    assert bool(y.isfinite().all() and gradient.isfinite().all())


@pytest.mark.parametrize("sigma", [0.0, 30.0])
def test_weights_are_inverse_variances_of_the_line_integrals(sigma: float) -> None:
    physics = Transmission(Inpainting((1, 4), torch.ones(4)), 1e5, 1.0, sigma=sigma).double()
    x = torch.tensor([[[0.0, 1.0, 3.0, 5.0]]], dtype=torch.float64).expand(8_000, 1, 4)
    y = PoissonGaussian(1.0, sigma).sample(physics.A(x), Draws(0, 0, tuple(range(8_000))).of("noise"))
    spread = physics.linearize(y).y.var(0)[0]
    weights = physics.linearize(physics.A(x[:1])).weights[0, 0]
    best = 1e5**2 / (1e5 + sigma**2)
    torch.testing.assert_close(spread * weights * best, torch.ones(4, dtype=torch.float64), rtol=0.08, atol=0)
    if sigma == 0:
        torch.testing.assert_close(weights, physics.A(x[:1])[0, 0] / 1e5)


def test_subsets_count_nothing_where_nothing_is_measured() -> None:
    physics = scan()
    keep = torch.arange(18)[:, None].expand(1, 18, 17) % 3 > 0
    part, x = physics.subset(keep), smooth(physics, 2)
    y = part.A(x)
    assert not y[:, ~keep].any() and bool((y[:, keep] > 0).all())
    found = part.linearize(y)
    assert not found.y[:, ~keep].any() and not found.weights[:, ~keep].any()
    assert relative(part.A_dagger(y), x) < 0.2 and part.norm() == physics.norm()


def test_few_steps_of_conjugate_gradients_are_weighted_least_squares() -> None:
    physics = scan(4, 9, sigma=30.0, attenuation=0.8)
    x = 1 + smooth(physics, 2)
    y = noisy(physics, x)
    found = physics.linearize(y)
    a, step = physics.projector.to_matrix(), ConjugateGradients(60, Unweighed())
    solved = x - step.direction(x, y, physics)
    for k in range(2):
        root = found.weights[k].sqrt().reshape(-1, 1)
        best = torch.linalg.lstsq(root * a, root * found.y[k].reshape(-1, 1)).solution
        torch.testing.assert_close(solved[k].reshape(-1, 1), best, rtol=1e-5, atol=1e-5)


def test_weights_bring_the_estimate_nearer_on_average() -> None:
    physics = scan(5, 20, sigma=30.0, attenuation=1.0)
    x = torch.ones(1, *physics.image_shape, dtype=torch.float64).expand(50, -1, -1, -1)
    y, step = noisy(physics, x), ConjugateGradients(40, Unweighed())
    weighted = step.direction(x, y, physics)
    plain = step.direction(x, physics.linearize(y).y, physics.projector)
    assert float(weighted.norm()) < 0.8 * float(plain.norm())


STEPS: list[DataStep] = [ConjugateGradients(2), Preconditioned(), LeastSquares()]


@pytest.mark.parametrize("data", STEPS, ids=lambda step: type(step).__name__)
def test_unrolled_and_equivariant_imaging_from_dark_counts(data: DataStep) -> None:
    physics = Transmission(FanBeamCT((1, 12, 12), 10, 20.0), 100.0, 0.3, sigma=30.0)
    x = smooth(physics, 3).float()
    y = noisy(physics, x)
    assert bool((y <= 0).any())
    f = Unrolled(DnCNN(1, width=4, depth=3, seed=0), 2, data=data)
    terms = MeasurementConsistency() + PreconditionedConsistency() + Equivariance(Rotations(4), NOISE)
    value = terms(Evidence(y, physics, torch.arange(3), Draws(0, 0, (0, 1, 2)), 0.5, f))
    value.backward()
    gradients = [weight.grad for weight in f.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) and bool(g.any()) for g in gradients)


def test_total_variation_of_counts() -> None:
    physics = scan(24, 16, attenuation=0.1, photons=1e4, sigma=30.0)
    x = torch.zeros(2, 1, 24, 24, dtype=torch.float64)
    x[0, :, 6:18, 8:14] = 1
    x[1, :, 4:12, 6:18] = 2
    found = TotalVariation(Penalised(0.002)).solve(noisy(physics, x), physics)
    first = physics.A_dagger(noisy(physics, x))
    assert bool(found.converged.all())
    assert relative(found.x, x) < 0.5 * relative(first, x)
    exact = TotalVariation().solve(physics.A(x), physics)
    assert relative(exact.x, x) < 0.02
    alone = TotalVariation(Penalised(0.002)).solve(noisy(physics, x)[:1], physics)
    torch.testing.assert_close(alone.x, found.x[:1], rtol=1e-6, atol=1e-6)


def test_whitened_problems() -> None:
    ct = ParallelBeamCT((1, 6, 6), 5).double()
    y = ct.A(smooth(ct, 2))
    same, itself = linear_problem(y, ct)
    assert same is y and itself is ct
    assert torch.equal(ct.linearize(y).weights, torch.ones_like(y))
    seen, linear = linear_problem(Transmission(ct, 1e3, 0.1).A(smooth(ct, 2)), Transmission(ct, 1e3, 0.1))
    assert linear.samples == 2 and linear.norm() == ct.norm()
    torch.testing.assert_close(linear.A(smooth(ct, 2)), seen)
    with pytest.raises(InputError, match="factors from 0 to 1"):
        Whitened(ct, 2 * torch.ones_like(y))
    with pytest.raises(InputError, match="factors from 0 to 1"):
        Whitened(ct, y[0])
    with pytest.raises(InputError, match="linear physics, which has a null space"):
        NullSpace(DnCNN(1, width=4, depth=3, seed=0))(y, Transmission(ct, 1e3, 0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photons": 0.0}, "photons above 0"),
        ({"attenuation": -1.0}, "attenuation above 0"),
        ({"floor": 0.0}, "floor above 0"),
        ({"floor": 6e4}, "a floor below half of photons"),
        ({"sigma": -1.0}, "sigma of at least 0"),
        ({"sigma": float("nan")}, "sigma of at least 0"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scan(**change)
    with pytest.raises(InputError, match="batch of measurements"):
        scan().linearize(torch.zeros(18, 17))


def test_a_recipe_states_photons_and_attenuation() -> None:
    scanner = {"name": "fan_beam_ct", "image_shape": [1, 12, 12], "angles": 10, "source_distance": 20}
    written = {"name": "transmission", "projector": scanner, "photons": 1e5, "attenuation": 0.0064, "sigma": 30}
    physics = build(written, Physics, "physics", Context())
    assert isinstance(physics, Transmission) and isinstance(physics.projector, FanBeamCT)
    assert (physics.photons, physics.attenuation, physics.sigma) == (1e5, 0.0064, 30.0)


def test_counts_behind_a_turned_image() -> None:
    physics, group = scan(), Rotations(8)
    x, g = smooth(physics, 2), torch.tensor([0, 3])
    turned = in_frame(physics, group, g)
    assert isinstance(turned, Transmission)
    torch.testing.assert_close(turned.A(x), physics.A(group.act(g, x)))
    torch.testing.assert_close(turned.A(x)[:1], physics.A(x)[:1])
    y = noisy(physics, x)
    torch.testing.assert_close(turned.A_dagger(y), group.act(group.inverse(g), physics.A_dagger(y)))
    keep = torch.rand(2, *physics.measurement_shape, generator=torch.Generator().manual_seed(0)) < 0.5
    torch.testing.assert_close(turned.subset(keep).A(x), turned.A(x) * keep)


def test_hidden_views_of_counts_are_compared_as_line_integrals_with_their_weights() -> None:
    physics = scan(sigma=30.0, floor=30.0)
    x = smooth(physics, 2)
    other = 1.1 * x

    def f(y: Tensor, physics: Physics, start: Tensor | None = None, draws: Draws | None = None) -> Tensor:
        return other

    y = noisy(physics, x)
    given = Evidence(y, physics, torch.arange(2), Draws(0, 0, (0, 1)), 0.0, f)
    split = RandomLines(0.8, axis=1)
    found = Splitting(split, WeighedSquare())(given)
    keep = split.sample(physics, given.draws.of("splitting"))
    seen = physics.linearize(y)
    weights = torch.where(keep, torch.zeros_like(y), seen.weights)
    mean = weights.flatten(1).mean(1)[:, None, None, None]
    r = (weights / mean).sqrt() * (physics.projector.A(other) - seen.y)
    assert torch.allclose(found, (r * physics.projector.weigh(r)).sum() / other.numel())
    changed = torch.where(keep, 0.5 * y, y)  # what f has seen does not count
    assert torch.allclose(Splitting(split, WeighedSquare())(replace(given, y=changed)), found)


def test_equivariant_splitting_of_counts_trains() -> None:
    physics = scan(sigma=30.0, floor=30.0)
    f = Unrolled(DnCNN(1, width=4, depth=3, seed=0), 2, data=ConjugateGradients(1)).double()
    y = noisy(physics, smooth(physics, 2))
    given = Evidence(y, physics, torch.arange(2), Draws(0, 0, (0, 1)), 0.0, f)
    loss = EquivariantSplitting(Rotations(8), RandomLines(0.8, axis=1), WeighedSquare(), kept=0.0)
    loss(given).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in f.parameters())
