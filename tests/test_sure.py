"""Stein's risk estimate against the true error, for linear f exactly and over many draws."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.losses import SURE, Evidence, MeasurementConsistency, UnknownNoise
from nullsight.losses.divergence import DIVERGENCES, Divergence, ExactProduct, FiniteDifference, skewed
from nullsight.losses.errors import AsPublished
from nullsight.noise import Gaussian, Noise, Noiseless, Poisson, PoissonGaussian
from tests.cases.losses import BATCH, LinearF, M, N, ToyMatrix, draws, evidence, randn, toy_matrix

COUNT = 20_000
LEVELS: list[Noise] = [Gaussian(0.3), Poisson(0.2), PoissonGaussian(0.2, 0.3)]


class Bent(nn.Module):
    """A nonlinear f: ``W (y + c y^2)``."""

    def __init__(self, weight: Tensor, bend: float) -> None:
        super().__init__()
        self.weight, self.bend = weight, bend

    def forward(self, y: Tensor, physics: ToyMatrix, *, start: Tensor | None = None, draws: Draws | None = None) -> Tensor:
        return ((y + self.bend * y**2) @ self.weight.T)[:, None]


def many(noise: Noise, f: nn.Module, seen: Tensor | None = None) -> tuple[Evidence, Tensor]:
    """Return noisy measurements of one positive signal, many times, and the clean one."""
    matrix = toy_matrix().abs()
    physics = ToyMatrix(matrix, seen)
    x = (1 + randn(1, N, seed=2).abs()).expand(COUNT, N)[:, None]
    clean = physics.A(x)
    ids = tuple(range(COUNT))
    y = noise.observe(clean, physics.measured, Draws(1, 0, ids).of("measurement"))
    return Evidence(y, physics, torch.arange(COUNT), Draws(0, 0, ids), 0.5, f, scale=1.0), clean


def per_sample(loss: SURE, given: Evidence) -> Tensor:
    """Return the estimate of every sample."""
    return torch.stack([loss(given.take([k])) for k in range(200)]) if len(given.y) <= 200 else _blocks(loss, given)


def _blocks(loss: SURE, given: Evidence) -> Tensor:
    size = 100
    return torch.stack([loss(given.take(range(k, k + size))) for k in range(0, len(given.y), size)])


@pytest.mark.parametrize("noise", LEVELS, ids=repr)
@pytest.mark.parametrize("divergence", [FiniteDifference(), ExactProduct()], ids=repr)
@pytest.mark.parametrize("masked", [False, True])
def test_the_mean_is_the_error_against_the_clean_measurement_for_linear_f(
    noise: Noise, divergence: Divergence, masked: bool
) -> None:
    seen = torch.tensor([[True, True, False, True]]) if masked else None
    given, clean = many(noise, LinearF(0.3 * randn(N, M, seed=3)), seen)
    with torch.no_grad():
        estimates = _blocks(SURE(noise, divergence, scaling=AsPublished() if not masked else AsMeasured()), given)
        error = (given.physics.A(given.x1) - clean).square()
        counted = torch.ones_like(clean) if seen is None else seen.expand(clean.shape).to(clean)
        true = ((error * counted).sum(1) / counted.sum(1)).reshape(-1, 100).mean(1)
    gap = estimates - true
    assert abs(float(gap.mean())) < 4 * float(gap.std()) / len(gap) ** 0.5
    assert float(gap.std()) / len(gap) ** 0.5 < 0.05 * float(true.mean()), "the interval says something"
