"""Parallel-beam tomography against analytic line integrals, its dense matrix, scikit-image, and itself."""

import copy
import pickle
import subprocess
import sys
from math import cos, hypot, pi, radians, sin

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import radon
from torch import Tensor

from nullsight.contracts.physics import assert_adjoint, assert_dagger, assert_gradient
from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.physics import LeastSquares, MatrixOperator, ParallelBeamCT, Physics, WeightedLeastSquares, equispaced
from nullsight.physics.ensembles import blobs, white
from nullsight.physics.filters import TABLE, Hann, Ramp, filter_views, ramp_response, view_weights
from nullsight.physics.on_the_fly import OnTheFlyProjector
from nullsight.physics.projector import SparseProjector
from nullsight.types import InputError

ELLIPSE = (0.3, -0.2, 0.5, 0.25, 30.0)  # centre (column, up), half axes, turned by degrees; the image is 2 wide


def ellipse_image(height: int, width: int, pixel: float, fine: int = 8) -> Tensor:
    """Return the ellipse averaged over each pixel."""
    u0, v0, a, b, turn = ELLIPSE
    rows = -(np.arange(height * fine) - (height * fine - 1) / 2) * pixel / fine
    columns = (np.arange(width * fine) - (width * fine - 1) / 2) * pixel / fine
    u, v = columns[None] - u0, rows[:, None] - v0
    c, s = cos(radians(turn)), sin(radians(turn))
    inside = ((u * c + v * s) / a) ** 2 + ((v * c - u * s) / b) ** 2 <= 1
    return torch.from_numpy(inside.reshape(height, fine, width, fine).mean((1, 3)))[None, None]


def ellipse_sinogram(physics: ParallelBeamCT) -> Tensor:
    """Return the line integrals of the ellipse in closed form."""
    u0, v0, a, b, turn = ELLIPSE
    bins = np.arange(physics.detectors) - (physics.detectors - 1) / 2
    s = (bins * physics.spacing + physics.offset) * physics.pixel_size
    views = []
    for angle in physics.angles:
        t, own = radians(angle), radians(angle - turn)
        reach = (a * cos(own)) ** 2 + (b * sin(own)) ** 2
        left = np.clip(reach - (s - u0 * cos(t) - v0 * sin(t)) ** 2, 0, None)
        views.append(2 * a * b * np.sqrt(left) / reach)
    return torch.from_numpy(np.stack(views))[None, None]


def relative(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def smooth(physics: Physics, count: int, seed: int = 5) -> Tensor:
    return blobs(physics.image_shape, Draws(seed, 0, tuple(range(count))).of("x"))


ODD = [-20.0, 3.0, 17.5, 45.0, 90.0, 135.0, 200.0, 271.0]


@pytest.mark.parametrize("angles", [equispaced(30), ODD], ids=["equispaced", "odd"])
@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.75, 1.25)], ids=["square", "rectangle"])
def test_line_integrals_of_an_ellipse(angles: list[float], shape: tuple[float, float]) -> None:
    errors = []
    for n in (32, 64, 128):
        height, width = int(n * shape[0]), int(n * shape[1])
        physics = ParallelBeamCT(
            (1, height, width), angles, pixel_size=2 / n, spacing=1.25, offset=0.3, detectors=int(1.4 * n)
        ).double()
        errors.append(relative(physics.A(ellipse_image(height, width, 2 / n)), ellipse_sinogram(physics)))
    assert errors[0] < 0.05
    assert errors[2] < 0.012
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("angles", [equispaced(180), equispaced(181, 360.0), [*equispaced(90), *equispaced(90)]])
def test_filtered_back_projection_of_an_ellipse(angles: list[float]) -> None:
    n = 96
    physics = ParallelBeamCT((1, n, n), angles, pixel_size=2 / n).double()
    inside = torch.nn.functional.avg_pool2d(ellipse_image(n, n, 2 / n), 5, 1, 2) == 1
    back = physics.A_dagger(ellipse_sinogram(physics))[inside]
    assert abs(float(back.mean()) - 1) < 5e-3
    assert float(back.std()) < 0.03


