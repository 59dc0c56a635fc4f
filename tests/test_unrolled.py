"""Unrolled reconstructors against their written formulas."""

import pytest
import torch
from torch import nn

from nullsight.networks import DnCNN, copies
from nullsight.networks.norms import BatchNorm
from nullsight.reconstructors import (
    ArtifactRemoval,
    LeastSquares,
    Preconditioned,
    TwoInputs,
    Unrolled,
    UnrolledUntied,
)
from nullsight.types import InputError
from tests.cases.networks import NETWORKS
from tests.cases.toy_operators import ToySaturation, count, images, toy_mask, toy_matrix


@pytest.mark.parametrize("data", [LeastSquares(), Preconditioned()])
def test_unrolled_with_identity_networks_converges_to_least_squares(data):
    physics = toy_matrix((1, 4, 4), 10).double()
    y = torch.randn(3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = physics.to_matrix()
    wanted = (y @ torch.linalg.pinv(matrix).T).reshape(3, 1, 4, 4)  # start is in the range of A^T, so stays there
    f = Unrolled(nn.Identity(), 150, data=data).double()
    if isinstance(data, Preconditioned):
        with torch.no_grad():
            f.log_tau.fill_(-1.0)  # the toy's A_dagger overshoots
    torch.testing.assert_close(f(y, physics), wanted, rtol=1e-6, atol=1e-8)


def test_one_unrolled_step_is_the_written_formula():
    physics = toy_matrix((1, 4, 4), 10).double()
    y = physics.A(images(physics))
    network = DnCNN(1, 4, 3, seed=0).double()
    f = Unrolled(network, 1).double()
    with torch.no_grad():
        f.log_tau.fill_(0.3)
    f.scale.fill_(2.0)
    u = physics.A_dagger(y)
    u = u - 2.718281828459045**0.3 / physics.norm() ** 2 * physics.A_adjoint(physics.A(u) - y)
    torch.testing.assert_close(f(y, physics), 2 * network(u / 2))


def test_two_inputs_are_the_iterate_and_its_gradient():
    class Both(nn.Module):
        def forward(self, x):
            return x[:, :1] - x[:, 1:]

    physics = toy_matrix((1, 4, 4), 10).double()
    y = physics.A(images(physics))
    both, plain = Unrolled(Both(), 4, form=TwoInputs()), Unrolled(nn.Identity(), 4)
    torch.testing.assert_close(both.double()(y, physics), plain.double()(y, physics))


def test_steps_are_positive_and_start_at_the_natural_length():
    f = Unrolled(nn.Identity(), 3)
    assert torch.equal(f.tau, torch.ones(3))
    with torch.no_grad():
        f.log_tau.copy_(torch.tensor([-20.0, 0.0, 3.0]))
    assert bool((f.tau > 0).all())


def test_tied_weights_are_stored_once_and_untied_ones_each():
    network = DnCNN(1, 4, 3, seed=0)
    tied, untied = Unrolled(network, 4), UnrolledUntied(copies(network, 4))
    assert count(tied) == count(network) + 4
    assert count(untied) == 4 * count(network) + 4
    assert len(tied.state_dict()) == len(network.state_dict()) + 2
    first, second = untied.networks[:2]
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_untied_refuses_one_network_twice():
    network = DnCNN(1, 4, 3)
    with pytest.raises(InputError, match="or tie all steps in Unrolled"):
        UnrolledUntied([network, network])
    with pytest.raises(InputError, match="at least 1 step"):
        UnrolledUntied([])


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_nonlinear_gradient_is_the_written_one(mode):
    physics = ToySaturation((1, 6, 6), (1, 6, 6))
    with mode():
        u, y = images(physics), 0.5 * images(physics, seed=1)
        got = LeastSquares().direction(u, y, physics)
        wanted = (1 - torch.tanh(u) ** 2) * (torch.tanh(u) - y)
        torch.testing.assert_close(got, wanted)


def test_nonlinear_gradient_is_differentiable():
    physics = ToySaturation((1, 2, 2), (1, 2, 2))
    u, y = images(physics, 1).requires_grad_(), 0.5 * images(physics, 1, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda u, y: LeastSquares().direction(u, y, physics), (u, y))


def test_nonlinear_unrolling_inverts_the_detector():
    physics = ToySaturation((1, 6, 6), (1, 6, 6))
    x = images(physics)
    torch.testing.assert_close(Unrolled(nn.Identity(), 200).double()(physics.A(x), physics), x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "case", [case for case in NETWORKS if case.image_shape == case.output_shape], ids=lambda c: c.name
)
def test_unrolled_takes_any_image_network(case):
    physics = toy_mask(*case.image_shape)
    y = physics.A(images(physics).float())
    assert Unrolled(case.build(0), 2)(y, physics).shape == y.shape


def test_a_first_image_that_is_learned_sees_the_scale_too():
    physics = toy_matrix((1, 4, 4), 10).double()
    y = physics.A(images(physics))
    inner = ArtifactRemoval(DnCNN(1, 4, 3, seed=0))
    f = Unrolled(DnCNN(1, 4, 3, seed=1), 1, first=inner).double()
    f.set_scale(physics.A_dagger(y))
    assert inner.scale == f.scale
    once = f(y, physics)
    f.set_scale(physics.A_dagger(1000 * y))
    torch.testing.assert_close(f(1000 * y, physics), 1000 * once)


def test_recomputing_refuses_batch_statistics():
    network = DnCNN(1, 4, 3, norm=BatchNorm(), seed=0)
    Unrolled(network, 2)
    with pytest.raises(InputError, match="without batch statistics"):
        Unrolled(network, 2, recompute=True)
    with pytest.raises(InputError, match="without batch statistics"):
        UnrolledUntied(copies(network, 2), recompute=True)
