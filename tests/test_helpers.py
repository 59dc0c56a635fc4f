"""Test-time helpers: averages over splits and frames, and alternation, around any reconstructor."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from nullsight import physics as p
from nullsight.constraints import AnyValue, NonNegative
from nullsight.draws import Draws
from nullsight.groups import Dihedral, Shifts
from nullsight.networks import UNet
from nullsight.parts import arguments
from nullsight.physics.base import Physics
from nullsight.reconstructors import (
    Alternating,
    ArtifactRemoval,
    GroupAverage,
    LeastSquares,
    LinearInverse,
    Reconstructor,
    SplitAverage,
    Unrolled,
)
from nullsight.reconstructors.data_steps import ConjugateGradients
from nullsight.types import InputError
from tests.cases.physics import Saturation

GROUP = Dihedral(4)


def network() -> ArtifactRemoval:
    return ArtifactRemoval(UNet(1, 4, 2, seed=0)).double()


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def mask(seed: int = 0, n: int = 8) -> Tensor:
    return p.bernoulli_mask((n, n), 0.6, seed)


class Told(LinearInverse):
    """A_dagger y, remembering what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Tensor, Physics, Tensor | None]] = []

    def _reconstruct(self, y, physics, start, draws):
        self.shown.append((y, physics, start))
        return physics.A_dagger(y)


def test_split_average_is_the_mean_of_split_reconstructions() -> None:
    f, physics = Told(), p.Inpainting((1, 8, 8), mask())
    y = physics.A(images(3, 1, 8, 8))
    helped = SplitAverage(f, p.RandomEntries(0.6), count=5, seed=3)
    x = helped(y, physics)
    assert len(f.shown) == 5
    assert torch.allclose(x, torch.stack([shown for shown, _, _ in f.shown]).mean(0))
    keeps = [by.measured for _, by, _ in f.shown]
    assert all(start is None for _, _, start in f.shown)  # A_dagger y would show what is hidden
    assert all(torch.equal(shown, y * keep) for keep, (shown, _, _) in zip(keeps, f.shown, strict=True))
    assert all(torch.equal(keep, keep[:1].expand_as(keep)) for keep in keeps)
    assert len({tuple(keep[0].flatten().tolist()) for keep in keeps}) == 5
    assert torch.equal(helped(y, physics, start=torch.zeros_like(y)), x)
    assert not torch.equal(SplitAverage(f, p.RandomEntries(0.6), count=5, seed=4)(y, physics), x)


@pytest.mark.parametrize("case", ["inpainting", "ct"])
def test_group_average_is_the_mean_over_frames(case: str) -> None:
    f = network()
    physics = p.Inpainting((1, 8, 8), mask()) if case == "inpainting" else p.ParallelBeamCT((1, 8, 8), 6).double()
    y = physics.A(images(2, 1, 8, 8))
    by_hand = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    for k in GROUP.elements():
        g = torch.tensor([k, k])
        by_hand += GROUP.act(g, f(y, p.Transformed(physics, GROUP, g))) / 8
    assert torch.allclose(GroupAverage(f, GROUP)(y, physics), by_hand, rtol=1e-10)


@pytest.mark.parametrize("k", range(8))
def test_group_average_makes_any_reconstructor_equivariant(k: int) -> None:
    f, x = network(), images(2, 1, 8, 8)
    helped = GroupAverage(f, GROUP)
    g, back = torch.tensor([k, k]), GROUP.inverse(torch.tensor([k, k]))
    physics = p.Inpainting((1, 8, 8), mask())
    y = physics.A(x)
    there = helped(y, p.Transformed(physics, GROUP, g))
    assert torch.allclose(there, GROUP.act(back, helped(y, physics)), rtol=1e-9)
    # as a photographer sees it: image and mask turned, and the picture turns along
    turned = p.Inpainting((1, 8, 8), GROUP.act(g[:1], mask()[None, None].double())[0])
    assert torch.allclose(helped(GROUP.act(g, y), turned), GROUP.act(g, helped(y, physics)), rtol=1e-9)
    assert k == 0 or not torch.allclose(f(GROUP.act(g, y), turned), GROUP.act(g, f(y, physics)), rtol=1e-3)


def test_views_of_all_directions_turn_with_the_image() -> None:
    """Equispaced views over 180 degrees from half a step are mapped to each other: the average over eight is free."""
    physics = p.ParallelBeamCT((1, 12, 12), [7.5 + 15 * k for k in range(12)]).double()
    helped = GroupAverage(ArtifactRemoval(UNet(1, 4, 2, seed=0)).double(), GROUP)
    x = images(2, 1, 12, 12)
    for k in (1, 4, 6):
        g = torch.tensor([k, k])
        one, other = helped(physics.A(GROUP.act(g, x)), physics), GROUP.act(g, helped(physics.A(x), physics))
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-8)


def test_average_of_an_equivariant_reconstructor_is_that_reconstructor() -> None:
    physics = p.Inpainting((1, 6, 6), p.bernoulli_mask((6, 6), 0.5, 0))
    y = physics.A(images(2, 1, 6, 6))
    for group in (GROUP, Shifts((6, 6), step=3)):
        assert torch.allclose(GroupAverage(LinearInverse(), group)(y, physics), physics.A_dagger(y))


