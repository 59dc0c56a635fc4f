"""Single gradients that are far longer than the others."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nullsight.losses.base import Evidence
from nullsight.training import Adam, Muon, Settings, train
from nullsight.training.guard import Guard
from nullsight.training.optimisers import Optimiser
from nullsight.training.progress import Silent
from nullsight.types import InputError, Scalar
from tests.cases.training import ToyConsistency, toy, world


@given(st.lists(st.floats(1e-6, 1e6), min_size=20, max_size=60), st.floats(1.5, 20))
def test_the_usual_norm_is_a_geometric_mean_of_those_before(norms: list[float], factor: float) -> None:
    guard = Guard(factor)
    for norm in norms[:20]:
        assert guard.longest == math.inf, "nothing is shortened before the usual norm is known"
        guard.see(norm)
    for norm in norms[20:]:
        longest = guard.longest
        assert factor * min(norms) * 0.999 <= longest <= factor * max(norms) * 1.001
        before = guard.shortened
        guard.see(norm)
        assert guard.shortened - before == (norm > longest)


def test_one_spike_hardly_moves_it_and_growth_for_good_is_let_through() -> None:
    guard = Guard(5.0)
    for _ in range(100):
        guard.see(1.0)
    guard.see(1e30)
    assert guard.longest == pytest.approx(5.0, rel=0.05)
    for _ in range(300):
        guard.see(100.0)
    assert guard.longest > 100.0


@pytest.mark.parametrize("norm", [0.0, math.inf, math.nan])
def test_nothing_is_learned_from_zeros_or_what_is_not_finite(norm: float) -> None:
    guard = Guard(5.0, steps=30, logarithm=1.0)
    before = guard.state_dict()
    guard.see(norm)
    assert guard.state_dict() == before


class Spiking(ToyConsistency):
    """The plain loss, at one call a million times larger."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def forward(self, evidence: Evidence) -> Scalar:
        self.calls += self.training
        return super().forward(evidence) * (1e6 if self.calls == self.at else 1.0)


@pytest.mark.parametrize("optimiser", [Adam(1e-2), Muon(0.01)])
def test_a_training_survives_a_spike(optimiser: Optimiser) -> None:
    def trained(at: int, clip: float) -> Tensor:
        f, settings = toy(), Settings(steps=80, batch_size=2, clip_spikes=clip, optimiser=optimiser)
        train(f, world().data, Spiking(at), settings, display=Silent())
        return torch.cat([p.detach().flatten() for p in f.parameters()])

    plain, guarded, free = trained(0, 5.0), trained(40, 5.0), trained(40, math.inf)
    assert float((guarded - plain).norm()) < 0.3 * float((free - plain).norm())


def test_a_factor_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="clip_spikes above 1"):
        Settings(steps=1, clip_spikes=1.0)
