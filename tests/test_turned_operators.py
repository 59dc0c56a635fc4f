"""Transformations that are not orthogonal: T_g^-1 and T_g^T, each where it belongs, by dense matrices."""

import pytest
import torch
from torch import Tensor, nn

from nullsight import physics as p
from nullsight.draws import Draws
from nullsight.groups import (
    ColourInversion,
    Elastic,
    FiniteGroup,
    Gain,
    Group,
    Mixture,
    QuarterTurns,
    Scales,
    Shears,
    Zeros,
)
from nullsight.linalg import dense_matrix
from nullsight.losses import Equivariance, EquivariantSplitting, Evidence, OperatorFrames, Splitting
from nullsight.physics.base import measured_dagger_error
from nullsight.physics.composed import behind
from nullsight.reconstructors import GroupAverage, LeastSquares, Preconditioned, Reconstructor
from nullsight.types import InputError

SHAPE, N = (1, 6, 6), 36
SCALES = Scales(0.6, 1.6, boundary=Zeros())
NOT_ORTHOGONAL: list[Group] = [SCALES, Shears(40.0, boundary=Zeros()), Gain()]
EACH = pytest.mark.parametrize("group", NOT_ORTHOGONAL, ids=lambda one: type(one).__name__)


class Swap(FiniteGroup):
    """Two halves change places, one twice as large in the other's: an involution that is not orthogonal."""

    order = 2

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        return g ^ h

    def inverse(self, g: Tensor) -> Tensor:
        return g

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return torch.stack([_swapped(one, 2.0, 0.5) if k else one for k, one in zip(g.tolist(), x, strict=True)])

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return torch.stack([_swapped(one, 0.5, 2.0) if k else one for k, one in zip(g.tolist(), x, strict=True)])


def _swapped(x: Tensor, left: float, right: float) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat([left * x[..., half:], right * x[..., :half]], -1)


def matrix(rows: int = 20, dtype: torch.dtype = torch.float64) -> p.MatrixOperator:
    return p.MatrixOperator(SHAPE, p.gaussian_matrix(rows, N, seed=0)).to(dtype)


def drawn(group: Group, count: int = 3) -> Tensor:
    return group.sample(Draws(0, 0, tuple(range(count))).of("g"))


def dense(group: Group, g: Tensor) -> Tensor:
    """Return T_g as a matrix, column by column of unit images."""
    return dense_matrix(lambda x: group.act(g[None].expand(len(x), *g.shape), x), SHAPE)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Inverse(nn.Module):
    """f = A_dagger, with a weight so that it can be trained."""

    def forward(self, y: Tensor, physics: p.Physics, *, start: Tensor | None = None, draws: Draws | None = None):
        return physics.A_dagger(y)


def evidence(physics: p.Physics) -> Evidence:
    return Evidence(physics.A(images()), physics, torch.arange(3), Draws(0, 0, (0, 1, 2)), 0.5, Inverse())


@EACH
def test_turned_operator_is_the_product_and_its_adjoint_the_transpose(group: Group) -> None:
    physics, g = matrix(), drawn(group)
    turned, a = p.Transformed(physics, group, g), physics.to_matrix()
    y = physics.A(images())
    back = dense(group, group.inverse(g)[0]), torch.linalg.pinv(a)
    for k, one in enumerate(g):
        t = dense(group, one)
        assert torch.allclose(turned.to_matrix()[k], a @ t, atol=1e-12)
        assert torch.allclose(turned.A_adjoint(y)[k].flatten(), t.T @ a.T @ y[k], atol=1e-12)
    assert torch.allclose(turned.A_dagger(y)[0].flatten(), back[0] @ back[1] @ y[0], atol=1e-8)
    assert not torch.allclose(turned.A_dagger(y)[0].flatten(), dense(group, g[0]).T @ back[1] @ y[0], atol=1e-2)
    leaf = images().requires_grad_()
    (gradient,) = torch.autograd.grad(turned.A(leaf), leaf, y)
    assert torch.allclose(gradient, turned.A_adjoint(y))


