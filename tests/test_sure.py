"""Stein's risk estimate against the true error, in closed form and over many draws."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nullsight.contracts import assert_unbiased
from nullsight.draws import Draws
from nullsight.losses import SURE, CountShifts, Evidence, ExactProduct, FiniteDifference, MeasurementConsistency
from nullsight.losses.divergence import Divergence, signs, skewed
from nullsight.noise import Gaussian, Noise, Noiseless, Poisson, PoissonGaussian, UnknownNoise
from nullsight.types import InputError
from tests.cases.losses import LinearF, M, N, ToyMatrix, draws, evidence, randn, toy_matrix

LEVELS: list[Noise] = [Gaussian(0.3), Poisson(0.2), PoissonGaussian(0.2, 0.3)]
SEEN = torch.tensor([[True, True, False, True]])


class Bent(nn.Module):
    """A nonlinear f: ``W (y + c y^2)``."""

    def __init__(self, weight: Tensor, bend: float) -> None:
        super().__init__()
        self.weight, self.bend = nn.Parameter(weight), bend

    def forward(
        self, y: Tensor, physics: ToyMatrix, *, start: Tensor | None = None, draws: Draws | None = None
    ) -> Tensor:
        return ((y + self.bend * y**2) @ self.weight.T)[:, None]


def positive_problem(seen: Tensor | None = None) -> tuple[ToyMatrix, Tensor]:
    """Return an operator and an image whose measurements are above 0."""
    return ToyMatrix(toy_matrix().abs(), seen), (1 + randn(1, N, seed=2).abs())[:, None]


def nearly() -> LinearF:
    """Return an f that gives most of the measurement back: its error is about that of the noise."""
    return LinearF(0.7 * torch.linalg.pinv(toy_matrix().abs()) + 0.05 * randn(N, M, seed=3))


@pytest.mark.parametrize("noise", LEVELS, ids=repr)
@pytest.mark.parametrize("divergence", [FiniteDifference(), ExactProduct(2)], ids=repr)
@pytest.mark.parametrize("seen", [None, SEEN], ids=["all", "masked"])
def test_the_mean_is_the_error_for_linear_f(noise: Noise, divergence: Divergence, seen: Tensor | None) -> None:
    physics, x = positive_problem(seen)
    assert_unbiased(SURE(noise, divergence), noise, physics, x, nearly())


@pytest.mark.parametrize("noise", LEVELS, ids=repr)
def test_the_bias_of_first_order_for_bent_f_is_what_the_formula_leaves(noise: Noise) -> None:
    physics, x = positive_problem()
    f = Bent(nearly().weight.detach(), 0.1)
    level = noise.levels()
    # h_i(y) - h_i(y - g e_i) = g B_ii (1 + 2 c y_i) - c g^2 B_ii: the derivative leaves the second part out
    diagonal = (physics.matrix[0] @ f.weight).diagonal().detach()
    left = 2 * f.bend * level.gain**2 * float((diagonal * physics.A(x)[0]).mean()) / physics.norm() ** 2
    assert_unbiased(SURE(noise), noise, physics, x, f, bias=left, count=40_000)
    if level.gain:
        with pytest.raises(AssertionError, match="off by"):
            assert_unbiased(SURE(noise), noise, physics, x, f, bias=left + 0.01, count=40_000)


@pytest.mark.parametrize("seen", [None, SEEN], ids=["all", "masked"])
def test_shifts_by_one_count_are_exact_for_bent_f(seen: Tensor | None) -> None:
    physics, x = positive_problem(seen)
    noise, f = Poisson(1.0), Bent(nearly().weight.detach(), 0.05)
    assert_unbiased(SURE(noise, CountShifts(1.0)), noise, physics, x, f)
    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(SURE(noise), noise, physics, x, f)


def test_two_kinds_of_noise_need_the_second_derivatives() -> None:
    physics, x = positive_problem()
    noise, f = PoissonGaussian(1.0, 3.0), Bent(nearly().weight.detach(), 0.05)
    diagonal = (physics.matrix[0] @ f.weight).diagonal().detach()
    unit = physics.norm() ** 2
    left = 2 * f.bend * float((diagonal * physics.A(x)[0]).mean()) / unit
    assert_unbiased(SURE(noise), noise, physics, x, f, bias=left, count=40_000)
    without = 2 * 3.0**2 * 2 * f.bend * float(diagonal.mean()) / unit
    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(SURE(noise), noise, physics, x, f, bias=left + without, count=40_000)


def test_bent_f_has_a_closed_form() -> None:
    f, noise = Bent(randn(N, M, seed=3), 0.2), PoissonGaussian(0.3, 0.7)
    given = evidence(f=f)
    y, matrix = given.y, toy_matrix() @ f.weight
    counted = torch.ones_like(y, dtype=torch.bool)
    b, s = signs(y, counted, given.draws.of("sure probes")), skewed(y, counted, given.draws.of("sure second probes"))
    v = 0.3 * y + 0.7**2
    first = b * (1 + 2 * f.bend * y) * (b @ matrix)
    second = s * (2 * f.bend * s**2 @ matrix.T)
    expected = ((y + f.bend * y**2) @ matrix.T - y).square() - v + 2 * v * first - 2 * 0.3 * 0.7**2 * second
    unit = (given.scale * given.physics.norm()) ** 2
    assert torch.allclose(SURE(noise, ExactProduct())(given) * unit, expected.mean(), rtol=1e-9)


@pytest.mark.parametrize("wrong", [Gaussian(0.4), Poisson(0.2), Noiseless()], ids=repr)
def test_another_noise_than_the_true_one_is_found(wrong: Noise) -> None:
    physics, x = positive_problem()
    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(SURE(wrong), Gaussian(0.3), physics, x, nearly())


def test_without_noise_it_is_consistency() -> None:
    assert torch.equal(SURE(Noiseless())(evidence()), MeasurementConsistency()(evidence()))


@pytest.mark.parametrize("noise", LEVELS, ids=repr)
def test_linear_f_has_a_closed_form(noise: Noise) -> None:
    # one probe an entry would be needed for the trace; signs b give b_i (B b)_i, which is computed here by hand
    given = evidence()
    matrix = toy_matrix() @ given.reconstruct.weight
    b = signs(given.y, torch.ones_like(given.y, dtype=torch.bool), given.draws.of("sure probes"))
    v = noise.variance_from(given.y)
    expected = (given.y @ matrix.T - given.y).square() - v + 2 * v * b * (b @ matrix.T)
    unit = (given.scale * given.physics.norm()) ** 2
    assert torch.allclose(SURE(noise)(given) * unit, expected.mean(), rtol=1e-9)


def test_finite_differences_agree_with_products() -> None:
    given = evidence(f=Bent(randn(N, M, seed=3), 0.2))
    h = partial(_h, given)
    counted = torch.ones_like(given.y, dtype=torch.bool)
    args = (given.y, h(given.y), counted)
    with torch.no_grad():
        exact = ExactProduct(3).diagonal(h, *args, draws().of("p"))
        errors = [
            float((FiniteDifference(step, 3).diagonal(h, *args, draws().of("p")).sum() - exact.sum()).abs())
            for step in (1e-2, 1e-3)
        ]
    assert errors[1] < 0.2 * errors[0] < 0.05 * float(exact.sum().abs())


def _h(given: Evidence, y: Tensor) -> Tensor:
    return given.physics.A(given.reconstruct(y, given.physics))


def test_exact_products_leave_a_gradient_for_the_weights() -> None:
    f = Bent(randn(N, M, seed=3), 0.2)
    value = SURE(Gaussian(0.5), ExactProduct())(evidence(f=f))
    (gradient,) = torch.autograd.grad(value, [f.weight])
    (other,) = torch.autograd.grad(SURE(Gaussian(0.5), FiniteDifference(1e-6))(evidence(f=f)), [f.weight])
    assert torch.allclose(gradient, other, rtol=1e-4)


def test_moments_of_the_probes() -> None:
    many = draws(50_000)
    y, counted = torch.zeros(50_000, 2, dtype=torch.float64), torch.ones(50_000, 2, dtype=torch.bool)
    b, s = signs(y, counted, many.of("a")), skewed(y, counted, many.of("a"))
    for probe, third in ((b, 0.0), (s, 1.0)):
        assert [float(probe.pow(k).mean()) for k in (1, 2, 3)] == pytest.approx([0, 1, third], abs=0.03)


def test_only_measured_entries_count() -> None:
    given = evidence(physics=ToyMatrix(toy_matrix(), SEEN))
    changed = replace(given, y=given.y + 5.0 * ~SEEN)
    f = given.reconstruct
    f.weight.data[:, 2] = 0  # f does not look there either
    assert torch.allclose(SURE(Gaussian(0.3))(given), SURE(Gaussian(0.3))(changed))


def rest(given: Evidence) -> tuple[object, ...]:
    return (given.physics, given.ids, given.draws, given.progress, given.reconstruct)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SURE(Gaussian(1.0), step=0.0),
        lambda: FiniteDifference(0.0),
        lambda: FiniteDifference(probes=0),
        lambda: ExactProduct(0),
        lambda: CountShifts(0.0),
        lambda: UnknownNoise(),
        lambda: UnknownNoise(-1.0, 1.0),
        lambda: UnknownNoise(1.0, learning_rate=0.0),
    ],
)
def test_senseless_settings_are_refused(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]


def test_a_noise_of_another_kind_is_refused_in_a_sentence() -> None:
    class Speckle(Noise):
        def sample(self, clean: Tensor, stream: object) -> Tensor:
            return clean

        def variance(self, clean: Tensor) -> Tensor:
            return clean

    with pytest.raises(InputError, match="Speckle came"):
        SURE(Speckle())(evidence())
    with pytest.raises(InputError, match="closed form"):
        Speckle().log_likelihood(torch.ones(1, 1), torch.ones(1, 1))
