"""Losses against closed forms, for a linear f and a dense operator, and every loss against the contracts."""

import copy
from dataclasses import fields, replace

import pytest
import torch

from nullsight.losses import (
    ERRORS,
    L1,
    SCALINGS,
    AsPublished,
    Equivariance,
    Evidence,
    Huber,
    Loss,
    MeanSquare,
    MeasurementConsistency,
    OneMinusSSIM,
    PreconditionedConsistency,
    Ramp,
    Supervised,
    mean_error,
)
from nullsight.metrics import ssim
from nullsight.noise import Gaussian, Noiseless, Poisson
from nullsight.types import InputError
from tests.cases.losses import (
    BATCH,
    LinearF,
    M,
    N,
    Roll,
    ToyMatrix,
    draws,
    evidence,
    labelled_evidence,
    randn,
    toy_matrix,
)

DTYPES = [torch.float32, torch.float64]


def test_consistency_is_the_mean_square_over_entries_in_unit_norm() -> None:
    given = evidence(scale=2.0)
    A, F = given.physics.matrix[0], given.reconstruct.weight
    top = torch.linalg.svdvals(A)[0]
    expected = ((given.y @ (A @ F).T - given.y) ** 2).mean() / (2.0 * top) ** 2
    torch.testing.assert_close(MeasurementConsistency()(given), expected, rtol=0.02, atol=0)  # norm(): within 1 %
    exact = MeasurementConsistency()(given) * (2.0 * given.physics.norm()) ** 2
    torch.testing.assert_close(exact, MeasurementConsistency(scaling=AsPublished())(given), rtol=1e-12, atol=0)


def test_consistency_counts_measured_entries_only() -> None:
    seen = torch.tensor([[True, True, False, True], [True, False, False, False], [True] * 4, [True, False] * 2])
    given = evidence(physics=ToyMatrix(toy_matrix(), seen))
    given = replace(given, y=given.y + 7.0 * ~seen)  # what is not measured must not matter
    x1, A = given.x1[:, 0], given.physics.matrix[0]
    square = (((x1 @ A.T) - given.y) ** 2 * seen).sum(1) / seen.sum(1)
    unit = given.scale * given.physics.norm()
    torch.testing.assert_close(MeasurementConsistency()(given), square.mean() / unit**2)
    zeros = replace(given, y=given.y * seen)
    published = ((((x1s := zeros.x1[:, 0]) @ A.T) * seen - zeros.y) ** 2).mean()
    assert x1s.shape == (BATCH, N)
    torch.testing.assert_close(MeasurementConsistency(scaling=AsPublished())(zeros), published)


def test_preconditioned_consistency_is_seen_through_the_inverse_whatever_f_begins_with() -> None:
    given = evidence(scale=2.0)
    A, F = given.physics.matrix[0], given.reconstruct.weight
    inverse = torch.linalg.pinv(A)
    expected = (((given.y @ (A @ F).T - given.y) @ inverse.T) ** 2).mean() / 4.0
    torch.testing.assert_close(PreconditionedConsistency()(given), expected)
    elsewhere = replace(given, start=7.0 * torch.ones_like(given.x1))  # a solver's image, say
    torch.testing.assert_close(PreconditionedConsistency()(elsewhere), expected)


@pytest.mark.parametrize("transforms", [1, 3])
def test_equivariance_is_the_mean_square_of_x3_minus_x2(transforms: int) -> None:
    given = evidence(scale=2.0)
    A, F = given.physics.matrix[0], given.reconstruct.weight
    g = given.turned(group := Roll(), transforms).g
    x1 = given.y @ F.T
    x2 = torch.stack([x1[i % BATCH].roll(int(k)) for i, k in enumerate(g)])
    expected = ((x2 @ (F @ A).T - x2) ** 2).mean() / 4.0
    torch.testing.assert_close(Equivariance(group, transforms=transforms)(given), expected)
    assert len(set(g.tolist())) > 1, "one element for the whole batch"


def test_supervised_is_the_mean_over_the_batch_with_zero_where_no_truth_is() -> None:
    given = labelled_evidence(has=(True, False, False, True))
    square = ((given.x1 - given.x) ** 2).flatten(1).mean(1) / given.scale**2
    torch.testing.assert_close(Supervised()(given), square[[0, 3]].sum() / BATCH)


