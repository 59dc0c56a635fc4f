"""Every contract of groups, for every toy group in both precisions; and that broken groups are caught."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nullsight import groups as s
from nullsight.contracts.findings import ContractError, Finding
from nullsight.contracts.groups import (
    assert_action_error,
    assert_action_gradient,
    assert_group,
    assert_group_adjoint,
    assert_one_element_per_image,
    check_group,
    inscribed_disk,
    measured_action_error,
    natural_images,
    orthogonality_defect,
    round_trip_error,
)
from nullsight.draws import Draws, Stream
from nullsight.groups import FiniteGroup, Group, Rotations
from nullsight.parts import arguments
from tests.cases.groups import GROUPS, Case

DTYPES = [torch.float32, torch.float64]
FAMILY: list[Callable[..., float]] = [assert_group_adjoint, assert_action_gradient, assert_one_element_per_image]
INTERPOLATIONS = [s.FourierShears(), s.Bicubic(), s.Bilinear()]
ALL = pytest.mark.parametrize("case", GROUPS, ids=lambda case: case.name)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@ALL
@pytest.mark.parametrize("contract", [*FAMILY, assert_group], ids=lambda contract: contract.__name__)
def test_contract(contract: Callable[..., float], case: Case, dtype: torch.dtype) -> None:
    group = case.build()
    if contract is assert_group and not isinstance(group, Group):
        pytest.skip("a family has no law")
    assert contract(group, case.shape, dtype=dtype, seed=0) >= 0


@ALL
def test_check_finds_nothing_wrong(case: Case) -> None:
    findings = check_group(case.build(), case.shape)
    assert len(findings) >= (4 if case.build().linear else 1)
    assert [str(one) for one in findings if not one.passed] == []


ON_VALUES = ("gain", "colour", "vector fields", "inversion")  # values change, exactly


@ALL
def test_stated_error_is_zero_only_where_the_law_is_exact(case: Case) -> None:
    group = case.build()
    if isinstance(group, Group):
        assert (measured_action_error(group, case.shape) < 1e-12) == (group.action_error == 0)


@ALL
def test_stated_error_is_zero_only_where_samples_only_move(case: Case) -> None:
    group = case.build()
    if any(kind in case.name for kind in ON_VALUES):
        pytest.skip("values change, exactly or not")
    x = natural_images(6, case.shape)
    g = group.sample(Draws(1, 0, tuple(range(6))).of("g"))
    moved = torch.allclose(group.act(g, x).flatten(1).sort(1).values, x.flatten(1).sort(1).values, atol=1e-12)
    assert moved == (group.action_error == 0)
    assert (orthogonality_defect(group, case.shape) < 1e-12) == (group.action_error == 0)


@ALL
def test_every_law_of_a_small_finite_group_exactly(case: Case) -> None:
    group = case.build()
    if not isinstance(group, FiniteGroup) or group.order > 64 or group.action_error > 0:
        pytest.skip("not finite, not small or not exact")
    all_g = torch.arange(group.order)
    g, h = all_g.repeat_interleave(group.order), all_g.repeat(group.order)
    x = torch.randn((1, *case.shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x.expand(len(g), *case.shape)
    product = group.compose(g, h)
    rounding = 1e-12 if "colour" in case.name else 0.0  # p - (p - x) is x to rounding; all others are exact
    assert torch.allclose(group.act(g, group.act(h, x)), group.act(product, x), rtol=0, atol=rounding)
    table = product.reshape(group.order, group.order)
    assert torch.equal(table.sort(1).values, all_g.expand_as(table))  # every row is a permutation
    assert torch.equal(table[all_g, group.inverse(all_g)], torch.zeros_like(all_g))
    assert torch.equal(table[0], all_g)


@ALL
def test_generators_give_the_whole_group(case: Case) -> None:
    group = case.build()
    if not isinstance(group, FiniteGroup):
        pytest.skip("not finite")
    reached = torch.tensor([0])
    gens = torch.tensor(group.generators(), dtype=torch.int64)
    while True:
        pairs = reached.repeat_interleave(len(gens)), gens.repeat(len(reached))
        more = torch.unique(torch.cat([reached, group.compose(*pairs)]))
        if len(more) == len(reached):
            break
        reached = more
    assert len(reached) == group.order


@ALL
def test_rebuilt_from_its_arguments(case: Case) -> None:
    group = case.build()
    again = type(group)(**arguments(group))
    stream = Draws(3, 0, (1, 2, 3))
    x = natural_images(3, case.shape)
    assert repr(again) == repr(group)
    assert torch.equal(group.act(group.sample(stream.of("g")), x), again.act(again.sample(stream.of("g")), x))


def test_every_table_entry_has_a_case() -> None:
    assert {type(case.build()) for case in GROUPS} == set(s.TABLE.values())


@pytest.mark.parametrize("interpolation", INTERPOLATIONS, ids=repr)
@pytest.mark.parametrize("n", [5, 360])
def test_action_error_is_stated_from_both_sides(interpolation: s.Interpolation, n: int) -> None:
    group = Rotations(n, interpolation)
    assert 0 < assert_action_error(group) <= group.action_error
    group.action_error *= 0.4
    with pytest.raises(ContractError, match="should be <="):
        assert_action_error(group)
    group.action_error *= 10
    with pytest.raises(ContractError, match="should be >="):
        assert_action_error(group)


def test_better_interpolation_measures_better() -> None:
    fourier, bicubic, bilinear = (Rotations(360, one) for one in INTERPOLATIONS)
    assert measured_action_error(fourier) < measured_action_error(bicubic) < measured_action_error(bilinear)
    assert round_trip_error(fourier) < 0.01 < round_trip_error(bicubic) < round_trip_error(bilinear)
    assert orthogonality_defect(fourier, (1, 64, 64)) < orthogonality_defect(bilinear, (1, 64, 64)) / 3


class OneForAll(Rotations):
    """Draws one element for the whole batch."""

    def sample(self, stream: Stream) -> Tensor:
        return super().sample(stream)[:1].repeat(len(stream))


class FirstTurnsAll(Rotations):
    """Turns the whole batch by its first element."""

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return super().act(g[:1].repeat(len(g)), x)


class InverseForAdjoint(Rotations):
    """Takes the inverse for the transpose."""

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return super().act(self.inverse(g), x)


class WrongOrder(s.Dihedral):
    """Composes in the wrong order."""

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        return super().compose(h, g)


class NotInverse(s.QuarterTurns):
    """Its inverse is the identity."""

    def inverse(self, g: Tensor) -> Tensor:
        return torch.zeros_like(g)


BROKEN: list[tuple[Callable[..., float], s.Family]] = [
    (assert_one_element_per_image, OneForAll(360)),
    (assert_one_element_per_image, FirstTurnsAll(360)),
    (assert_group_adjoint, InverseForAdjoint(360, s.Bilinear())),
    (assert_action_gradient, InverseForAdjoint(360, s.Bilinear())),
    (assert_group, WrongOrder(4)),
    (assert_group, NotInverse()),
]


@pytest.mark.parametrize(("contract", "group"), BROKEN, ids=lambda one: getattr(one, "__name__", type(one).__name__))
def test_broken_groups_are_caught(contract: Callable[..., float], group: s.Family) -> None:
    with pytest.raises(ContractError):
        contract(group, (1, 12, 12))
    assert any(not one.passed for one in check_group(group, (1, 12, 12)))


def test_check_never_raises() -> None:
    findings = check_group(s.Shifts((4, 4)), (1, 5, 5))
    assert all(isinstance(one, Finding) for one in findings)
    assert any("expected images of (4, 4) pixels" in one.message for one in findings)


def test_natural_images_have_the_stated_spectrum() -> None:
    x = natural_images(40, (1, 64, 64))
    assert float(x.min()) == 0 and float(x.max()) == 1 and len(torch.unique(x[:, 0, 0, 0])) == 40
    window = torch.hann_window(64, dtype=torch.float64)
    centred = (x - x.mean((2, 3), keepdim=True)) * window * window[:, None]
    power = torch.fft.fft2(centred).abs().square().mean((0, 1))
    f = torch.fft.fftfreq(64, dtype=torch.float64)
    radius = (f[:, None] ** 2 + f**2).sqrt()
    near, far = (power[(radius - r).abs() < 0.02].mean() for r in (0.1, 0.4))
    assert float((near / far).sqrt()) == pytest.approx(4, rel=0.15)
    assert float(power[radius > 0.55].max()) < 1e-3 * float(far)


def test_inscribed_disk() -> None:
    assert inscribed_disk((3, 3)).int().tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert inscribed_disk((3,)).all()
