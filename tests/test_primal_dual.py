"""The primal-dual method: certificates, independence of samples, stopping."""

import pytest
import torch

from nullsight.constraints import AnyValue, NonNegative
from nullsight.linalg import inner
from nullsight.physics import Inpainting, MatrixOperator, ParallelBeamCT, bernoulli_mask, gaussian_matrix
from nullsight.reconstructors import (
    Exact,
    Penalised,
    PrimalDual,
    Problem,
    Separate,
    Unweighed,
    WhereKnown,
    Within,
)
from nullsight.reconstructors.fits import Fit
from nullsight.reconstructors.primal_dual import _begin
from nullsight.reconstructors.problems import brightness
from nullsight.reconstructors.variation import Variation
from nullsight.types import InputError

PHYSICS = {
    "mask": lambda: Inpainting((1, 8, 7), bernoulli_mask((8, 7), 0.6, seed=0)),
    "mask_each": lambda: Inpainting((1, 8, 7), torch.stack([bernoulli_mask((1, 8, 7), 0.6, seed=s) for s in range(3)])),
    "matrix": lambda: MatrixOperator((1, 20), gaussian_matrix(12, 20, seed=0)),
    "ct": lambda: ParallelBeamCT((1, 12, 12), 6),
}
FITS: dict[str, Fit] = {"exact": Exact(), "penalised": Penalised(0.02), "within": Within(0.3)}


def problem(name, fit, constraint=None):
    physics = PHYSICS[name]().double()
    x = torch.rand(3, *physics.image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(-1)
    y = physics.A(x)
    first = physics.A_dagger(y)
    return Problem(
        y, physics, Variation(Separate()), fit, constraint or NonNegative(), WhereKnown(), brightness(first)
    ), first  # fmt: skip


@pytest.mark.parametrize("name", PHYSICS)
@pytest.mark.parametrize("fit", FITS)
def test_steps_keep_the_scheme_within_its_norm(name, fit):
    """|S^(1/2) M T^(1/2)| <= 1 for M = [[K, 0], [A, I]], by power iteration on T M^T S M."""
    one, start = problem(name, FITS[fit])
    state = _begin(one.in_units(), start, PrimalDual(1, 0.0))
    sigma = PrimalDual(1, 0.0).sigma
    x, e = torch.rand_like(start), torch.rand_like(one.y) * float(one.fit.allows_error)
    tau, tau_e, rho = (v.reshape(-1, *[1] * (start.ndim - 1)) for v in (state.tau, state.tau_e, state.rho))
    tau_e, rho = (v.reshape(-1, *[1] * (one.y.ndim - 1)) for v in (tau_e, rho))
    for _ in range(200):
        size = (inner(x, x).flatten() + inner(e, e).flatten()).sqrt()
        x, e = x / size.reshape(-1, *[1] * (x.ndim - 1)), e / size.reshape(-1, *[1] * (e.ndim - 1))
        p, r = sigma * one.regulariser.analyse(x), rho * state.weigh(one.physics.A(x) + e)
        x, e = tau * (one.regulariser.synthesise(p) + one.physics.A_adjoint(r)), tau_e * r
        e = e * float(one.fit.allows_error)
    top = (inner(x, x).flatten() + inner(e, e).flatten()).sqrt()
    assert float(top.min()) > 0.3 and float(top.max()) <= 1


@pytest.mark.parametrize("name", PHYSICS)
@pytest.mark.parametrize("fit", FITS)
def test_duality_gap_closes(name, fit):
    """The dual variables bound the objective from below, and the image nearly reaches the bound.

    For any r, and p within the unit balls: min over images between 0 and some bound of <K^T p + A^T r, x>, plus min
    over e of h(e) + <r, e>, minus <r, y>. The bound on images here is twice the largest value of the solution.
    """
    one, start = problem(name, FITS[fit])
    method, unit = PrimalDual(1200, 0.0), one.in_units()
    state = _begin(unit, start / one.scale.reshape(-1, *[1] * (start.ndim - 1)), method)
    for _ in range(1200):
        new = state.step(method)
        state.go_on(new, method.relaxation)
    x, r, p = new.x, new.r, new.p
    assert float(one.regulariser.settle(p, 1.0).sub(p).abs().max()) < 1e-12
    slack = one.regulariser.synthesise(p) + one.physics.A_adjoint(r)
    lowest = (slack.clamp_max(0) * 2 * x.amax()).flatten(1).sum(1)
    ry = (r * unit.y).flatten(1).sum(1)
    e = unit.y - one.physics.A(x)
    if fit == "penalised":
        scale = 0.02 * one.physics.norm() ** 2
        h, conjugate = (e.flatten(1).square().sum(1) / (2 * scale), r.flatten(1).square().sum(1) * scale / 2)
    elif fit == "within":
        h, conjugate = 0.0, 0.3 / one.scale * r.flatten(1).norm(dim=1)
    else:
        h, conjugate = 0.0, 0.0
    primal, dual = one.regulariser.value(x) + h, lowest - ry - conjugate
    torch.testing.assert_close(primal, dual, rtol=0.06, atol=1e-7)


@pytest.mark.parametrize("name", PHYSICS)
@pytest.mark.parametrize("fit", FITS)
def test_samples_do_not_see_each_other(name, fit):
    one, start = problem(name, FITS[fit], AnyValue())
    method = PrimalDual(150, 3e-2)
    together = method.solve(one, start)
    for i in range(3):
        rows = torch.tensor([i])
        alone = method.solve(one.take(rows), start[rows])
        assert int(alone.iterations) == int(together.iterations[i])
        torch.testing.assert_close(alone.x[0], together.x[i], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(alone.residual[0], together.residual[i], rtol=1e-3, atol=1e-12)


def test_samples_stop_each_by_its_own_residual():
    one, start = problem("mask", Exact())
    one.y[0] = 0
    start[0] = 0
    tight, loose = (PrimalDual(3000, tolerance).solve(one, start) for tolerance in (1e-4, 1e-2))
    for found, tolerance in ((tight, 1e-4), (loose, 1e-2)):
        assert bool(found.converged.all()) and float(found.residual.max()) <= tolerance
        assert int(found.iterations[0]) == 10 and int(found.iterations[1:].min()) > 10
    assert bool((loose.iterations <= tight.iterations).all())
    short = PrimalDual(7, 1e-6).solve(one, start)
    assert short.converged.tolist() == [True, False, False]
    assert short.iterations.tolist() == [7, 7, 7]


def test_nothing_given_is_changed():
    one, start = problem("ct", Penalised(0.01), AnyValue())
    kept = one.y.clone(), start.clone(), one.scale.clone()
    PrimalDual(30, 0.0).solve(one, start)
    assert all(torch.equal(a, b) for a, b in zip(kept, (one.y, start, one.scale), strict=True))


def test_error_left_is_the_one_allowed():
    one, start = problem("ct", Within(0.3))
    plain = Problem(
        one.y, one.physics, one.regulariser, one.fit, one.constraint, Unweighed(), one.scale
    )  # fmt: skip
    for each in (one, plain):
        found = PrimalDual(6000, 1e-5).solve(each, start)
        wrong = (one.physics.A(found.x) - one.y).flatten(1).norm(dim=1)
        torch.testing.assert_close(wrong, torch.full_like(wrong, 0.3), rtol=1e-3, atol=0)


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"tolerance": -1.0}, {"relaxation": 2.0}, {"sigma": 0.0}])
def test_refused(wrong):
    with pytest.raises(InputError):
        PrimalDual(**{"iterations": 10, "tolerance": 1e-3, **wrong})
