"""Stein's risk estimate in a norm made of inverse variances and of the operator's own weighting."""

import pytest
import torch
from torch import Tensor

from nullsight.contracts import assert_unbiased
from nullsight.draws import Draws
from nullsight.losses import SURE, Evidence, ExactProduct, FiniteDifference, MeasurementConsistency, WeightedSURE
from nullsight.noise import Gaussian, Noise, Noiseless, Poisson, PoissonGaussian, UnknownNoise
from nullsight.physics import ParallelBeamCT, Transmission
from nullsight.physics.weightings import Unweighed, Weighting, WhereKnown
from nullsight.reconstructors import LinearInverse
from nullsight.types import InputError
from tests.cases.losses import M, ToyMatrix, evidence, randn
from tests.cases.sinograms import smooth
from tests.test_sure import SEEN, Bent, nearly, positive_problem

COUNTS: list[Noise] = [Poisson(0.002), PoissonGaussian(0.002, 0.1)]  # thousands of counts: the first order is all


class Weighing(ToyMatrix):
    """A toy operator with a weighting that mixes measurements; what is not measured stays out of it."""

    def weigh(self, y: Tensor) -> Tensor:
        root = torch.eye(M, dtype=y.dtype) + 0.4 * randn(M, M, seed=9, dtype=y.dtype)
        return self.seen * ((self.seen * y) @ (root @ root.T))


def problem(seen: Tensor | None = None) -> tuple[Weighing, Tensor]:
    physics, x = positive_problem(seen)
    return Weighing(physics.matrix, seen), x


@pytest.mark.parametrize("noise", [Gaussian(0.3), *COUNTS], ids=repr)
@pytest.mark.parametrize("weighting", [Unweighed(), WhereKnown()], ids=repr)
@pytest.mark.parametrize("seen", [None, SEEN], ids=["all", "masked"])
def test_the_mean_is_the_weighed_error(noise: Noise, weighting: Weighting, seen: Tensor | None) -> None:
    physics, x = problem(seen)
    loss = WeightedSURE(noise, weighting=weighting)
    assert_unbiased(loss, noise, physics, x, nearly(), error=loss.error)


def test_the_mean_is_the_weighed_error_for_bent_f_too() -> None:
    physics, x = problem()
    loss = WeightedSURE(COUNTS[0], ExactProduct())
    assert_unbiased(loss, COUNTS[0], physics, x, Bent(nearly().weight.detach(), 0.02), error=loss.error)


@pytest.mark.parametrize("wrong", [Poisson(0.03), PoissonGaussian(0.02, 0.3)], ids=repr)
def test_another_noise_than_the_true_one_is_found(wrong: Noise) -> None:
    physics, x = problem()
    loss = WeightedSURE(wrong)
    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(loss, Poisson(0.02), physics, x, nearly(), error=loss.error)


def test_few_counts_need_the_sum_for_weights_that_are_noisy_themselves() -> None:
    # with W = I it is a comparison with one count more: without it the mean would be off by far
    noise, (physics, x) = Poisson(0.2), positive_problem()
    loss = WeightedSURE(noise, weighting=Unweighed(), floor=1e-3)
    assert_unbiased(loss, noise, physics, x, nearly(), error=loss.error, width=0.1, bias=0.0, count=5_000)

    def late(given: Evidence, clean: Tensor) -> Tensor:
        return loss.error(given, clean + noise.gain)

    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(loss, noise, physics, x, nearly(), error=late, width=0.1, count=5_000)


def test_alike_variances_and_no_weighting_are_plain_sure() -> None:
    given = evidence()
    plain, weighed = SURE(Gaussian(0.3)), WeightedSURE(Gaussian(0.3))
    assert torch.allclose(weighed(given), plain(given), rtol=1e-9)
    (one,) = torch.autograd.grad(plain(given), [given.reconstruct.weight], retain_graph=True)
    (other,) = torch.autograd.grad(weighed(given), [given.reconstruct.weight])
    assert torch.allclose(one, other, rtol=1e-6)


def test_without_noise_it_is_consistency() -> None:
    assert torch.allclose(WeightedSURE(Noiseless())(evidence()), MeasurementConsistency()(evidence()), rtol=1e-9)


