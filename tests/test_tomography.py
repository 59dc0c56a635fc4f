"""Parallel-beam tomography against analytic line integrals, its dense matrix, scikit-image, and itself."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from math import hypot

import numpy as np
import pytest
import torch
from skimage.transform import radon

from nullsight.contracts.physics import assert_adjoint
from nullsight.draws import Draws
from nullsight.physics import FanBeamCT, ParallelBeamCT, equispaced
from nullsight.physics.ensembles import white
from nullsight.physics.on_the_fly import OnTheFlyProjector
from nullsight.physics.projector import SparseProjector
from nullsight.physics.ray_matrices import RayMatrices
from nullsight.types import InputError
from tests.cases.sinograms import ODD, ellipse_image, ellipse_sinogram, relative, smooth


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
    assert 1.3e6 < physics.projector.rays.weights < 1.6e6
    bound = physics.projector.geometry.most_weights()
    stored = physics.projector.rays.weights + physics.projector.views.rows.weight.numel()
    assert stored <= bound < 1.05 * stored
    assert physics.projector.rays.columns.index.dtype == torch.int32
    assert physics.state_dict() == {}


@pytest.mark.parametrize("build", [lambda: ParallelBeamCT((1, 9, 14), 7), lambda: ParallelBeamCT((1, 6, 6), [0.0])])
def test_steep_rays_through_the_transposed_image_are_the_same_rays(build: Callable[[], ParallelBeamCT]) -> None:
    geometry = build().projector.geometry
    for one in (geometry, replace(geometry, angles=(90.0,)), FanBeamCT((1, 9, 14), 7, 12.0).projector.geometry):
        plain, turned = RayMatrices(one), RayMatrices(one, small=0)
        assert plain.across is None and (turned.across is not None or one.angles == (90.0,))
        x, y = torch.rand(3, one.pixels), torch.rand(3, one.rays)
        for count in (1, 3):
            torch.testing.assert_close(turned(x[:count]), plain(x[:count]))
            assert torch.equal(turned.transposed(y[:count]), plain.transposed(y[:count]))
        inner = ((turned(x) * y).sum(), (x * turned.transposed(y)).sum())
        torch.testing.assert_close(*inner)


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