def test_inverse_of_an_exact_group_keeps_the_stated_error() -> None:
    turned = p.Transformed(matrix(), Gain(), drawn(Gain()))
    assert turned.dagger_error == matrix().dagger_error and measured_dagger_error(turned, seed=0) < 1e-6
    y = matrix().A(images())
    assert torch.allclose(turned.A(turned.A_dagger(y)), y)


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_norm_is_that_of_all_elements_in_every_precision(group: Group, dtype: torch.dtype) -> None:
    g = torch.cat([group.identity(1), drawn(group)])  # the first one is orthogonal, the others are not
    turned = p.Transformed(matrix(dtype=dtype), group, g)
    a = matrix().to_matrix()
    exact = max(float(torch.linalg.matrix_norm(a @ dense(group, one), 2)) for one in g)
    assert turned.norm() == pytest.approx(exact, rel=0.02)
    assert turned.A(images(4).to(dtype)).dtype == dtype
    assert turned.dagger_error > 0 or isinstance(group, Gain)


def test_a_mixture_inverts_where_all_its_families_can() -> None:
    physics, mixture = matrix(), Mixture([SCALES, Gain(), QuarterTurns(), Mixture([Gain(2.0, 3.0)])])
    g = mixture.sample(Draws(0, 0, tuple(range(12))).of("g"))
    assert mixture.inverse is not None and len(set(g[:, 0].tolist())) == 4
    back = mixture.inverse(g)
    y = physics.A(images(12))
    found, first = p.Transformed(physics, mixture, g).A_dagger(y), physics.A_dagger(y)
    for k in range(12):
        family, one = mixture.families[int(g[k, 0])], mixture._own(int(g[k, 0]), g[k : k + 1])
        assert isinstance(family, Group | Mixture) and family.inverse is not None
        assert torch.allclose(found[k], family.act(family.inverse(one), first[k : k + 1])[0])
    exact = g[:, 0] != 0
    assert torch.allclose(mixture.act(back, mixture.act(g, first))[exact], first[exact])
    assert Mixture([Gain(), Elastic()]).inverse is None


def test_steps_to_the_measurements_go_down_behind_what_is_not_orthogonal() -> None:
    for group in NOT_ORTHOGONAL:
        turned = p.Transformed(matrix(), group, drawn(group))
        y, u = turned.A(images()), torch.zeros(3, *SHAPE, dtype=torch.float64)
        first = float(y.norm())
        for _ in range(30):
            u = u - LeastSquares().direction(u, y, turned)
        assert float((turned.A(u) - y).norm()) < 0.5 * first


def test_gain_of_the_inverse_where_the_family_has_none() -> None:
    class Doubled:
        def act(self, g: Tensor, x: Tensor) -> Tensor:
            return 2 * x

        act_adjoint = act

    turned = p.Transformed(matrix(), Doubled(), torch.tensor([0]))
    assert turned.dagger_gain() == pytest.approx(4, rel=0.01)  # T^T A_dagger A T, a projection times 4
    y, u = turned.A(images()), torch.zeros(3, *SHAPE, dtype=torch.float64)
    for _ in range(20):
        u = u - Preconditioned().direction(u, y, turned)
    assert float((turned.A(u) - y).norm()) < 1e-3 * float(y.norm())
    elastic = Elastic(0.4, 2)
    g = elastic.sample(Draws(0, 0, (0, 1, 2)).of("g"))
    turned = p.Transformed(matrix(), elastic, g)
    values = [torch.linalg.eigvals(_inverse(turned, k) @ turned.to_matrix()[k]).abs().max() for k in range(3)]
    assert turned.dagger_gain() == pytest.approx(float(max(values)), rel=0.05)
    assert p.Transformed(matrix(), Gain(), drawn(Gain())).dagger_gain() == matrix().dagger_gain()


def _inverse(turned: p.Transformed, k: int) -> Tensor:
    one = turned.take([k])
    every = torch.eye(20, dtype=torch.float64)
    return torch.stack([one.A_dagger(e[None])[0].flatten() for e in every], 1)


def test_an_exact_group_drops_out_of_equivariant_splitting() -> None:
    physics = p.Inpainting(SHAPE, p.bernoulli_mask((6, 6), 0.6, seed=0))
    given, split = evidence(physics), p.RandomEntries(0.6)
    plain = Splitting(split, kept=1.0)(given)
    assert float(plain) > 0  # with T_g^T for T_g^-1 the prediction would be exp(2 g) times too large
    assert torch.allclose(EquivariantSplitting(Gain(), split)(given), plain, rtol=1e-12)