def test_a_batch_without_any_truth_gives_zero_with_a_gradient() -> None:
    given = labelled_evidence(has=(False,) * 4)
    value = Supervised()(given)
    value.backward()
    assert value.item() == 0
    assert bool((given.reconstruct.weight.grad == 0).all())


@pytest.mark.parametrize("loss", [MeasurementConsistency(), 100 * Equivariance(Roll(), transforms=2)], ids=["mc", "ei"])
@pytest.mark.parametrize("c", [1e-3, 40.0])
def test_alpha_means_the_same_for_every_operator(loss: Loss, c: float) -> None:
    given = evidence()
    rescaled = Evidence(
        c * given.y,
        ToyMatrix(c * toy_matrix()),
        given.ids,
        draws(),
        0.5,
        LinearF(given.reconstruct.weight / c),
        scale=2.0,
    )
    torch.testing.assert_close(loss(rescaled), loss(given))


@pytest.mark.parametrize("loss", [MeasurementConsistency(), 100 * Equivariance(Roll()), MeasurementConsistency(L1())])
@pytest.mark.parametrize("c", [1e-3, 40.0])
def test_alpha_means_the_same_in_every_unit(loss: Loss, c: float) -> None:
    given = evidence()
    torch.testing.assert_close(loss(replace(given, y=c * given.y, scale=c * given.scale)), loss(given))


def test_published_scaling_does_depend_on_the_unit() -> None:
    given, loss = evidence(), MeasurementConsistency(scaling=AsPublished())
    torch.testing.assert_close(loss(replace(given, y=3 * given.y)), 9 * loss(given))


def test_poisson_noise_has_a_gradient_inside_ei() -> None:
    f = LinearF(randn(N, M, seed=3))
    given = evidence(f=f)
    given = replace(given, y=given.y.abs() * 10)
    Equivariance(Roll(), Poisson(0.1))(given).backward()
    noisy = f.weight.grad.clone()
    f.weight.grad = None
    given = replace(given)
    virtual = given.virtual(group := Roll(), Poisson(0.1))
    # with x2 as target held fixed the gradient through y2 = A x2 must be there too
    (through,) = torch.autograd.grad(virtual.x3.sum(), [virtual.y2], retain_graph=True)
    (to_x2,) = torch.autograd.grad(virtual.y2, [virtual.x2], through)
    assert group.order == N
    assert bool((to_x2 != 0).all()) and bool((noisy != 0).any())
    torch.testing.assert_close(to_x2[:, 0], through @ given.physics.matrix[0])


def test_poisson_noise_takes_negative_images() -> None:
    f = LinearF(-randn(N, M, seed=3).abs())
    given = replace(evidence(f=f, physics=ToyMatrix(toy_matrix().abs())), y=torch.ones(BATCH, M, dtype=torch.float64))
    value = Equivariance(Roll(), Poisson(0.1))(given)
    value.backward()
    assert bool((given.x1 < 0).all())
    assert bool(torch.isfinite(value)) and bool((f.weight.grad != 0).any())


