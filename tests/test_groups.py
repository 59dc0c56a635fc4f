"""Shifts, reflections, products and mixtures beyond their contracts; what is refused."""

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import (
    Dihedral,
    Family,
    FiniteGroup,
    Mixture,
    Product,
    QuarterTurns,
    Reflections,
    Rotations,
    SemidirectProduct,
    Shifts,
    Trivial,
)
from nullsight.groups.base import by_kind


def _image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(height=st.integers(1, 6), width=st.integers(1, 6), g=st.integers(0, 35))
def test_shifts_are_rolls(height: int, width: int, g: int) -> None:
    group, x = Shifts((height, width)), _image(1, 2, height, width)
    element = torch.tensor([g % (height * width)])
    down, right = group.displacement(element)[0].tolist()
    assert torch.equal(group.act(element, x), x.roll((down, right), (-2, -1)))
    assert torch.equal(group.element(group.displacement(element)), element)


def test_shift_by_whole_steps_only() -> None:
    group = Shifts((4, 6), step=2)
    assert group.order == 6
    assert sorted(map(tuple, group.displacement(torch.arange(6)).tolist())) == [
        (down, right) for down in (0, 2) for right in (0, 2, 4)
    ]
    with pytest.raises(InputError, match="multiples of"):
        group.element(torch.tensor([[1, 0]]))


def test_average_is_equivariant() -> None:
    weights = _image(1, 1, 3, 3)

    def function(x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, weights, padding=1).relu()

    for group in (
        QuarterTurns(),
        Dihedral(4),
        Reflections(),
        Shifts((4, 4)),
        SemidirectProduct(Shifts((4, 4), 2), QuarterTurns()),
    ):
        assert isinstance(group, FiniteGroup)
        x, g = _image(2, 1, 4, 4), torch.tensor([1, group.order - 1])
        mean = group.average(function, x)
        assert torch.allclose(group.average(function, group.act(g, x)), group.act(g, mean), atol=1e-12)
        assert torch.allclose(group.average(function, x, block=3), mean, atol=1e-12)
        assert not torch.allclose(function(group.act(g, x)), group.act(g, function(x)), atol=1e-3) or group.order == 16
        by_hand = torch.stack([group.act(group.inverse(g), function(group.act(g, x))) for g in _all(group, 2)]).mean(0)
        assert torch.allclose(mean, by_hand, atol=1e-12)


def _all(group: FiniteGroup, batch: int) -> list[Tensor]:
    return [torch.full((batch,), g) for g in group.elements()]


def test_average_over_some_elements() -> None:
    group, x = QuarterTurns(), _image(1, 1, 3, 3)
    half = group.average(lambda z: z * x, x, over=[0, 2])
    assert torch.allclose(half, (x * x + (x.rot90(2, (-2, -1)) * x).rot90(2, (-2, -1))) / 2)
    with pytest.raises(InputError, match="at least one element"):
        group.average(lambda z: z, x, over=[])
    with pytest.raises(InputError, match="block"):
        group.average(lambda z: z, x, block=0)


def test_orbits_are_lazy() -> None:
    group = Shifts((512, 512))
    orbit = group.each(torch.zeros(1, 1, 512, 512))
    assert next(orbit).shape == (1, 1, 512, 512)  # 262144 images would not fit
    assert next(iter(group.elements())) == 0
    small = QuarterTurns()
    x = _image(2, 1, 3, 3)
    assert torch.equal(small.orbit(x), torch.stack(list(small.each(x)))) and small.orbit(x).shape == (4, 2, 1, 3, 3)


def test_p4_multiplies_as_stated() -> None:
    group = SemidirectProduct(Shifts((5, 5)), QuarterTurns())
    shifts, turns = group.normal, group.acting
    assert isinstance(shifts, Shifts) and isinstance(turns, QuarterTurns)
    g, h = torch.randint(100, (2, 50), generator=torch.Generator().manual_seed(0))
    (h1, H1), (h2, H2) = group.split(g), group.split(h)
    turned = (turns.matrix(H1).round().long() @ shifts.displacement(h2)[:, :, None])[:, :, 0]
    by_hand = group.join(shifts.element(shifts.displacement(h1) + turned), (H1 + H2) % 4)
    assert torch.equal(group.compose(g, h), by_hand)


