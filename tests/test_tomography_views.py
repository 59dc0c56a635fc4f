"""Views of a parallel-beam operator: turned, weighted, subsets, several sets in a batch."""

from math import pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.physics import ParallelBeamCT, Physics
from nullsight.physics.ensembles import blobs, white
from nullsight.physics.filters import Hann, view_weights
from nullsight.reconstructors import Preconditioned
from nullsight.types import InputError
from tests.cases.sinograms import relative, smooth


@pytest.mark.parametrize("views", [8, 10])
def test_a_quarter_turn_permutes_the_views(views: int) -> None:
    physics = ParallelBeamCT((1, 20, 20), views).double()
    x = white((1, 20, 20), Draws(0, 0, (0, 1)).of("x"))
    y, turned = physics.A(x), physics.A(torch.rot90(x, 1, (2, 3)))  # against the clock
    half = views // 2
    expected = torch.cat([y[:, :, half:].flip(3), y[:, :, :half]], 2)
    assert relative(turned, expected) < 1e-12


def test_a_turned_operator_sees_the_turned_image() -> None:
    physics = ParallelBeamCT((1, 20, 20), 10, offset=0.4, pixel_size=0.5).double()
    x = white((1, 20, 20), Draws(0, 0, (0, 1)).of("x"))
    assert relative(physics.turned(90.0).A(x), physics.A(torch.rot90(x, 1, (2, 3)))) < 1e-12  # against the clock
    smooth = blobs((1, 64, 64), Draws(0, 0, (0, 1)).of("x"))
    fine, group = ParallelBeamCT((1, 64, 64), 10).double(), Rotations(360)
    for degrees in (7, 201):
        turned = fine.A(group.act(torch.tensor([degrees] * 2), smooth))
        assert relative(fine.turned(degrees).A(smooth), turned) < 0.02
        assert relative(fine.turned(-degrees).A(smooth), turned) > 0.04


def test_a_turned_operator_is_built_once_and_has_the_views_kept_and_the_precision() -> None:
    window = Hann()
    physics = ParallelBeamCT((1, 12, 12), 6, window=window)
    turned = physics.turned(5)
    assert turned is physics.turned(5.0) and turned.window is window
    keep = torch.ones(physics.measurement_shape, dtype=torch.bool)
    keep[:, 1::2] = False
    part = physics.subset(keep)
    x = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(part.turned(5).A(x), turned.A(x) * keep)
    assert torch.equal(part.turned(5).weights, part.weights)
    assert physics.double().turned(5).A(x.double()).dtype == torch.float64


@pytest.mark.parametrize("seed", range(4))
def test_the_gain_bounds_that_of_any_subset_of_views(seed: int) -> None:
    physics = ParallelBeamCT((1, 24, 24), 20).double()
    keep = torch.rand(2, 1, 20, 1, generator=torch.Generator().manual_seed(seed)) < 0.6
    keep[:, :, seed] = True
    part = physics.subset(keep.expand(2, *physics.measurement_shape))
    x = white(physics.image_shape, Draws(seed, 0, (0, 1)).of("x")).double()
    for _ in range(60):
        x = part.A_dagger(part.A(x / x.flatten(1).norm(dim=1)[:, None, None, None]))
    largest = float(x.flatten(1).norm(dim=1).max())
    assert 0.15 * part.dagger_gain() < largest < 1.02 * part.dagger_gain()
    assert part.dagger_gain() > physics.dagger_gain()
    # the data step that takes it for its length does not diverge
    y, u = part.A(x), torch.zeros_like(x)
    for _ in range(40):
        u = u - Preconditioned().direction(u, y, part)
    assert float((part.A(u) - y).norm()) < float(y.norm())


def test_turned_operators_stay_within_the_limit_together() -> None:
    one = ParallelBeamCT((1, 24, 24), 6)
    size = sum(buffer.numel() * buffer.element_size() for buffer in one.projector.buffers())
    small = ParallelBeamCT((1, 24, 24), 6, memory_limit=int(3.5 * size))
    x = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    kinds = []
    for degrees in (10.0, 20.0, 30.0, 40.0):
        turned = small.turned(degrees)
        assert torch.allclose(turned.A(x), one.turned(degrees).A(x), rtol=1e-4, atol=1e-4)
        kinds.append(turned.storage.startswith("weights kept"))
    assert kinds == sorted(kinds, reverse=True) and kinds[0] and not kinds[-1]


