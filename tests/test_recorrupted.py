"""Two measurements out of one: means, independence, and the loss made of them."""

import pytest
import torch
from torch import Tensor

from nullsight.contracts import assert_unbiased
from nullsight.draws import Draws
from nullsight.losses import Recorrupted
from nullsight.noise import RECORRUPTIONS, Gaussian, GaussianPair, Noise, Poisson, PoissonPair, Recorruption
from nullsight.physics import Inpainting
from nullsight.reconstructors import LinearInverse, RecorruptedAverage
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


class Squared(LinearInverse):
    """A bent f, which remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def _reconstruct(self, y, physics, start, draws):
        assert start is None  # A_dagger y has another noise than what is shown
        self.shown.append(y)
        return physics.A_dagger(y) ** 2


def test_the_average_is_the_mean_over_what_f_makes_of_other_noises() -> None:
    f, physics = Squared(), Inpainting((1, 4, 4), torch.tensor([[1, 1, 0, 1]]).expand(4, 4))
    y = physics.A(torch.rand(2, 1, 4, 4, dtype=torch.float64))
    helped = RecorruptedAverage(f, GaussianPair(0.2, 0.5), count=3000)
    x = helped(y, physics)
    shown = torch.stack(f.shown)
    assert torch.allclose(x, shown.square().mean(0))
    assert not bool(shown[..., 2].any())
    # E (y + t n)^2 = y^2 + t^2 sigma^2 where something is measured
    expected = physics.A(y.square() + 0.5**2 * 0.2**2)
    assert torch.allclose(x, expected, atol=5 * 0.1 * 2 / 3000**0.5)
    # the same noises whatever else is in the batch
    assert torch.allclose(shown[:, 0] - y[0], shown[:, 1] - y[1])
    f.shown.clear()
    assert torch.equal(helped(y, physics, start=torch.zeros_like(y)), x)
    assert not torch.equal(RecorruptedAverage(f, GaussianPair(0.2), 2, seed=1)(y, physics), x)


@pytest.mark.parametrize(("noise", "recorruption"), PAIRS, ids=ids)
def test_the_average_is_nearer_to_the_truth_than_one_pass(noise: Noise, recorruption: Recorruption) -> None:
    physics = Inpainting((1, 20, 20), torch.ones(20, 20))
    x = 1 + torch.rand(8, 1, 20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = noise.sample(physics.A(x), Draws(4, 0, tuple(range(8))).of("noise"))
    errors = [
        float((RecorruptedAverage(LinearInverse(), recorruption, count)(y, physics) - x).square().mean())
        for count in (1, 4, 16)
    ]
    alone = float((y - x).square().mean())
    # for linear f: the noise of y, and what recorrupting adds, over count
    added = errors[0] - alone
    assert added > 0.1 * alone
    for count, error in zip((4, 16), errors[1:], strict=True):
        assert error == pytest.approx(alone + added / count, rel=0.1)


def test_an_average_over_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 recorruption"):
        RecorruptedAverage(LinearInverse(), GaussianPair(0.1), count=0)