def test_rotations_with_one_reflection_are_the_dihedral_group() -> None:
    product, dihedral = SemidirectProduct(Rotations(4), Reflections(("horizontal",))), Dihedral(4)
    x, g = _image(8, 1, 5, 5), torch.arange(8)
    assert torch.equal(product.act(g, x), dihedral.act(g, x))
    assert torch.equal(product.compose(g, g.flip(0)), dihedral.compose(g, g.flip(0)))
    assert torch.equal(product.inverse(g), dihedral.inverse(g))


def test_quarter_turns_are_rotations_4() -> None:
    x, g = _image(4, 1, 5, 5), torch.arange(4)
    assert torch.equal(QuarterTurns().act(g, x), Rotations(4).act(g, x))
    assert torch.allclose(QuarterTurns().matrix(g), Rotations(4).matrix(g))


def test_matrices_turn_images_as_the_action_does() -> None:
    at = torch.stack(torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"), -1).double() - 2
    for group in (QuarterTurns(), Dihedral(4), Reflections(), Dihedral(2), Rotations(4)):
        x = _image(1, 1, 5, 5).expand(group.order, 1, 5, 5)
        g = torch.arange(group.order)
        source = torch.einsum("gji,rcj->grci", group.matrix(g), at).round().long() + 2  # M^T carries back
        assert torch.equal(group.act(g, x)[:, 0], x[0, 0][source[..., 0], source[..., 1]])


REFUSED: list[tuple[Callable[[], Family], str]] = [
    (lambda: Product([Shifts((6, 6)), QuarterTurns()]), "do not"),
    (lambda: Product([QuarterTurns(), Reflections(("horizontal",))]), "do not"),
    (lambda: Product([Rotations(360), Reflections(("horizontal",))]), "do not"),
    (lambda: Product([QuarterTurns(), Rotations(2)]), "in common"),
    (lambda: Product([Rotations(360), Rotations(12)]), "in common"),
    (lambda: Product([Reflections(("horizontal",)), Reflections()]), "in common"),
    (
        lambda: Product([Reflections(("horizontal",)), Reflections(("vertical",)), Rotations(2)]),
        "in common",
    ),
    (lambda: Product([Shifts((6, 6)), Shifts((6, 6), 2)]), "in common"),
    (lambda: Product([Shifts((6, 6)), Shifts((4, 4))]), "one size"),
    (lambda: Product([]), "at least one factor"),
    (lambda: SemidirectProduct(Shifts((6, 6)), Rotations(8)), "no group together"),
    (lambda: SemidirectProduct(Shifts((6, 4)), QuarterTurns()), "no group together"),
    (lambda: SemidirectProduct(Shifts((6, 6), (1, 2)), QuarterTurns()), "multiples of"),
    (lambda: SemidirectProduct(Rotations(4), Reflections()), "in common"),
    (lambda: SemidirectProduct(Rotations(360), Reflections()), "in common"),
    (lambda: SemidirectProduct(Shifts((2, 2)), QuarterTurns()), "in common"),  # half a turn is a shift there
    (lambda: Shifts((6, 5), 2), "divide"),
    (lambda: Shifts((6,), (1, 1)), "a step for each axis"),
    (lambda: Shifts((2, 3, 4)), "length"),
    (lambda: Shifts((0,)), "length"),
    (lambda: Reflections(("diagonal",)), "horizontal, vertical"),
    (lambda: Reflections(()), "horizontal, vertical"),
    (lambda: Reflections(("vertical", "vertical")), "at most once"),
    (lambda: Mixture([]), "families"),
    (lambda: Mixture([Trivial()], [0.0]), "weight"),
    (lambda: Mixture([Trivial()], [1.0, 2.0]), "weight"),
    (lambda: Mixture([Trivial(), Trivial()], [-1.0, 2.0]), "weight"),
]


@pytest.mark.parametrize(("build", "sentence"), REFUSED)
def test_what_makes_no_group_is_refused(build: Callable[[], Family], sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        build()


def test_commuting_factors_are_taken() -> None:
    assert Product([Reflections(("horizontal",)), Reflections(("vertical",))]).order == 4
    assert Product([Rotations(3), QuarterTurns()]).order == 12
    assert Product([Shifts((6, 6), (1, 6)), Shifts((6, 6), (6, 1))]).order == 36


def test_elements_of_another_batch_group_or_size_are_refused() -> None:
    x = _image(2, 1, 4, 4)
    for g, sentence in (
        (torch.tensor([0]), "one element per image"),
        (torch.tensor([0, 4]), "integers 0 .. 3"),
        (torch.tensor([-1, 0]), "integers 0 .. 3"),
        (torch.tensor([0.0, 1.0]), "integers 0 .. 3"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            QuarterTurns().act(g, x)
    with pytest.raises(InputError, match=re.escape("expected images of (4, 5) pixels")):
        Shifts((4, 5)).act(torch.tensor([0, 0]), x)
    with pytest.raises(InputError, match='signals have the axis "horizontal" alone'):
        Reflections().act(torch.tensor([0, 0]), _image(2, 1, 4))
    with pytest.raises(InputError, match=re.escape("shape (2, 2)")):
        Mixture([QuarterTurns()]).act(torch.zeros(2, 3, dtype=torch.float64), x)


def test_samples_are_uniform_and_depend_on_the_seed() -> None:
    ids = tuple(range(4000))
    for group in (Dihedral(4), SemidirectProduct(Shifts((3, 3)), QuarterTurns()), Rotations(8)):
        g = group.sample(Draws(0, 0, ids).of("g"))
        counts = torch.bincount(g, minlength=group.order)
        expected = 4000 / group.order
        assert float(((counts - expected) ** 2 / expected).sum()) < group.order + 5 * (2 * group.order) ** 0.5
        assert not torch.equal(g, group.sample(Draws(1, 0, ids).of("g")))


def test_mixture_draws_by_weight_and_acts_as_its_members() -> None:
    turns, shifts = QuarterTurns(), Shifts((4, 4))
    mixture = Mixture([turns, shifts, Trivial()], [3, 1, 0])
    g = mixture.sample(Draws(0, 0, tuple(range(2000))).of("g"))
    share = torch.bincount(g[:, 0].long(), minlength=3) / 2000
    assert share[2] == 0 and abs(float(share[0]) - 0.75) < 0.04
    few = g[:6]
    x = _image(6, 1, 4, 4)
    members = [(turns, shifts)[int(kind)] for kind in few[:, 0]]
    by_hand = [one.act(p[None].long(), z[None]) for one, p, z in zip(members, few[:, 1], x, strict=True)]
    assert len(set(members)) == 2 and torch.equal(mixture.act(few, x), torch.cat(by_hand))


def test_mixture_states_the_worst_of_its_members() -> None:
    assert Mixture([Trivial(), Rotations(360)]).action_error == Rotations(360).action_error
    assert Mixture([Trivial(), Rotations(4)]).action_error == 0


@given(st.lists(st.integers(0, 3), max_size=8))
def test_by_kind_puts_rows_back_in_order(kinds: list[int]) -> None:
    x = torch.arange(len(kinds), dtype=torch.float64)[:, None]
    out = by_kind(torch.tensor(kinds, dtype=torch.int64), x, lambda kind, rows, few: few + 100 * kind + rows[:, None])
    assert torch.equal(out[:, 0], 2 * x[:, 0] + 100 * torch.tensor(kinds, dtype=torch.float64))
