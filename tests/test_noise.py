"""Statistics, gradients and streams of the noise models."""

import pytest
import torch

from nullsight.draws import Draws
from nullsight.noise import TABLE, Gaussian, Noise, Noiseless, Poisson, PoissonGaussian, UnknownNoise
from nullsight.types import InputError
from tests.cases.noise import NOISE

MODELS = NOISE
IDS = tuple(range(4))


def stream(term: str = "noise", ids: tuple[int, ...] = IDS) -> object:
    return Draws(7, 0, ids).of(term)


@pytest.mark.parametrize("noise", MODELS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("level", [0.0, 0.5, 20.0])
def test_mean_and_variance(noise: Noise, dtype: torch.dtype, level: float) -> None:
    clean = torch.full((4, 50_000), level, dtype=dtype)
    noisy = noise.sample(clean, stream())
    expected = float(noise.variance(clean).mean())
    assert noisy.dtype == dtype
    count = noisy.numel()
    assert abs(float(noisy.mean()) - level) <= 5 * (expected / count) ** 0.5 + 1e-6
    # the variance of a variance is (kurtosis - 1) var^2 / count; 8 covers few counts
    assert float(noisy.double().var()) == pytest.approx(expected, rel=5 * (8 / count) ** 0.5, abs=1e-9)


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_gradient_is_that_of_the_mean_and_not_zero(noise: Noise) -> None:
    clean = torch.rand(4, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.arange(120.0, dtype=torch.float64).reshape(4, 30)
    (noise.sample(clean, stream()) * weights).sum().backward()
    assert clean.grad is not None
    assert torch.equal(clean.grad, weights)


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_negative_measurements_do_not_raise(noise: Noise) -> None:
    clean = torch.linspace(-2, 1, 40).repeat(4, 1).requires_grad_()
    noisy = noise.sample(clean, stream())
    noisy.sum().backward()
    assert bool(torch.isfinite(noisy).all())
    assert bool((noise.variance(clean) >= 0).all())
    if isinstance(noise, Poisson):
        assert torch.allclose(noisy[clean < 0], torch.zeros(()), atol=1e-6)


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_observe_is_zero_outside_what_is_measured(noise: Noise) -> None:
    clean = torch.ones(4, 6)
    measured = torch.tensor([[True, False, True, True, False, True]])
    noisy = noise.observe(clean, measured, stream())
    assert bool((noisy[:, ~measured[0]] == 0).all())
    assert torch.equal(noisy[:, measured[0]], noise.sample(clean, stream())[:, measured[0]])
    assert torch.equal(noise.observe(clean, None, stream()), noise.sample(clean, stream()))


@pytest.mark.parametrize("noise", MODELS[1:], ids=repr)
def test_each_sample_has_its_own_stream(noise: Noise) -> None:
    clean = torch.ones(4, 20)
    whole = noise.sample(clean, stream())
    assert torch.equal(noise.sample(clean, stream()), whole)
    assert torch.equal(noise.sample(clean[2:3], stream(ids=(2,))), whole[2:3])
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(noise.sample(clean, stream("another")), whole)


@pytest.mark.parametrize("mean", [1e30, float("nan")])
def test_means_that_no_count_has_are_one_sentence(mean: float) -> None:
    with pytest.raises(InputError, match="expected mean counts from 0 to 9e18"):
        Poisson(1.0).sample(torch.full((1, 2), mean), Draws(0, 0, (0,)).of("noise"))


def test_poisson_counts_are_whole_multiples_of_the_gain() -> None:
    counts = Poisson(0.25).sample(torch.full((4, 100), 3.0), stream()) / 0.25
    assert torch.allclose(counts, counts.round(), atol=1e-4)


@pytest.mark.parametrize("noise", [Gaussian(0.3), Poisson(0.2), UnknownNoise(0.3), UnknownNoise(0, 0.2)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("level", [0.5, 3.0, 2e4])
def test_likelihood_is_that_of_the_distribution(noise: Noise, dtype: torch.dtype, level: float) -> None:
    clean = torch.full((4, 5), level, dtype=dtype).requires_grad_()
    y = noise.sample(clean.detach(), stream())
    with torch.no_grad():
        gain = float(noise.levels().gain)
    if gain:
        y = 0.2 * (y / 0.2).round()
        expected = torch.distributions.Poisson(torch.tensor(level / 0.2).double()).log_prob((y.double() / 0.2).round())
    else:
        expected = torch.distributions.Normal(level, 0.3).log_prob(y.double())
    found = noise.log_likelihood(y, clean)
    assert found.dtype == dtype
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=0.03 if dtype == torch.float32 else 1e-6)
    (slope,) = torch.autograd.grad(found.sum(), clean)
    assert torch.allclose(slope.double(), (y - clean.detach()).double() / noise.variance(clean).double(), rtol=1e-3)


def test_likelihood_of_what_cannot_be() -> None:
    y = torch.tensor([[0.0, 0.0, 2.0, 2.0, -1.0]])
    clean = torch.tensor([[0.0, -1.0, 0.0, -1.0, 2.0]], requires_grad=True)
    found = Poisson(1.0).log_likelihood(y, clean)
    assert found.tolist() == [[0.0, 0.0, *[-float("inf")] * 3]]
    assert torch.equal(torch.autograd.grad(found.sum(), clean)[0], torch.zeros(1, 5))
    assert bool(Poisson(1.0).log_likelihood(y, torch.full((1, 5), float("nan"))).isnan()[0, :4].all())
    for noise in (Noiseless(), Gaussian(0.0), PoissonGaussian(1.0, 1.0), UnknownNoise(1.0, 1.0)):
        with pytest.raises(InputError, match="expected"):
            noise.log_likelihood(y, clean)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gaussian(-1.0),
        lambda: Gaussian(float("inf")),
        lambda: Gaussian(float("nan")),
        lambda: Poisson(0.0),
        lambda: Poisson(float("inf")),
        lambda: PoissonGaussian(1.0, -0.1),
        lambda: UnknownNoise(float("nan")),
        lambda: UnknownNoise(1.0, float("inf")),
    ],
)
def test_senseless_levels_are_refused(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]


def test_table() -> None:
    assert {type(noise) for noise in MODELS} == set(TABLE.values())