def test_errors() -> None:
    a, b = randn(3, 5, seed=0), randn(3, 5, seed=1)
    torch.testing.assert_close(mean_error(MeanSquare(), a, b), torch.nn.functional.mse_loss(a, b))
    torch.testing.assert_close(mean_error(L1(), a, b), torch.nn.functional.l1_loss(a, b))
    for delta in (0.1, 1.0):
        torch.testing.assert_close(mean_error(Huber(delta), a, b), torch.nn.functional.huber_loss(a, b, delta=delta))
    torch.testing.assert_close(mean_error(torch.nn.functional.mse_loss, a, b), torch.nn.functional.mse_loss(a, b))
    torch.testing.assert_close(mean_error(lambda u, v: (u - v).abs().amax(1), a, b), (a - b).abs().amax(1).mean())
    with pytest.raises(InputError, match="per entry"):
        mean_error(lambda u, v: (u - v)[:2], a, b)
    with pytest.raises(InputError, match="delta"):
        Huber(0.0)
    assert set(ERRORS) == {"mean_square", "l1", "huber", "one_minus_ssim"}
    assert set(SCALINGS) == {
        "unit_norm",
        "as_published",
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_minus_ssim_is_differentiable_and_zero_for_the_same_image(dtype: torch.dtype) -> None:
    a, b = (torch.rand((2, 3, 16, 14), generator=torch.Generator().manual_seed(s), dtype=dtype) for s in (0, 1))
    torch.testing.assert_close(mean_error(OneMinusSSIM(), a, a), torch.zeros((), dtype=dtype), atol=1e-6, rtol=0)
    a.requires_grad_()
    value = mean_error(OneMinusSSIM(), a, b)
    torch.testing.assert_close(value.detach(), (1 - ssim(a.detach(), b, data_range=1.0)).mean())
    (gradient,) = torch.autograd.grad(value, [a])
    assert bool(torch.isfinite(gradient).all()) and gradient.dtype == dtype
    assert mean_error(OneMinusSSIM(), a.detach() - 0.1 * gradient / gradient.abs().max(), b) < value.detach()


def test_masked_error_ignores_what_is_not_counted_even_nan() -> None:
    a, b = randn(2, 3, seed=0), randn(2, 3, seed=1)
    counted = torch.tensor([[True, False, True]])
    a[:, 1] = torch.nan
    kept = [0, 2]
    torch.testing.assert_close(mean_error(MeanSquare(), a, b, counted), ((a - b)[:, kept] ** 2).mean())


def test_ramp_raises_the_weight_and_a_term_of_weight_zero_is_not_computed() -> None:
    f = LinearF(randn(N, M, seed=3))
    loss = MeasurementConsistency() + Ramp(0, 100, end=0.2) * Equivariance(Roll())
    at = {p: replace(evidence(f=f), progress=p) for p in (0.0, 0.1, 0.2, 1.0)}
    f.calls = 0
    assert set(loss.values(at[0.0])) == {"MeasurementConsistency"} and f.calls == 1
    for progress, weight in ((0.1, 50.0), (0.2, 100.0), (1.0, 100.0)):
        values = loss.values(at[progress])
        expected = values["MeasurementConsistency"] + weight * values["Equivariance"]
        torch.testing.assert_close(loss.total(values, at[progress]), expected)
    torch.testing.assert_close((2 * loss)(at[0.1]), 2 * loss(at[0.1]))


def test_all_weights_zero_is_zero_with_a_gradient() -> None:
    given = replace(evidence(), progress=0.0)
    value = (Ramp(0, 1) * Equivariance(Roll()))(given)
    value.backward()
    assert value.item() == 0 and bool((given.reconstruct.weight.grad == 0).all())


def test_bad_ramps_are_refused() -> None:
    with pytest.raises(InputError, match="begin < end"):
        Ramp(0, 1, begin=0.5, end=0.5)
    with pytest.raises(InputError, match="one ramp"):
        Ramp(0, 1) * (Ramp(0, 1) * Equivariance(Roll()))
    with pytest.raises(InputError, match="transform"):
        Equivariance(Roll(), transforms=0)


def test_names_are_unique_and_say_what_differs() -> None:
    class Turns(Roll):
        pass

    class Equivariance2(MeasurementConsistency):
        pass

    assert (MeasurementConsistency() + 100 * Equivariance(Roll())).names == ["MeasurementConsistency", "Equivariance"]
    different = Equivariance(Roll()) + Equivariance(Turns())
    assert different.names == ["Equivariance(Roll)", "Equivariance(Turns)"]
    alike = Equivariance(Roll()) + Equivariance(Roll()) + Equivariance(Turns())
    assert alike.names == ["Equivariance(Roll)1", "Equivariance(Roll)2", "Equivariance(Turns)"]
    tricky = Plain() + Plain() + type("Plain1", (Plain,), {})()
    assert len(set(tricky.names)) == 3
    assert (Equivariance2() + Equivariance(Roll())).names == ["Equivariance2", "Equivariance"]


class Plain(Loss):
    def forward(self, evidence: Evidence) -> torch.Tensor:
        return evidence.x1.square().mean()


def test_weights_are_logged_unweighted_and_summed_weighted() -> None:
    given = evidence()
    loss = 3 * (MeasurementConsistency() + 10 * Plain())
    values = loss.values(given)
    torch.testing.assert_close(loss(given), 3 * values["MeasurementConsistency"] + 30 * values["Plain"])


def test_losses_leave_no_trace_in_themselves() -> None:
    loss, given = MeasurementConsistency() + 10 * Equivariance(Roll(), Gaussian(0.1)), evidence()
    before = copy.deepcopy(loss.state_dict())
    assert loss(given).item() == loss(replace(given)).item()
    assert loss.state_dict() == before and not list(loss.parameters())
    assert {f.name for f in fields(Noiseless())} == set()
