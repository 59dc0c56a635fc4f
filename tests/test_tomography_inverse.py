"""The approximate inverse of parallel-beam CT: windows, the ramp, its stated error, least squares weighted by it."""

from math import pi

import pytest
import torch

from nullsight.contracts.physics import assert_dagger, assert_gradient
from nullsight.draws import Draws
from nullsight.physics import LeastSquares, MatrixOperator, ParallelBeamCT, WeightedLeastSquares
from nullsight.physics.ensembles import white
from nullsight.physics.filters import TABLE, Hann, Ramp, filter_views, ramp_response
from nullsight.types import InputError
from tests.cases.sinograms import ellipse_image, relative, smooth


@pytest.mark.parametrize("window", [kind() for kind in TABLE.values()], ids=list(TABLE))
def test_windows(window: Ramp) -> None:
    frequency = torch.linspace(0, 1, 101, dtype=torch.float64)
    value = window(frequency)
    assert float(value[0]) == pytest.approx(1)
    assert bool((value.diff() <= 1e-12).all()) and float(value[-1]) >= -1e-12
    physics = ParallelBeamCT((1, 24, 24), 40, window=window)
    assert assert_dagger(physics) > 0
    assert_gradient(physics)
    noise = white(physics.measurement_shape, Draws(0, 0, (0,)).of("n"))
    plain = ParallelBeamCT((1, 24, 24), 40).double().A_dagger(noise).norm()
    assert float(physics.double().A_dagger(noise).norm()) <= float(plain) * (1 + 1e-6)


def test_the_ramp_keeps_the_mean_and_does_not_wrap() -> None:
    response = ramp_response(50, 0.5, Ramp())
    assert response.shape == (65,)
    assert 0 < float(response[0]) < 0.02 * float(response[-1])
    assert float(response[-1]) == pytest.approx(
        1.0, rel=0.02
    )  # the Nyquist frequency of bins 0.5 apart is 1 per length
    left = torch.zeros(50, dtype=torch.float64)
    left[0] = 1
    out = filter_views(left, response)
    assert float(out[49]) == pytest.approx(-1 / (pi * 49 * 0.5) ** 2 * 0.5, rel=1e-9)
    assert float(filter_views(left, ramp_response(50, 0.5, Hann())).abs().max()) < float(out.abs().max())


@pytest.mark.parametrize("seed", range(6))
def test_the_stated_dagger_error_holds_on_other_draws(seed: int) -> None:
    for physics in (
        ParallelBeamCT((1, 24, 30), 20),
        ParallelBeamCT((1, 24, 24), 20, pixel_size=0.1).subset(torch.arange(20)[:, None].expand(1, 20, 34) < 12),
    ):
        assert assert_dagger(physics, seed=seed + 10) > 0
    scaled = ParallelBeamCT((1, 24, 24), 20, pixel_size=7.0).dagger_error
    assert scaled == pytest.approx(ParallelBeamCT((1, 24, 24), 20).dagger_error, rel=1e-3)


def test_the_weighting_is_symmetric_and_nearly_inverts() -> None:
    physics = ParallelBeamCT((1, 32, 32), 60, spacing=0.9, pixel_size=2.5).double()
    u, v = (white(physics.measurement_shape, Draws(s, 0, (0, 1)).of("u")) for s in (0, 1))
    assert float((physics.weigh(u) * v).sum()) == pytest.approx(float((u * physics.weigh(v)).sum()))
    assert float((physics.weigh(u) * u).sum()) > 0
    x = smooth(physics, 3)
    assert relative(physics.A_adjoint(physics.weigh(physics.A(x))), x) < 0.05


def test_least_squares_is_the_pseudo_inverse() -> None:
    ct = ParallelBeamCT((1, 7, 7), 5).double()
    y = white(ct.measurement_shape, Draws(0, 0, (0, 1)).of("y"))
    exact = (y.flatten(1) @ torch.linalg.pinv(ct.to_matrix(), rtol=1e-9).T).reshape(2, 1, 7, 7)
    assert relative(LeastSquares(ct, iterations=200, tolerance=1e-12).A_dagger(y), exact) < 1e-6


def test_the_weighting_saves_iterations() -> None:
    ct = ParallelBeamCT((1, 48, 48), 40).double()
    x = ellipse_image(48, 48, 2 / 48)
    y = ct.A(x)
    plain, weighted = LeastSquares(ct, 10), WeightedLeastSquares(ct, 5)
    assert relative(weighted.A_dagger(y), x) < relative(plain.A_dagger(y), x)


def test_least_squares_keeps_the_rest_of_the_operator() -> None:
    ct = ParallelBeamCT((1, 12, 12), 10)
    keep = torch.zeros(2, *ct.measurement_shape, dtype=torch.bool)
    keep[0, :, ::2], keep[1, :, 3:] = True, True
    x = smooth(ct, 2).float()
    for kind in (LeastSquares, WeightedLeastSquares):
        whole = kind(ct, iterations=4)
        part = whole.subset(keep)
        assert type(part) is kind and part.iterations == 4
        assert whole.measured is None and torch.equal(part.measured, keep)
        assert part.samples == 2 and part.repeat(2).samples == 4
        y = part.A(x)
        for i in range(2):
            one = part.take([i])
            assert torch.allclose(one.A(x[i : i + 1]), y[i : i + 1], atol=1e-5)
            assert torch.allclose(one.A_dagger(y[i : i + 1]), part.A_dagger(y)[i : i + 1], atol=1e-4)
        still = torch.zeros_like(y).requires_grad_()
        assert torch.autograd.grad(whole.A_dagger(still[:1]).sum(), still)[0].isfinite().all()
    with pytest.raises(InputError, match="cannot: take LeastSquares"):
        WeightedLeastSquares(MatrixOperator((1, 4), torch.eye(4)))
    with pytest.raises(InputError, match="at least 1 iteration"):
        LeastSquares(ct, 0)