def test_filtered_back_projection_approaches_a_smooth_image() -> None:
    errors = []
    for views in (12, 24, 96):
        physics = ParallelBeamCT((1, 64, 64), views).double()
        x = smooth(physics, 4)
        errors.append(relative(physics.A_dagger(physics.A(x)), x))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_uneven_angles_are_weighted_by_their_gaps() -> None:
    uneven = [180 * (k / 120) ** 1.3 for k in range(120)]
    physics = ParallelBeamCT((1, 48, 48), torch.tensor(uneven, dtype=torch.float64)[torch.arange(120).flip(0)]).double()
    x = smooth(physics, 4)
    assert relative(physics.A_dagger(physics.A(x)), x) < 0.015


def test_the_papers_geometry() -> None:
    physics = ParallelBeamCT((1, 128, 128), 50)
    assert physics.measurement_shape == (1, 50, 182)
    assert physics.angles == tuple(3.6 * k for k in range(50)) or np.allclose(physics.angles, 3.6 * np.arange(50))
    assert "two sparse matrices" in physics.storage
    assert isinstance(physics.projector, SparseProjector)
    assert 1.3e6 < physics.projector.rays.rows_weight.numel() < 1.6e6
    bound = physics.projector.geometry.most_weights()
    stored = physics.projector.rays.rows_weight.numel() + physics.projector.views.rows_weight.numel()
    assert stored <= bound < 1.05 * stored
    assert physics.projector.rays.rows_index.dtype == torch.int32
    assert physics.state_dict() == {}


def test_close_to_another_implementation() -> None:
    x = smooth(ParallelBeamCT((1, 65, 65), 1), 1)
    axis = torch.arange(65) - 32
    x = x * (axis**2 + axis[:, None] ** 2 < 32**2)
    physics = ParallelBeamCT((1, 65, 65), ODD, detectors=65).double()
    theirs = torch.from_numpy(radon(x[0, 0].numpy(), ODD, circle=True)).T
    assert relative(physics.A(x)[0, 0], theirs) < 0.01


def test_zero_and_ninety_degrees_sum_columns_and_rows() -> None:
    physics = ParallelBeamCT((2, 5, 7), [0.0, 90.0, 180.0, -90.0], detectors=7, pixel_size=0.5).double()
    x = white((2, 5, 7), Draws(0, 0, (0,)).of("x"))
    y, columns, rows = physics.A(x)[0], 0.5 * x.sum(2)[0], torch.zeros(2, 7, dtype=torch.float64)
    rows[:, 1:6] = 0.5 * x.sum(3)[0].flip(1)  # row 0 is up, at the far end of the detector
    for view, expected in enumerate((columns, rows, columns.flip(1), rows.flip(1))):
        assert torch.allclose(y[:, view], expected, atol=1e-12)


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


def test_stored_and_computed_weights_are_the_same() -> None:
    for dtype, bound in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        torch.set_default_dtype(dtype)
        try:
            arguments = {"spacing": 0.8, "offset": -0.6, "pixel_size": 0.3}
            stored = ParallelBeamCT((2, 11, 15), ODD, **arguments)
            computed = ParallelBeamCT((2, 11, 15), ODD, **arguments, memory_limit=60_000)
        finally:
            torch.set_default_dtype(torch.float32)
        assert isinstance(computed.projector, OnTheFlyProjector)
        assert "computed at every use" in computed.storage
        x = white(stored.image_shape, Draws(0, 0, (0, 1, 2)).of("x")).to(dtype)
        y = white(stored.measurement_shape, Draws(0, 0, (0, 1, 2)).of("y")).to(dtype)
        assert relative(computed.A(x), stored.A(x)) < bound
        assert relative(computed.A_adjoint(y), stored.A_adjoint(y)) < bound
        assert relative(computed.A_dagger(y), stored.A_dagger(y)) < bound
        leaf = y.clone().requires_grad_()
        pulled = [torch.autograd.grad((p.A_dagger(leaf) * x).sum(), leaf)[0] for p in (computed, stored)]
        assert relative(pulled[0], pulled[1]) < bound


@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 9, 1), (1, 1, 1), (3, 2, 5)])
def test_thin_images(shape: tuple[int, int, int]) -> None:
    for limit in (2**30, 8_000):
        physics = ParallelBeamCT(shape, [0.0, 30.0, 45.0, 90.0, 100.0], memory_limit=limit)
        assert_adjoint(physics, dtype=torch.float64)
        total = physics.double().A(torch.ones(1, *shape, dtype=torch.float64))[0, 0, 0].sum()
        assert float(total) == pytest.approx(shape[1] * shape[2])


