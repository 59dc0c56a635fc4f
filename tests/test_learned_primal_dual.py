"""The learned primal-dual scheme against its written formula."""

import pytest
import torch
from torch import nn

from nullsight.constraints import NonNegative
from nullsight.networks import BatchNorm, DnCNN, copies
from nullsight.physics import CartesianMRI, ParallelBeamCT, cartesian_mask
from nullsight.reconstructors import LearnedPrimalDual
from nullsight.types import InputError
from tests.cases.toy_operators import ToySaturation, toy_matrix


def networks(steps=2, channels=1, memory=2, seed=0):
    primal = copies(DnCNN((memory + 1) * channels, 4, 3, seed=seed, out_channels=memory * channels), steps)
    dual = copies(DnCNN((memory + 2) * channels, 4, 3, seed=seed + 9, out_channels=memory * channels), steps)
    for network in (*primal, *dual):  # the last layer is nearly 0 at the start
        nn.init.normal_(network.last.weight, 0, 0.1, torch.Generator().manual_seed(seed))
    return primal, dual


def ct():
    physics = ParallelBeamCT((1, 12, 12), 6).double()
    x = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return physics, physics.A(x)


def test_two_steps_are_the_written_formula():
    physics, y = ct()
    primal, dual = networks()
    f = LearnedPrimalDual(primal, dual, memory=2, constraint=NonNegative()).double()
    f.scale.fill_(3.0)
    norm = physics.norm()
    data = y / (3 * norm)
    first = physics.A_dagger(y) / 3
    u, h = torch.cat([first, 0 * first], 1), torch.cat([0 * data, 0 * data], 1)
    for p, d in zip(primal, dual, strict=True):
        h = d(torch.cat([h, physics.A(u[:, :1]) / norm, data], 1))
        u = p(torch.cat([u, physics.A_adjoint(h[:, :1]) / norm], 1))
    torch.testing.assert_close(f(y, physics), (3 * u[:, :1]).clamp_min(0))
    torch.testing.assert_close(f(y, physics, start=3 * first), f(y, physics))


def test_recomputing_changes_no_gradient():
    physics, y = ct()
    gradients = []
    for recompute in (False, True):
        f = LearnedPrimalDual(*networks(), memory=2, recompute=recompute).double()
        f(y, physics).square().sum().backward()
        gradients.append([one.grad for one in f.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_several_channels_and_lines_of_measurements():
    physics = CartesianMRI((2, 8, 8), cartesian_mask((8, 8), 2.0, 0.25, seed=0)).double()
    y = physics.A(torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    f = LearnedPrimalDual(*networks(channels=2), memory=2).double()
    assert f(y, physics).shape == (2, 2, 8, 8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LearnedPrimalDual([], []), "as many dual networks"),
        (lambda: LearnedPrimalDual(networks()[0], networks(3)[1]), "as many dual networks"),
        (lambda: LearnedPrimalDual(*networks(), memory=0), "memory"),
        (lambda: LearnedPrimalDual([networks()[0][0]] * 2, networks()[1]), "came twice"),
        (
            lambda: LearnedPrimalDual([DnCNN(2, 4, 3, norm=BatchNorm())], [DnCNN(3, 4, 3)], memory=1, recompute=True),
            "batch statistics",
        ),
        (
            lambda: LearnedPrimalDual(*networks(), memory=2)(torch.ones(1, 10), toy_matrix((1, 4, 4), 10)),
            "at least 2 axes",
        ),
        (
            lambda: LearnedPrimalDual(*networks(), memory=2)(
                torch.ones(1, 1, 4, 4), ToySaturation((1, 4, 4), (1, 4, 4))
            ),
            "linear physics",
        ),
    ],
)
def test_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