@given(st.lists(st.floats(-400, 400), min_size=1, max_size=12), st.integers(0, 2**12 - 1))
def test_view_weights_sum_to_half_a_turn(angles: list[float], chosen: int) -> None:
    keep = torch.tensor([[bool(chosen >> k & 1)] for k in range(len(angles))])
    weights = view_weights(tuple(angles), keep)
    assert bool((weights >= 0).all())
    assert bool((weights[~keep] == 0).all())
    assert float(weights.sum()) == pytest.approx(pi if bool(keep.any()) else 0.0, abs=1e-6)


def test_view_weights_are_half_the_gaps() -> None:
    weights = view_weights((0.0, 10.0, 40.0, 220.0), torch.ones(4, 1, dtype=torch.bool))[:, 0].rad2deg()
    assert weights.tolist() == pytest.approx([75.0, 20.0, 42.5, 42.5])  # 40 and 220 degrees see the same lines


def test_a_subset_of_views_is_the_operator_of_those_angles() -> None:
    kept = torch.tensor([0, 1, 4, 9, 10, 13])
    whole = ParallelBeamCT((2, 16, 16), 16).double()
    few = ParallelBeamCT((2, 16, 16), [whole.angles[k] for k in kept.tolist()]).double()
    keep = torch.zeros(whole.measurement_shape, dtype=torch.bool)
    keep[:, kept] = True
    part = whole.subset(keep)
    x = smooth(whole, 3)
    y = part.A(x)
    assert torch.equal(part.measured[0], keep)
    assert whole.measured is None
    assert relative(y[:, :, kept], few.A(x)) < 1e-12
    assert relative(part.A_dagger(y), few.A_dagger(few.A(x))) < 1e-6  # the weights of views were made in float32
    assert relative(part.A_adjoint(torch.ones_like(y)), few.A_adjoint(torch.ones_like(y[:, :, kept]))) < 1e-12
    again = ParallelBeamCT((2, 16, 16), 16, keep=keep).double()
    assert torch.allclose(again.A_dagger(y), part.A_dagger(y))
    both = part.subset(torch.rand(keep.shape, generator=torch.Generator().manual_seed(0)) < 0.5)
    assert bool((both.measured <= part.measured).all())


def test_several_angle_sets_in_one_batch() -> None:
    whole = ParallelBeamCT((1, 16, 16), 12)
    sets = torch.zeros(3, 1, 12, whole.detectors, dtype=torch.bool)
    sets[0, :, ::2], sets[1, :, 1:9], sets[2] = True, True, True
    x = smooth(whole, 3).float()
    together = whole.subset(sets)
    alone = [whole.subset(sets[:1]), whole.subset(sets[1:2]), whole]
    joined = Physics.batched(alone)
    for physics in (together, joined, together.take([0, 1, 2]), together.repeat(2).take([3, 4, 5])):
        assert physics.samples == 3
        y = physics.A(x)
        for i, one in enumerate(alone):
            assert torch.allclose(y[i : i + 1], one.A(x[i : i + 1]), atol=1e-5)
            assert torch.allclose(physics.A_dagger(y)[i : i + 1], one.A_dagger(y[i : i + 1]), atol=1e-5)
    assert together.take([2]).measured is None
    assert together.dagger_error > whole.dagger_error
    with pytest.raises(InputError, match="batch"):
        together.A(x[:2])


def test_operators_with_other_angles_do_not_share_a_batch() -> None:
    with pytest.raises(InputError, match="angles"):
        Physics.batched([ParallelBeamCT((1, 8, 8), 4), ParallelBeamCT((1, 8, 8), [1.0, 2.0, 3.0, 4.0])])


def test_missing_bins_keep_the_scale_on_average() -> None:
    physics = ParallelBeamCT((1, 24, 24), 120).double()
    x = smooth(physics, 6)
    keep = torch.rand(6, *physics.measurement_shape, generator=torch.Generator().manual_seed(0)) < 0.5
    part = physics.subset(keep)
    assert float(part.A_dagger(part.A(x)).mean(0).sum() / x.mean(0).sum()) == pytest.approx(1, abs=0.05)