@EACH
def test_equivariant_splitting_compares_in_the_turned_frame(group: Group) -> None:
    physics = matrix()
    given, loss = evidence(physics), EquivariantSplitting(group, p.RandomEntries(0.6))
    keep = loss.split.sample(physics, given.draws.of("splitting"))
    g = group.sample(given.draws.of(f"splitting frame {type(group).__name__}"))
    a, total = physics.to_matrix(), 0.0
    for k in range(3):
        t, back = dense(group, g[k]), dense(group, group.inverse(g)[k])
        seen = torch.linalg.pinv(a * keep[k][:, None]) @ (given.y[k] * keep[k])
        total += float((a @ t @ back @ seen - given.y[k]).square().mean()) / 3
    assert float(loss(given)) == pytest.approx(total / physics.norm() ** 2, rel=1e-6)


@EACH
def test_operators_of_frames_measure_and_invert_as_the_product_does(group: Group) -> None:
    physics, frames = matrix(N), OperatorFrames(group, count=3)
    a = physics.to_matrix()
    elements = [group.sample(Draws(0, 0, (k,)).of("operator frames"))[0] for k in range(3)]
    which = torch.tensor([1, 2, 3])
    framed, x = frames.of(physics, which), images()
    for k, one in enumerate(elements):
        t, back = dense(group, one), dense(group, group.inverse(one[None])[0])
        assert torch.allclose(framed.A(x)[k], a @ t @ x[k].flatten(), atol=1e-10)
        assert torch.allclose(framed.A_adjoint(framed.A(x))[k].flatten(), t.T @ a.T @ a @ t @ x[k].flatten())
        found = framed.A_dagger(framed.A(x))[k].flatten()
        assert torch.allclose(found, back @ t @ x[k].flatten(), atol=1e-5)


class Shaded(Reconstructor):
    """Equivariant to nothing: A_dagger y under a ramp, from what it begins with."""

    def _reconstruct(self, y, physics, start, draws):
        assert start is not None
        return start * torch.linspace(0.5, 2, 6, dtype=torch.float64)


def test_group_average_is_equivariant_by_the_inverse() -> None:
    group, physics, f = Swap(), matrix(), GroupAverage(Shaded(), Swap())
    y, one = physics.A(images()), torch.ones(3, dtype=torch.int64)
    assert torch.equal(group.act(one, group.act(one, images())), images())
    whole, turned = f(y, physics), f(y, p.Transformed(physics, group, one))
    assert torch.allclose(turned, group.act(group.inverse(one), whole))
    assert not torch.allclose(turned, group.act_adjoint(one, whole), atol=1e-2)
    ramp = torch.linspace(0.5, 2, 6, dtype=torch.float64)
    first = physics.A_dagger(y)
    by_hand = (first * ramp + group.act(one, group.act(group.inverse(one), first) * ramp)) / 2
    assert torch.allclose(whole, by_hand)


def test_reynolds_average_uses_the_inverse() -> None:
    group, x, one = Swap(), images(), torch.ones(3, dtype=torch.int64)
    mean = group.average(torch.relu, x - 0.5)
    assert torch.allclose(group.average(torch.relu, group.act(one, x - 0.5)), group.act(one, mean))


def test_equivariance_of_a_perfect_reconstructor_is_perfect() -> None:
    physics = matrix(N)
    for group in (*NOT_ORTHOGONAL, Elastic(), ColourInversion()):
        assert float(Equivariance(group)(evidence(physics))) < 1e-10


def test_what_is_not_linear_turns_images_but_no_operators() -> None:
    physics, group = matrix(), ColourInversion()
    assert torch.isfinite(Equivariance(group)(evidence(physics)))
    g = torch.tensor([1])
    for turn in (
        lambda: p.Transformed(physics, group, g),
        lambda: behind(physics, group, g),
        lambda: OperatorFrames(group, count=1).operators(physics),
        lambda: EquivariantSplitting(group, p.RandomEntries(0.6))(evidence(physics)),
        lambda: GroupAverage(Shaded(), group)(physics.A(images()), physics),
    ):
        with pytest.raises(InputError, match="linear, but those of ColourInversion are not"):
            turn()