def test_with_one_count_more_is_what_is_compared() -> None:
    given, gain = evidence(physics=ToyMatrix(positive_problem()[0].matrix)), 1e-3
    given = Evidence(given.y.abs() + 1, *rest(given))
    noise, q = Poisson(gain), given.reconstruct
    loss = WeightedSURE(noise, weighting=Unweighed())
    h, v = given.measured_again, gain * given.y
    w = gain * given.y.mean(1, keepdim=True) / v
    diagonal = loss._diagonal(given) / w
    expected = (w * ((h - given.y).square() - 2 * gain * (h - given.y) - v + 2 * v * diagonal)).mean()
    unit = (given.scale * given.physics.norm()) ** 2
    assert torch.allclose(loss(given) * unit, expected, rtol=1e-9) and q.calls > 0


def rest(given: Evidence) -> tuple[object, ...]:
    return (given.physics, given.ids, given.draws, given.progress, given.reconstruct, None, None, given.scale)


def scan(**changed: float) -> Transmission:
    return Transmission(ParallelBeamCT((1, 16, 16), 20), photons=1e5, attenuation=0.03, sigma=30.0, **changed).double()


def seen_of(physics: Transmission, y: Tensor, f: object, seed: int = 0) -> Evidence:
    ids = tuple(range(len(y)))
    return Evidence(y, physics, torch.tensor(ids), Draws(seed, 0, ids), 0.0, f)


def test_under_the_ramp_it_is_about_the_error_of_the_image() -> None:
    """Whatever the frequency of the error: plain SURE counts details less, by what tomography dampens."""
    physics, noise = scan(), Gaussian(1e-6)  # next to no noise: the estimate is the error
    x = 0.01 * smooth(physics, 1)  # hardly attenuated, so that all counts weigh about alike
    stripes = torch.cos(torch.arange(16, dtype=torch.float64) * 1.4).expand(16, 16)
    coarse = torch.cos(torch.arange(16, dtype=torch.float64) * 0.5).expand(16, 16)
    ratios = []
    for loss in (WeightedSURE(noise), SURE(noise)):
        values = []
        for pattern in (coarse, stripes):
            inside = 1e-3 * pattern * smooth(physics, 1)[0, 0]
            wrong = x + inside

            def off(y: Tensor, physics: Transmission, wrong: Tensor = wrong, **kept: object) -> Tensor:
                return wrong + 0 * y.sum()

            values.append(float(loss(seen_of(physics, physics.A(x), off))) / float(inside.square().mean()))
        ratios.append(values)
    under, plain = ratios
    assert all(0.5 < value < 1.6 for value in under), under
    assert plain[1] / plain[0] < 0.6 * under[1] / under[0], (plain, under)


def test_low_dose_counts_have_finite_steps_and_a_mean_that_is_the_error() -> None:
    noise, physics = PoissonGaussian(1.0, 30.0), scan(floor=30.0)
    loss = WeightedSURE(noise)
    x = smooth(physics, 1)
    assert_unbiased(loss, noise, physics, x, LinearInverse(), error=loss.error, count=400, width=0.3)
    zero = torch.zeros(1, *physics.measurement_shape, dtype=torch.float64)
    for y in (zero, zero - 100):
        assert bool(torch.isfinite(loss(seen_of(physics, y, LinearInverse()))))


def test_an_unknown_level_is_learned_against_the_weighed_sum() -> None:
    noise = UnknownNoise(0.3, 0.1)
    loss = WeightedSURE(noise, FiniteDifference())
    [player] = loss.players()
    assert player.module is noise and not loss.chooses and set(loss.learned) == {"gain", "sigma"}
    given = evidence()
    loss(given)
    gradient = torch.autograd.grad(player.objective(given), [noise.growth])[0]
    assert bool(gradient.isfinite().all()) and bool((gradient != 0).any())


def test_refused() -> None:
    with pytest.raises(InputError, match="floor above 0"):
        WeightedSURE(Gaussian(0.1), floor=0.0)
    assert WeightedSURE(Gaussian(0.1)).detail == "Gaussian"
