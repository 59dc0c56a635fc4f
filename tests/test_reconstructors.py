"""Reconstructors: scale, start, consistency, convergence, what is kept in a checkpoint."""

import pytest
import torch
from torch import nn

from nullsight.networks import BiasFreeDnCNN, DnCNN, UNet
from nullsight.parts import arguments
from nullsight.reconstructors import (
    TABLE,
    Alternating,
    ArtifactRemoval,
    Direct,
    LinearInverse,
    NullSpace,
    Preconditioned,
    Reconstructor,
    SmoothFill,
    Unrolled,
    WithCoverage,
)
from nullsight.types import InputError
from tests.cases.reconstructors import RECONSTRUCTORS
from tests.cases.toy_operators import ToySaturation, images, toy_mask, toy_matrix

CASES = [pytest.param(case, id=case.name) for case in RECONSTRUCTORS]
# a direct network needs no start; one that is shown parts of y starts from each part's own A_dagger; a linear system
# has one solution wherever it is begun; others make their image from a latent vector, from nothing or from noisier y
UNSTARTED = ("direct", "direct_vector", "split_average", "tikhonov", "generator_range")
UNSTARTED += ("deep_image_prior", "recorrupted_average")
STARTED = [pytest.param(case, id=case.name) for case in RECONSTRUCTORS if case.name not in UNSTARTED]
# a nonlinear operator has a unit of its own, and so has noise
OWN_UNIT = ("unrolled_nonlinear", "recorrupted_average")
SCALED = [pytest.param(case, id=case.name) for case in RECONSTRUCTORS if case.name not in OWN_UNIT]


def test_every_reconstructor_of_the_table_has_a_case():
    assert {type(case.build(0)) for case in RECONSTRUCTORS} == set(TABLE.values())


