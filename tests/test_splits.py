"""Splits of measurements, windows of images, and turned operators with their parts left out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nullsight import physics as p
from nullsight.draws import Draws
from nullsight.groups import Dihedral, Rotations
from nullsight.physics.composed import transformed
from nullsight.physics.least_squares import Weighs
from nullsight.physics.splits import SPLITS, measured_entries
from nullsight.physics.windows import random_corners, windows
from nullsight.types import InputError
from tests.cases.physics import PHYSICS, Stretch

SPLIT_CASES: list[p.Split] = [
    p.RandomEntries(),
    p.RandomEntries(0.3, ()),
    p.RandomEntries(0.05),
    p.RandomEntries(0.95, (0, -1)),
    p.RandomBlocks(0.5, 2),
    p.RandomBlocks(0.5, 3, (0,)),
]
LINES: list[p.Split] = [p.RandomLines(), p.RandomLines(0.1, 2), p.RandomLines(0.99, -2)]


def draws(*ids: int, seed: int = 0) -> Draws:
    return Draws(seed, 0, ids)


def draw(split: p.Split, physics: p.Physics, batch: int, seed: int = 0) -> Tensor:
    return split.sample(physics, draws(*range(batch), seed=seed).of("split"))


def mask(*shape: int, seed: int = 0) -> Tensor:
    return p.bernoulli_mask(shape, 0.6, seed)


def test_every_split_is_tried() -> None:
    assert {type(split) for split in [*SPLIT_CASES, *LINES]} == set(SPLITS.values())


@pytest.mark.parametrize("case", PHYSICS, ids=lambda c: c.name)
def test_kept_and_hidden_entries_make_up_what_is_measured(case) -> None:
    physics = case.build()
    batch = physics.samples or 3
    measured = measured_entries(physics, batch)
    splits = [one for one in SPLIT_CASES if not one.__dict__.get("shared_axes")]
    for split in splits + (LINES if len(physics.measurement_shape) > 2 else []):
        keep = draw(split, physics, batch)
        assert keep.shape == (batch, *physics.measurement_shape) and keep.dtype == torch.bool
        assert not bool((keep & ~measured).any())
        assert bool(keep.flatten(1).any(1).all()) and bool((measured & ~keep).flatten(1).any(1).all()), split


@given(st.integers(0, 2**32), st.sampled_from([one for one in SPLIT_CASES if one != SPLIT_CASES[3]] + LINES[1:]))
def test_both_sides_have_an_entry_wherever_two_are_measured(seed: int, split: p.Split) -> None:
    seen = torch.zeros(4, 6, dtype=torch.bool)
    seen[0, 0] = seen[3, 5] = True
    physics = p.Inpainting((2, 4, 6), seen)
    keep = draw(split, physics, 2, seed)
    hidden = physics.measured & ~keep
    assert bool(keep.flatten(1).any(1).all()) and bool(hidden.flatten(1).any(1).all())


def test_a_single_measured_pixel_is_kept() -> None:
    seen = torch.zeros(4, 4, dtype=torch.bool)
    seen[1, 2] = True
    keep = draw(p.RandomEntries(0.01), p.Inpainting((1, 4, 4), seen), 2)
    assert keep.sum().item() == 2


@pytest.mark.parametrize("split", SPLIT_CASES + LINES, ids=str)
def test_draws_do_not_depend_on_how_a_batch_is_cut(split: p.Split) -> None:
    physics = p.Inpainting((2, 6, 5), torch.stack([mask(1, 6, 5, seed=s) for s in range(4)]))
    whole = split.sample(physics, draws(5, 7, 11, 13).of("split"))
    parts = [
        split.sample(physics.take(rows), draws(5, 7, 11, 13).take(rows).of("split")) for rows in ([0], [1, 2], [3])
    ]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_the_share_that_is_kept(keep: float) -> None:
    physics = p.Inpainting((1, 40, 40), mask(40, 40))
    for split in (p.RandomEntries(keep), p.RandomBlocks(keep, 2)):
        share = draw(split, physics, 8)[:, physics.measured[0]].double().mean()
        assert abs(float(share) - keep) < 0.03


def test_lines_are_whole_and_channels_go_together() -> None:
    ct = p.ParallelBeamCT((2, 12, 12), 9)
    views = draw(p.RandomLines(0.7), ct, 3)
    assert torch.equal(views, views[:, :1, :, :1].expand_as(views))
    mri = p.CartesianMRI((2, 6, 7), p.cartesian_mask((6, 7), 2.0, 0.15, seed=0))
    frequencies = draw(p.RandomEntries(0.6), mri, 3)
    assert torch.equal(frequencies[:, :, 0], frequencies[:, :, 1])
    assert isinstance(mri.subset(frequencies), p.CartesianMRI)  # and not a slower one
    free = draw(p.RandomEntries(0.5, ()), p.Inpainting((3, 9, 9), torch.ones(9, 9)), 1)
    assert not torch.equal(free[:, 0], free[:, 1])


@pytest.mark.parametrize("width", [16, 17])
def test_lines_in_the_middle_can_always_be_kept(width: int) -> None:
    sampled = p.cartesian_mask((6, width), 2.0, 4 / width, seed=0)
    kept = draw(p.RandomLines(0.3, -1, centre=4), p.CartesianMRI((2, 6, width), sampled), 20)[:, 0, 0]
    middle = width // 2 - 2
    assert kept[..., middle : middle + 4].all() and sampled[:, middle : middle + 4].all()
    rest = kept[:, 0, sampled[0]].float().sum(1) - 4
    assert 0 < float(rest.mean()) < 0.6 * (float(sampled[0].sum()) - 4)  # of the others about a third, never all
    assert not torch.equal(kept[0], kept[1]) or not torch.equal(kept[0], kept[2])


@pytest.mark.parametrize("shared", [None, ()])
def test_a_square_in_the_middle_can_always_be_kept(shared: tuple[int, ...] | None) -> None:
    physics = p.CartesianMRI((2, 9, 12), mask(9, 12))
    kept = draw(p.RandomEntries(0.3, shared, centre=3), physics, 20)
    middle = (..., slice(3, 6), slice(5, 8))
    assert torch.equal(kept[middle], p.splits.measured_entries(physics, 20)[middle])
    outside = kept.float().mean(0)[..., 6:, :]
    assert 0 < float(outside.max()) < 0.9


def test_blocks_hide_neighbours_together_and_move() -> None:
    physics = p.Inpainting((1, 24, 24), torch.ones(24, 24))
    hidden = ~draw(p.RandomBlocks(0.5, 4), physics, 6)[:, 0]
    for one in hidden:
        lines = [one[:, j].int().diff().nonzero().flatten() + 1 for j in range(24)]
        edges = {int(e) % 4 for line in lines for e in line}
        assert len(edges) == 1  # on a grid of 4
    assert len({tuple(one.flatten().tolist()) for one in hidden}) == 6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: p.RandomEntries(0.0), "above 0 and below 1"),
        (lambda: p.RandomLines(1.0), "above 0 and below 1"),
        (lambda: p.RandomBlocks(0.5, 0), "at least 1 entry"),
        (lambda: p.RandomLines(0.5, 1, -1), "centre of 0 or more, but -1"),
        (lambda: draw(p.RandomLines(0.5, 1, 4), p.Inpainting((1, 4, 4), mask(4, 4)), 2), "centre below 4"),
        (lambda: draw(p.RandomLines(0.5, 3), p.Inpainting((1, 4, 4), mask(4, 4)), 2), "expected an axis"),
        (lambda: draw(p.RandomEntries(0.5, (-4,)), p.Inpainting((1, 4, 4), mask(4, 4)), 2), "expected an axis"),
        (lambda: draw(p.RandomEntries(), p.Inpainting((1, 4, 4), mask(3, 1, 4, 4)), 2), "one stream for each of 3"),
    ],
)
def test_refusals(make, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("samples", [1, 3])
def test_a_crop_of_the_operator_measures_the_crop_of_the_image(samples: int) -> None:
    physics = p.Inpainting((2, 9, 7), torch.stack([mask(1, 9, 7, seed=s) for s in range(samples)]))
    x = torch.rand(3, 2, 9, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    corner = random_corners((9, 7), (4, 5), draws(0, 1, 2).of("crop"))
    assert len({tuple(row) for row in corner.tolist()}) > 1
    small, cut = physics.crop(corner, (4, 5)), lambda v: windows(v, corner, (4, 5))
    assert small.image_shape == (2, 4, 5)
    assert torch.equal(small.A(cut(x)), cut(physics.A(x)))
    assert torch.equal(small.A_dagger(cut(physics.A(x))), cut(physics.A_dagger(physics.A(x))))
    assert torch.equal(small.measured, cut(physics.measured.expand(3, -1, -1, -1)))


def test_windows_within_their_images_only() -> None:
    corners = random_corners((5, 5), (4, 5), draws(*range(60)).of("crop"))
    assert set(corners[:, 0].tolist()) == {0, 1} and set(corners[:, 1].tolist()) == {0}
    with pytest.raises(InputError, match="one window of"):
        windows(torch.zeros(1, 1, 5, 5), torch.tensor([[2, 0]]), (4, 5))
    with pytest.raises(InputError, match="one window of"):
        windows(torch.zeros(2, 1, 5, 5), torch.tensor([[0, 0]]), (4, 5))
    with pytest.raises(InputError, match="an operator that is local"):
        p.ParallelBeamCT((1, 12, 12), 9).crop(torch.zeros(1, 2, dtype=torch.int64), (4, 4))


@pytest.mark.parametrize("name", ["inpainting", "ct", "matrix"])
def test_turned_operators_leave_out_what_the_operator_leaves_out(name: str) -> None:
    whole: dict[str, p.LinearPhysics] = {
        "inpainting": p.Inpainting((1, 6, 6), mask(6, 6)),
        "ct": p.ParallelBeamCT((1, 12, 12), 9),
        "matrix": p.MatrixOperator((1, 6, 6), p.gaussian_matrix(20, 36, seed=0)),
    }
    physics = whole[name].double()
    group, g = Dihedral(4), torch.tensor([1, 6])
    split = p.RandomLines(0.6) if name == "ct" else p.RandomEntries(0.6)
    keep = draw(split, physics, 2)
    turned = transformed(physics, group, g)
    part = turned.subset(keep)
    x = torch.rand(2, *physics.image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(part.A(x), turned.A(x) * keep)
    inverse = group.act(group.inverse(g), physics.subset(keep).A_dagger(part.A(x)))
    assert torch.allclose(part.A_dagger(part.A(x)), inverse)  # the quick inverse, not iterations
    assert turned.norm() == physics.norm() and part.dagger_gain() == physics.subset(keep).dagger_gain()
    assert isinstance(part, Weighs) == isinstance(physics, Weighs)


def test_weighing_of_turned_views_is_that_of_the_views() -> None:
    physics = p.ParallelBeamCT((1, 12, 12), 9)
    turned = transformed(physics, Dihedral(4), torch.tensor([1]))
    y = torch.rand(2, *physics.measurement_shape, generator=torch.Generator().manual_seed(0))
    assert isinstance(turned, Weighs) and torch.equal(turned.weigh(y), physics.weigh(y))


def test_norm_of_what_is_not_orthogonal_is_computed() -> None:
    turned = p.Transformed(p.Hadamard((1, 8, 8), 40), Stretch(), torch.tensor([0.5]))
    exact = float(torch.linalg.matrix_norm(turned.to_matrix().reshape(40, 64), 2))
    assert turned.norm() == pytest.approx(exact, rel=0.01)


def test_norm_behind_interpolated_rotations_hangs_on_no_element() -> None:
    physics = p.ParallelBeamCT((1, 24, 24), 9)
    norms = [p.Transformed(physics, Rotations(360), torch.tensor(g)).norm() for g in ([50], [7, 300], [50, 90, 1])]
    assert norms == [physics.norm()] * 3
