"""Two measurements out of one: means, independence, and the loss made of them."""

import pytest
import torch
from torch import Tensor

from nullsight.contracts import assert_unbiased
from nullsight.draws import Draws
from nullsight.losses import Recorrupted
from nullsight.noise import RECORRUPTIONS, Gaussian, GaussianPair, Noise, Poisson, PoissonPair, Recorruption
from nullsight.types import InputError
from tests.test_sure import SEEN, Bent, nearly, positive_problem

PAIRS: list[tuple[Noise, Recorruption]] = [
    (Gaussian(0.3), GaussianPair(0.3, 0.7)),
    (Poisson(0.2), PoissonPair(0.2, 0.3)),
]
ids = [type(pair).__name__ for _, pair in PAIRS]


@pytest.mark.parametrize(("noise", "recorruption"), PAIRS, ids=ids)
def test_both_have_the_clean_mean_and_independent_noises(noise: Noise, recorruption: Recorruption) -> None:
    clean, draws = torch.full((4, 50_000), 2.0, dtype=torch.float64), Draws(3, 0, (0, 1, 2, 3))
    y = noise.sample(clean, draws.of("noise"))
    one, two = (part.flatten() - 2.0 for part in recorruption.pair(y, draws.of("pair")))
    count = one.numel()
    for part in (one, two):
        assert abs(float(part.mean())) <= 5 * float(part.std()) / count**0.5
    covariance = float((one * two).mean())
    assert abs(covariance) <= 5 * float((one * two).std()) / count**0.5
    # uncorrelated counts could still depend on each other: their squares do not either
    squares = float((one**2 * two**2).mean() - (one**2).mean() * (two**2).mean())
    assert abs(squares) <= 6 * float((one**2 * two**2).std()) / count**0.5
    assert float(recorruption.excess(y).mean()) == pytest.approx(float(two.var()), rel=0.03)


@pytest.mark.parametrize("seen", [None, SEEN], ids=["all", "masked"])
@pytest.mark.parametrize(("noise", "recorruption"), PAIRS, ids=ids)
def test_the_mean_is_the_error_of_what_f_makes_of_the_first(
    noise: Noise, recorruption: Recorruption, seen: Tensor | None
) -> None:
    # exact for any f, also a bent one
    physics, x = positive_problem(seen)
    loss = Recorrupted(recorruption)
    f = Bent(nearly().weight.detach(), 0.1)
    assert_unbiased(loss, noise, physics, x, f, seen=lambda e: loss.pair(e)[0], count=40_000, width=0.1)


def test_a_wrong_level_is_found() -> None:
    physics, x = positive_problem()
    loss = Recorrupted(GaussianPair(0.6))
    with pytest.raises(AssertionError, match="off by"):
        assert_unbiased(loss, Gaussian(0.3), physics, x, nearly(), seen=lambda e: loss.pair(e)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianPair(0.0),
        lambda: GaussianPair(1.0, 0.0),
        lambda: PoissonPair(0.0),
        lambda: PoissonPair(1.0, 1.0),
    ],
)
def test_senseless_settings_are_refused(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]


def test_values_that_are_no_counts_are_refused() -> None:
    stream = Draws(0, 0, (0,)).of("pair")
    for y in (torch.tensor([[0.5, 1.0]]), torch.tensor([[-1.0, 1.0]]), torch.full((1, 2), float("nan"))):
        with pytest.raises(InputError, match="whole counts"):
            PoissonPair(1.0).pair(y, stream)


@pytest.mark.parametrize("gain", [0.1, 1.0, 3.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_many_counts_pass_and_electronic_noise_on_them_does_not(gain: float, dtype: torch.dtype) -> None:
    clean, draws = gain * torch.logspace(-1, 5, 400, dtype=dtype)[None], Draws(0, 0, (0,))
    y = Poisson(gain).sample(clean, draws.of("noise"))
    one, two = PoissonPair(gain, 0.3).pair(y, draws.of("pair"))
    torch.testing.assert_close(0.7 * one + 0.3 * two, y)
    with pytest.raises(InputError, match="electronic noise"):
        PoissonPair(gain).pair(Gaussian(30 * gain).sample(y, draws.of("more"))[:, 200:].clamp_min(0), draws.of("pair"))


def test_table() -> None:
    assert {type(pair) for _, pair in PAIRS} == set(RECORRUPTIONS.values())