@pytest.mark.parametrize("case", CASES)
def test_built_again_from_its_arguments(case):
    f = case.build(3)
    again = type(f)(**arguments(f))
    assert list(again.state_dict()) == list(f.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(f.state_dict().values(), again.state_dict().values(), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_checkpoint_holds_weights_and_scale_only(case):
    f, physics = case.build(0).double(), case.physics().double()
    f(physics.A(images(physics)), physics)
    names = {name for name, _ in f.named_parameters()}
    names |= {f"{name}.scale".lstrip(".") for name, part in f.named_modules() if isinstance(part, Reconstructor)}
    statistics = {
        name for name in f.state_dict() if name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")
    }
    assert set(f.state_dict()) - statistics == names
    assert not any(module is physics for module in f.modules())


@pytest.mark.parametrize("case", SCALED)
@pytest.mark.parametrize("unit", [1e-3, 400.0])
def test_unit_of_the_data_does_not_matter(case, unit):
    """The same data in another unit, its scale set: the same image in that unit."""
    physics = case.physics().double()
    y = physics.A(images(physics))
    plain, other = case.build(0).double().eval(), case.build(0).double().eval()
    plain.set_scale(physics.A_dagger(y))
    other.set_scale(physics.A_dagger(unit * y))
    torch.testing.assert_close(other(unit * y, physics), unit * plain(y, physics), rtol=1e-7, atol=1e-9 * unit)


def test_networks_see_images_of_unit_size():
    class Spy(nn.Module):
        def forward(self, x):
            self.seen = x.detach()
            return x

    physics = toy_mask(1, 8, 8).double()
    y = physics.A(1000 * images(physics))
    for f in (ArtifactRemoval(Spy()), NullSpace(Spy()), Direct(Spy()), Unrolled(Spy(), 2)):
        f.double().set_scale(physics.A_dagger(y))
        f(y, physics)
        assert 0.9 < float(f.get_submodule("network").seen.max()) < 1.2


def test_set_scale_is_the_bright_end_and_refuses_nothing_to_see():
    f = LinearInverse()
    f.set_scale(torch.linspace(-5, 1, 10001).reshape(1, 1, -1))
    assert float(f.scale) == pytest.approx(4.994, abs=2e-3)
    for bad in (torch.zeros(1, 1, 4), torch.full((1, 1, 4), torch.nan), torch.full((1, 1, 4), torch.inf)):
        with pytest.raises(InputError, match="finite and not zero"):
            f.set_scale(bad)


def test_set_scale_sees_more_than_one_column_of_many_images():
    values = torch.zeros(2048, 1, 32, 64)  # 4 times a million: a stride of 4 would see columns 0, 4, 8 ... alone
    values[..., 1::2] = 3.0
    f = LinearInverse()
    f.set_scale(values)
    assert float(f.scale) == 3.0


@pytest.mark.parametrize("case", STARTED)
def test_start_is_used_and_what_f_begins_with_not_computed_again(case):
    physics = toy_mask(*case.physics().image_shape, samples=1).double()
    f = case.build(0).double().eval()
    y = physics.A(images(physics))
    start = f.begin(y, physics)
    from_y = f(y, physics)
    before = physics.calls
    from_start = f(y, physics, start=start)
    preconditioned = isinstance(f, Unrolled) and isinstance(f.data, Preconditioned)
    closing = f.closing if preconditioned and f.closing_data is None else 0
    looks = f.steps if isinstance(f, Unrolled) and isinstance(f.form, WithCoverage) else 0  # at an image of ones
    looks += f.iterations + 2 if isinstance(f, SmoothFill) else 0  # at an image of ones, and after each local mean
    assert physics.calls - before == looks + (f.steps + closing if preconditioned else 0)
    assert torch.equal(from_y, from_start)
    assert not torch.allclose(f(y, physics, start=start + 1), from_start)


def test_an_unrolled_f_begins_with_its_first_image_unless_that_is_learned():
    physics = toy_mask(1, 8, 8).double()
    y = physics.A(images(physics))
    fill, learned = SmoothFill(2).double(), ArtifactRemoval(DnCNN(1, width=2, depth=2, seed=0)).double()
    f, g = (Unrolled(DnCNN(1, width=2, depth=2, seed=0), 1, first=first).double() for first in (fill, learned))
    assert torch.equal(f.begin(y, physics), fill(y, physics))
    assert torch.equal(g.begin(y, physics), physics.A_dagger(y))
    assert torch.equal(Alternating(f).begin(y, physics), fill(y, physics))
    from_y, from_start = g(y, physics), g(y, physics, start=g.begin(y, physics))
    assert torch.equal(from_y, from_start)
    from_start.square().sum().backward()
    assert all(bool((p.grad != 0).any()) for p in learned.parameters())


def test_linear_inverse_is_the_dagger():
    physics = toy_matrix((1, 4, 4), 10)
    y = physics.A(images(physics).float())
    assert torch.equal(LinearInverse()(y, physics), physics.A_dagger(y))


def test_untrained_artifact_removal_is_nearly_the_dagger():
    physics = toy_mask(1, 16, 16)
    y = physics.A(images(physics).float())
    first = physics.A_dagger(y)
    change = (ArtifactRemoval(UNet(1, 8, 3, seed=0))(y, physics) - first).detach()
    assert float(change.norm() / first.norm()) < 0.05


@pytest.mark.parametrize(
    "physics", [toy_matrix((1, 4, 4), 10), toy_mask(1, 4, 4), toy_mask(1, 4, 4, samples=3, gain=7.0)]
)
def test_null_space_moves_only_what_cannot_be_seen(physics):
    physics = physics.double()
    f = NullSpace(UNet(1, 4, 2, seed=0, residual=False), iterations=30).double()
    y = physics.A(images(physics))
    x, first = f(y, physics).detach(), physics.A_dagger(y)
    torch.testing.assert_close(physics.A(x), physics.A(first), rtol=1e-9, atol=1e-9)
    network = f.network(first).detach()
    moved = x - first
    assert float(moved.norm()) > 0.01 * float(network.norm())
    inner = (moved * (network - moved)).sum()  # an orthogonal projection leaves a rest at right angles
    assert abs(float(inner)) < 1e-9 * float(network.square().sum())


def test_null_space_gradient_is_that_of_the_dense_projection():
    physics = toy_matrix((1, 4, 4), 10).double()
    f = NullSpace(DnCNN(1, 4, 3, seed=0), iterations=30).double()
    y = physics.A(images(physics)).requires_grad_()
    f(y, physics).square().sum().backward()
    matrix = physics.to_matrix()
    projection = torch.eye(16, dtype=torch.float64) - torch.linalg.pinv(matrix) @ matrix
    twin = y.detach().clone().requires_grad_()
    first = physics.A_dagger(twin)
    wanted = first.flatten(1) + f.network(first).flatten(1) @ projection
    (gradient,) = torch.autograd.grad(wanted.square().sum(), twin)
    torch.testing.assert_close(y.grad, gradient, rtol=1e-7, atol=1e-9)


def test_null_space_refuses_a_nonlinear_physics():
    with pytest.raises(InputError, match="null space"):
        NullSpace(UNet(1, 4, 2))(torch.zeros(1, 1, 6, 6), ToySaturation((1, 6, 6), (1, 6, 6)))


def test_bias_free_network_makes_the_whole_reconstruction_homogeneous():
    physics = toy_matrix((1, 4, 4), 10).double()
    f, y = Unrolled(BiasFreeDnCNN(1, 4, 4, seed=0), 3).double(), physics.A(images(physics))
    torch.testing.assert_close(f(30 * y, physics), 30 * f(y, physics))


def test_low_precision_networks_give_images_in_the_dtype_of_the_measurements():
    physics = toy_mask(1, 8, 8)
    y = physics.A(images(physics).float())
    for f in (ArtifactRemoval(UNet(1, 4, 2)), Unrolled(DnCNN(1, 4, 3), 2), NullSpace(UNet(1, 4, 2))):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            x = f(y, physics)
        assert x.dtype == torch.float32
        assert float((x - f(y, physics)).detach().norm() / x.norm()) < 0.02


def test_bad_input_is_one_clear_sentence():
    physics, f = toy_mask(1, 8, 8), ArtifactRemoval(UNet(1, 4, 2))
    y = torch.zeros(2, 1, 8, 8)
    with pytest.raises(InputError, match="batch axis"):
        f(y[0], physics)
    with pytest.raises(InputError, match="batch of measurements of shape"):
        f(y[..., :4], physics)
    with pytest.raises(InputError, match="starting image"):
        f(y, physics, start=y[..., :4])
    with pytest.raises(InputError, match="1 images came for 2"):
        f(y, physics, start=y[:1])
    with pytest.raises(InputError, match="image_shape"):
        ArtifactRemoval(UNet(1, 4, 2, residual=False, out_channels=2))(y, physics)
    with pytest.raises(InputError, match="at least 1 iteration"):
        NullSpace(UNet(1, 4, 2), iterations=0)
