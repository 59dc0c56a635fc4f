"""Every reconstructor keeps its contract, and every check fails on one that does not."""

import pytest
import torch
from torch import nn

from nullsight.contracts.reconstructors import (
    assert_batch_independent,
    assert_consistent,
    assert_deterministic,
    assert_gradients_reach_all_weights,
    assert_runs_on,
    assert_same_shape,
)
from nullsight.networks import DnCNN, FullyConnected, UNet
from nullsight.reconstructors import ArtifactRemoval, Direct, LinearInverse, NullSpace, Unrolled
from nullsight.types import InputError
from tests.cases.reconstructors import RECONSTRUCTORS
from tests.cases.toy_operators import toy_mask, toy_matrix

CASES = [pytest.param(case, id=case.name) for case in RECONSTRUCTORS]
DTYPES = [torch.float32, torch.float64]


def measurements(physics, dtype, batch=3):
    x = torch.rand(batch, *physics.image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return physics.A(x.to(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_contracts(case, dtype):
    f, physics = case.build(0).to(dtype), case.physics().to(dtype)
    y = measurements(physics, dtype)
    f.set_scale(physics.A_dagger(y))
    f.train()
    assert_same_shape(f, y, physics)
    assert_batch_independent(f, y, physics, tolerance=1e-4 if dtype == torch.float32 else 1e-10)
    assert_deterministic(f, y, physics)
    assert_gradients_reach_all_weights(f, y, physics)
    if isinstance(f, NullSpace | LinearInverse):
        assert_consistent(f, y, physics, tolerance=1e-4 if dtype == torch.float32 else 1e-9)
    assert f.training  # left in the mode it was in


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("build", [ArtifactRemoval, NullSpace, Direct, Unrolled])
def test_runs_on_other_masks_and_sizes(build, dtype):
    f = build(UNet(1, 4, 2, seed=0)).to(dtype)
    others = [
        toy_mask(1, 9, 7, seed=1),
        toy_mask(1, 12, 5, seed=2),
        toy_mask(1, 9, 7, samples=4),
        toy_matrix((1, 4, 4), 16),
    ]
    others = [one.to(dtype) for one in others]
    assert_runs_on(f, others[:3] if build is Direct else others)


class Mean(nn.Module):
    def forward(self, x):
        return x - x.mean()


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return x


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.unused = DnCNN(1, 2, 2), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.body(x)


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = DnCNN(1, 2, 2)

    def forward(self, x):
        return x * 1.0 + self.body(x).detach()


class Undefined(nn.Module):
    def forward(self, x):
        return x / x


@pytest.mark.parametrize(
    ("check", "network", "words"),
    [
        (assert_batch_independent, Mean(), "across the batch"),
        (assert_deterministic, Noisy(), "should be the same"),
        (assert_deterministic, Counting(), "it changed network.seen"),
        (assert_gradients_reach_all_weights, Idle(), "unused should get a gradient"),
        (assert_gradients_reach_all_weights, Cut(), "depend on the weights"),
        (assert_consistent, Mean(), "A A_dagger y"),
        (assert_same_shape, Undefined(), "should be finite"),
    ],
)
def test_every_check_can_fail(check, network, words):
    physics = toy_mask(1, 8, 8)
    y = measurements(physics, torch.float32)
    with pytest.raises(AssertionError, match=words):
        check(ArtifactRemoval(network), y, physics)


def test_changed_measurements_are_noticed():
    class Careless(LinearInverse):
        def _reconstruct(self, y, physics, start, draws):
            return y.mul_(1.5) * 0

    physics = toy_mask(1, 8, 8)
    with pytest.raises(AssertionError, match="left alone"):
        assert_deterministic(Careless(), measurements(physics, torch.float32), physics)


def test_a_network_of_one_size_does_not_run_on_another():
    f = ArtifactRemoval(FullyConnected((1, 8, 8), (4,)))
    assert_runs_on(f, [toy_mask(1, 8, 8)])
    with pytest.raises(InputError, match="input_shape"):
        assert_runs_on(f, [toy_mask(1, 6, 8)])