def test_group_average_asks_for_one_inverse_and_shares_it() -> None:
    f, physics = Told(), p.Inpainting((1, 8, 8), mask())
    y = physics.A(images(2, 1, 8, 8))
    GroupAverage(f, GROUP)(y, physics)
    for _, by, start in f.shown:
        assert start is not None and torch.equal(start, by.A_dagger(y))


def test_one_frame_a_sample_of_one_operator_a_sample() -> None:
    f = GroupAverage(network(), GROUP)
    physics = p.Inpainting((1, 8, 8), torch.stack([mask(s)[None] for s in range(3)]))
    y = physics.A(images(3, 1, 8, 8))
    whole = f(y, physics)
    for i in range(3):
        assert torch.allclose(whole[i : i + 1], f(y[i : i + 1], physics.take([i])), rtol=1e-9)


class Fixed(Reconstructor):
    """The same images whatever is measured."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x

    def _reconstruct(self, y, physics, start, draws):
        return self.x


@pytest.mark.parametrize("case", ["inpainting", "ct", "matrix"])
@pytest.mark.parametrize("data", [ConjugateGradients(5), LeastSquares()], ids=lambda d: type(d).__name__)
def test_alternating_comes_nearer_to_the_truth_with_every_round(case: str, data) -> None:
    physics: p.LinearPhysics = {
        "inpainting": p.Inpainting((1, 8, 8), mask()),
        "ct": p.ParallelBeamCT((1, 8, 8), 5).double(),
        "matrix": p.MatrixOperator((1, 8, 8), p.gaussian_matrix(30, 64, seed=0).double()),
    }[case]
    x = images(2, 1, 8, 8) * (images(2, 1, 8, 8) > 0.4)
    first = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = physics.A(x)
    errors, residuals = [float((first - x).norm())], [float((physics.A(first) - y).norm())]
    for rounds in (1, 2, 4, 12):
        found = Alternating(Fixed(first), rounds, data)(y, physics)
        assert float(found.min()) >= 0
        errors.append(float((found - x).norm()))
        residuals.append(float((physics.A(found) - y).norm()))
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(errors)), errors
    assert errors[1] < errors[0] and residuals[-1] < 0.5 * residuals[0]


def test_alternating_by_hand_and_without_a_constraint() -> None:
    physics = p.Inpainting((1, 4, 4), mask(n=4))
    x = images(1, 1, 4, 4) - 0.5
    first = torch.full_like(x, -0.2)
    y = physics.A(x)
    free = Alternating(Fixed(first), 1, ConjugateGradients(1), AnyValue())(y, physics)
    assert torch.allclose(free, torch.where(physics.mask, x, first))
    bound = Alternating(Fixed(first), 1, ConjugateGradients(1), NonNegative())(y, physics)
    assert torch.allclose(bound, free.clamp_min(0))


def test_helpers_compose_keep_the_scale_and_their_arguments() -> None:
    inner = Unrolled(UNet(1, 4, 2, seed=0), 2)
    inner.set_scale(torch.full((1, 1, 8, 8), 5.0))
    helped = Alternating(GroupAverage(SplitAverage(inner, p.RandomEntries(), 2), GROUP), 1)
    assert float(helped.scale) == 5.0
    physics = p.Inpainting((1, 8, 8), mask())
    y = physics.A(images(2, 1, 8, 8).float() * 5)
    assert helped(y, physics).shape == (2, 1, 8, 8)
    helped.set_scale(torch.full((1, 1, 8, 8), 7.0))
    assert float(inner.scale) == float(helped.scale) == 7.0
    part: nn.Module = helped
    while hasattr(part, "f"):
        assert type(part)(**arguments(part)).state_dict().keys() == part.state_dict().keys()
        part = part.f


def test_refusals() -> None:
    with pytest.raises(InputError, match="at least 1 split"):
        SplitAverage(LinearInverse(), p.RandomEntries(), 0)
    with pytest.raises(InputError, match="at least 1 round"):
        Alternating(LinearInverse(), 0)
    nonlinear = p.Foreign(Saturation(), (1, 6, 6), (1, 6, 6), dagger_error=None)
    with pytest.raises(InputError, match="linear operator, which can be turned"):
        GroupAverage(LinearInverse(), GROUP)(torch.zeros(1, 1, 6, 6), nonlinear)


def test_random_reconstructors_get_their_draws() -> None:
    class Random(LinearInverse):
        def _reconstruct(self, y, physics, start, draws):
            assert draws is not None
            return draws.of("f").normal(physics.image_shape).to(y)

    physics = p.Inpainting((1, 4, 4), mask(n=4))
    y = torch.zeros(2, 1, 4, 4)
    for helped in (SplitAverage(Random(), p.RandomEntries(), 2), GroupAverage(Random(), GROUP), Alternating(Random())):
        assert bool(helped(y, physics, draws=Draws(0, 0, (0, 1))).isfinite().all())