def test_memory_is_estimated_before_it_is_taken() -> None:
    with pytest.raises(InputError, match=r"memory_limit = 1000 bytes.*would take about \d+"):
        ParallelBeamCT((1, 64, 64), 20, memory_limit=1000)


LARGE = """
import resource
import torch
from nullsight.physics import ParallelBeamCT
physics = ParallelBeamCT((1, 512, 512), 720)
x = torch.zeros(1, 1, 512, 512); x[..., 200:330, 150:300] = 1
y = physics.A(x)
assert abs(float(y.double().sum()) / (720 * float(x.sum())) - 1) < 1e-3
back = physics.A_adjoint(y)
assert abs(float((back.double() * x).sum()) / float((y.double() ** 2).sum()) - 1) < 1e-6
image = physics.A_dagger(y)
assert float((image - x).norm() / x.norm()) < 0.15
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, physics.storage)
"""


def test_512_by_512_with_720_views_stays_under_4_gib() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kibibytes, storage = done.stdout.split(maxsplit=1)
    assert "computed at every use" in storage
    assert int(kibibytes) < 4 * 2**20


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


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_any_batch_and_channels(batch: int, dtype: torch.dtype) -> None:
    physics, one = ParallelBeamCT((3, 9, 8), 7).to(dtype), ParallelBeamCT((1, 9, 8), 7).to(dtype)
    x = white((3, 9, 8), Draws(0, 0, tuple(range(batch))).of("x")).to(dtype)
    y = physics.A(x)
    assert y.is_contiguous() and y.dtype == dtype
    for channel in range(3):
        assert torch.allclose(y[:, channel : channel + 1], one.A(x[:, channel : channel + 1]), atol=1e-4)
    assert physics.A_dagger(y).shape == x.shape


def test_copies_and_dtypes() -> None:
    physics = ParallelBeamCT((1, 10, 10), 6)
    x = smooth(physics, 2)
    double = copy.deepcopy(physics).double()
    assert double.A(x).dtype == torch.float64
    assert physics.A(x.float()).dtype == torch.float32
    again = pickle.loads(pickle.dumps(physics))
    assert torch.equal(again.A(x.float()), physics.A(x.float()))
    with pytest.raises(InputError, match=r"expected torch.float32 .* torch.float64 came"):
        physics.A(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(physics.A(x.float()), physics.A(x.float()))
        assert physics.A_dagger(physics.A(x.float())).dtype == torch.float32


@pytest.mark.parametrize("window", [kind() for kind in TABLE.values()], ids=list(TABLE))
def test_windows(window: Ramp) -> None:
    frequency = torch.linspace(0, 1, 101, dtype=torch.float64)
    value = window(frequency)
    assert float(value[0]) == pytest.approx(1)
    assert bool((value.diff() <= 1e-12).all()) and float(value[-1]) >= -1e-12
    physics = ParallelBeamCT((1, 24, 24), 40, window=window)
    assert assert_dagger(physics) > 0
    assert_gradient(physics)
    noise = white(physics.measurement_shape, Draws(0, 0, (0,)).of("n"))
    plain = ParallelBeamCT((1, 24, 24), 40).double().A_dagger(noise).norm()
    assert float(physics.double().A_dagger(noise).norm()) <= float(plain) * (1 + 1e-6)


def test_the_ramp_keeps_the_mean_and_does_not_wrap() -> None:
    response = ramp_response(50, 0.5, Ramp())
    assert response.shape == (65,)
    assert 0 < float(response[0]) < 0.02 * float(response[-1])
    assert float(response[-1]) == pytest.approx(
        1.0, rel=0.02
    )  # the Nyquist frequency of bins 0.5 apart is 1 per length
    left = torch.zeros(50, dtype=torch.float64)
    left[0] = 1
    out = filter_views(left, response)
    assert float(out[49]) == pytest.approx(-1 / (pi * 49 * 0.5) ** 2 * 0.5, rel=1e-9)
    assert float(filter_views(left, ramp_response(50, 0.5, Hann())).abs().max()) < float(out.abs().max())


@pytest.mark.parametrize("seed", range(6))
def test_the_stated_dagger_error_holds_on_other_draws(seed: int) -> None:
    for physics in (
        ParallelBeamCT((1, 24, 30), 20),
        ParallelBeamCT((1, 24, 24), 20, pixel_size=0.1).subset(torch.arange(20)[:, None].expand(1, 20, 34) < 12),
    ):
        assert assert_dagger(physics, seed=seed + 10) > 0
    scaled = ParallelBeamCT((1, 24, 24), 20, pixel_size=7.0).dagger_error
    assert scaled == pytest.approx(ParallelBeamCT((1, 24, 24), 20).dagger_error, rel=1e-3)


def test_the_weighting_is_symmetric_and_nearly_inverts() -> None:
    physics = ParallelBeamCT((1, 32, 32), 60, spacing=0.9, pixel_size=2.5).double()
    u, v = (white(physics.measurement_shape, Draws(s, 0, (0, 1)).of("u")) for s in (0, 1))
    assert float((physics.weigh(u) * v).sum()) == pytest.approx(float((u * physics.weigh(v)).sum()))
    assert float((physics.weigh(u) * u).sum()) > 0
    x = smooth(physics, 3)
    assert relative(physics.A_adjoint(physics.weigh(physics.A(x))), x) < 0.05


def test_least_squares_is_the_pseudo_inverse() -> None:
    ct = ParallelBeamCT((1, 7, 7), 5).double()
    y = white(ct.measurement_shape, Draws(0, 0, (0, 1)).of("y"))
    exact = (y.flatten(1) @ torch.linalg.pinv(ct.to_matrix(), rtol=1e-9).T).reshape(2, 1, 7, 7)
    assert relative(LeastSquares(ct, iterations=200, tolerance=1e-12).A_dagger(y), exact) < 1e-6


def test_the_weighting_saves_iterations() -> None:
    ct = ParallelBeamCT((1, 48, 48), 40).double()
    x = ellipse_image(48, 48, 2 / 48)
    y = ct.A(x)
    plain, weighted = LeastSquares(ct, 10), WeightedLeastSquares(ct, 5)
    assert relative(weighted.A_dagger(y), x) < relative(plain.A_dagger(y), x)


def test_least_squares_keeps_the_rest_of_the_operator() -> None:
    ct = ParallelBeamCT((1, 12, 12), 10)
    keep = torch.zeros(2, *ct.measurement_shape, dtype=torch.bool)
    keep[0, :, ::2], keep[1, :, 3:] = True, True
    x = smooth(ct, 2).float()
    for kind in (LeastSquares, WeightedLeastSquares):
        whole = kind(ct, iterations=4)
        part = whole.subset(keep)
        assert type(part) is kind and part.iterations == 4
        assert whole.measured is None and torch.equal(part.measured, keep)
        assert part.samples == 2 and part.repeat(2).samples == 4
        y = part.A(x)
        for i in range(2):
            one = part.take([i])
            assert torch.allclose(one.A(x[i : i + 1]), y[i : i + 1], atol=1e-5)
            assert torch.allclose(one.A_dagger(y[i : i + 1]), part.A_dagger(y)[i : i + 1], atol=1e-4)
        still = torch.zeros_like(y).requires_grad_()
        assert torch.autograd.grad(whole.A_dagger(still[:1]).sum(), still)[0].isfinite().all()
    with pytest.raises(InputError, match="cannot: take LeastSquares"):
        WeightedLeastSquares(MatrixOperator((1, 4), torch.eye(4)))
    with pytest.raises(InputError, match="at least 1 iteration"):
        LeastSquares(ct, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_shape": (8, 8)}, "channels, height, width"),
        ({"image_shape": (1, 0, 8)}, "image shape"),
        ({"angles": []}, "at least one angle"),
        ({"angles": [0.0, float("nan")]}, "finite angles"),
        ({"angles": 0}, "at least 1 view"),
        ({"spacing": 0.0}, "spacing above 0"),
        ({"pixel_size": -1.0}, "pixel_size above 0"),
        ({"detectors": 0}, "detectors above 0"),
        ({"offset": float("inf")}, "offset"),
        ({"keep": torch.ones(1, 4, 11, dtype=torch.bool)}, "keep"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ParallelBeamCT(**{"image_shape": (1, 8, 8), "angles": 4, **change})  # type: ignore[arg-type]


def test_the_diagonal_is_covered() -> None:
    for height, width, spacing in ((8, 8, 1.0), (9, 20, 0.7), (30, 4, 2.0)):
        physics = ParallelBeamCT((1, height, width), 3, spacing=spacing)
        assert physics.detectors * spacing >= hypot(height, width) > (physics.detectors - 1) * spacing
