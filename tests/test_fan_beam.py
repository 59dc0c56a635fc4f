"""Fan-beam tomography against the disk in closed form, its parallel limit, its dense matrix, and itself."""

from math import asin, cos, radians, sin

import numpy as np
import pytest
import torch
from torch import Tensor

from nullsight.contracts.physics import assert_adjoint, assert_dagger
from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.physics import FanBeamCT, ParallelBeamCT, WeightedLeastSquares, equispaced
from nullsight.physics.composed import behind
from nullsight.physics.ensembles import white
from nullsight.physics.filters import Hann, view_weights
from nullsight.physics.on_the_fly import OnTheFlyProjector
from nullsight.types import InputError
from tests.cases.sinograms import ODD, relative, smooth

DISK = (0.22, -0.15, 0.45)  # centre (column, up) and radius; the image is 2 wide


def disk_image(n: int, fine: int = 8) -> Tensor:
    """Return the disk averaged over each pixel."""
    axis = (np.arange(n * fine) - (n * fine - 1) / 2) * 2 / n / fine
    inside = (axis[None] - DISK[0]) ** 2 + (-axis[:, None] - DISK[1]) ** 2 <= DISK[2] ** 2
    return torch.from_numpy(inside.reshape(n, fine, n, fine).mean((1, 3)))[None, None]


def from_the_rim(n: int) -> Tensor:
    """Return each pixel's distance from the disk's rim in pixels, negative inside."""
    axis = (np.arange(n) - (n - 1) / 2) * 2 / n
    distance = np.hypot(axis[None] - DISK[0], -axis[:, None] - DISK[1]) - DISK[2]
    return torch.from_numpy(distance * n / 2)


def disk_sinogram(physics: FanBeamCT, fine: int = 1) -> Tensor:
    """Return the chords of the disk, each found from where source and detector are, the mean of ``fine`` ones a bin."""
    unit = physics.pixel_size
    count = physics.detectors * fine
    bins = (np.arange(count) - (count - 1) / 2) * physics.spacing / fine + physics.offset
    views = []
    for angle in physics.angles:
        c, s = cos(radians(angle)), sin(radians(angle))
        source = np.array([-s, c]) * physics.source_distance * unit
        ends = (bins[:, None] * np.array([c, s]) - np.array([-s, c]) * physics.detector_distance) * unit
        along = ends - source
        to_centre = np.array(DISK[:2]) - source
        across = (along[:, 0] * to_centre[1] - along[:, 1] * to_centre[0]) / np.hypot(*along.T)
        chords = 2 * np.sqrt(np.clip(DISK[2] ** 2 - across**2, 0, None))
        views.append(chords.reshape(-1, fine).mean(1))
    return torch.from_numpy(np.stack(views))[None, None]


def fan(n: int, views: int = 60, **changed: object) -> FanBeamCT:
    arguments = {"source_distance": 1.5 * n, "detector_distance": 0.7 * n, "pixel_size": 2 / n, **changed}
    return FanBeamCT((1, n, n), views, **arguments).double()  # type: ignore[arg-type]


def test_chords_of_a_disk() -> None:
    errors = []
    for n in (32, 64, 128):
        physics = fan(n, 24, offset=0.7, spacing=1.7)
        errors.append(relative(physics.A(disk_image(n)), disk_sinogram(physics)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.015


@pytest.mark.parametrize(
    ("source", "detector", "offset"), [(1.5, 0.0, 0.0), (0.9, 1.3, 0.3)], ids=["through the centre", "wide fan"]
)
def test_filtered_back_projection_of_a_disk_within_1_per_cent(source: float, detector: float, offset: float) -> None:
    n, wide = 64, 1 + detector / source
    place = {"source_distance": source * n, "detector_distance": detector * n, "offset": offset, "spacing": wide}
    distance = from_the_rim(n)
    within = torch.from_numpy(np.hypot(*np.meshgrid(*[np.arange(n) - (n - 1) / 2] * 2))) < n / 2
    inside, outside = distance < -4, within & (distance > 4)
    smooth = fan(n, 360, window=Hann(), **place)
    image = smooth.A_dagger(disk_sinogram(smooth, fine=8))[0, 0]  # bins are as wide as their distance
    assert float((image[inside] - 1).abs().max()) < 0.01
    assert float(image[outside].abs().max()) < 0.01
    sharp = fan(n, 360, **place)  # rays without width alias outside, and not in the mean
    image = sharp.A_dagger(disk_sinogram(sharp))[0, 0]
    assert float((image[inside] - 1).abs().max()) < 0.01
    assert abs(float(image[outside].mean())) < 1e-3


def test_without_its_weights_the_disk_is_off_by_more() -> None:
    n = 64
    physics = fan(n, 360, source_distance=0.9 * n)
    y, distance = disk_sinogram(physics), from_the_rim(n)
    wrong = physics.A_dagger(y / physics.slant)[0, 0, distance < -4]
    assert float((wrong - 1).abs().max()) > 0.02


@pytest.mark.parametrize("angles", [equispaced(24, 360.0), ODD], ids=["a turn", "odd"])
def test_from_far_away_rays_are_parallel(angles: list[float]) -> None:
    arguments = {"detectors": 31, "spacing": 0.9, "offset": 0.4, "pixel_size": 0.5}
    near = FanBeamCT((2, 20, 16), angles, 1e7, **arguments).double()  # type: ignore[arg-type]
    far = ParallelBeamCT((2, 20, 16), angles, **arguments).double()  # type: ignore[arg-type]
    x = smooth(far, 2)
    y = far.A(x)
    assert relative(near.A(x), y) < 1e-5
    assert relative(near.A_adjoint(y), far.A_adjoint(y)) < 1e-5
    if angles is not ODD:  # whose views a turn and half a turn weigh differently
        assert relative(near.A_dagger(y), far.A_dagger(y)) < 1e-5
        assert relative(near.weigh(y), far.weigh(y)) < 1e-5
    assert FanBeamCT((1, 20, 16), 4, 1e7).detectors == ParallelBeamCT((1, 20, 16), 4).detectors


def test_magnification_is_only_a_change_of_the_detector() -> None:
    y = [
        fan(24, 12, source_distance=30.0, detector_distance=e, spacing=1 + e / 30, offset=0.5 * (1 + e / 30)).A(
            disk_image(24)
        )
        for e in (0.0, 60.0)
    ]
    torch.testing.assert_close(y[0], y[1])
    assert (
        fan(24, 4, source_distance=30.0).detectors * 3
        >= fan(24, 4, source_distance=30.0, detector_distance=60.0).detectors
    )


def test_the_diagonal_is_covered() -> None:
    n = 20
    physics = fan(n, 36, source_distance=18.0, detector_distance=5.0)
    corner = torch.zeros(1, 1, n, n, dtype=torch.float64)
    corner[..., 0, 0] = 1
    assert float(physics.A(corner).sum(-1).amin()) > 0
    half_angle = asin(n * 2**0.5 / 2 / 18.0)
    assert physics.detectors / 2 >= 23.0 * sin(half_angle) / cos(half_angle)


def test_stored_and_computed_weights_are_the_same() -> None:
    arguments = {"source_distance": 16.0, "spacing": 1.2, "offset": -0.6, "pixel_size": 0.3}
    stored, computed = (
        FanBeamCT((2, 11, 15), ODD, **arguments, memory_limit=limit).double()  # type: ignore[arg-type]
        for limit in (2**30, 60_000)
    )
    assert isinstance(computed.projector, OnTheFlyProjector) and not isinstance(stored.projector, OnTheFlyProjector)
    # the stored weights were rounded to float32 when they were made
    for kind in ("project", "project_adjoint", "smear", "smear_adjoint"):
        shape = stored.image_shape if kind in ("project", "smear_adjoint") else stored.measurement_shape
        rows = white(shape, Draws(0, 0, (0, 1)).of(kind)).reshape(4, -1)
        assert relative(getattr(computed.projector, kind)(rows), getattr(stored.projector, kind)(rows)) < 1e-6
    assert_adjoint(computed, dtype=torch.float32)
    assert_adjoint(computed, dtype=torch.float64)
    rows = stored.projector.rays.weights + stored.projector.views.rows.weight.numel()
    assert rows <= stored.projector.geometry.most_weights()


def test_wide_fans_have_steep_and_flat_rays_in_one_view() -> None:
    physics = fan(16, 7, source_distance=12.0)
    assert max(len(physics.projector.geometry.lines(v, torch.device("cpu"))) for v in range(7)) == 2
    assert_adjoint(physics)
    total = physics.A(torch.ones(1, 1, 16, 16, dtype=torch.float64))
    assert torch.allclose(total[0, 0, 0], total[0, 0, 0].flip(-1))


def test_a_turned_image_is_seen_by_turned_views() -> None:
    physics = fan(16, 8, source_distance=20.0)
    x = smooth(physics, 2)
    quarter = behind(physics, Rotations(4), torch.tensor([1]))
    assert isinstance(quarter, FanBeamCT)
    torch.testing.assert_close(quarter.A(x), physics.A(Rotations(4).act(torch.tensor([1, 1]), x)))
    assert relative(physics.A(x.rot90(1, (-2, -1))), physics.A(x).roll(2, 2)) < 1e-6


def test_views_stand_for_the_gaps_between_those_that_are_left() -> None:
    keep = torch.ones(1, 6, 2, dtype=torch.bool)
    weights = view_weights(tuple(equispaced(6, 360.0)), keep, 360.0)
    torch.testing.assert_close(weights, torch.full_like(weights, torch.pi / 6))
    keep[0, 3] = False
    weights = view_weights(tuple(equispaced(6, 360.0)), keep, 360.0)
    torch.testing.assert_close(weights[0, :, 0], torch.pi / 6 * torch.tensor([1, 1, 1.5, 0, 1.5, 1]).double())


def test_subsets_and_samples() -> None:
    physics = fan(20, 40, source_distance=30.0)
    keep = torch.ones(2, *physics.measurement_shape, dtype=torch.bool)
    keep[0, :, ::4], keep[1, :, 5:9] = False, False
    part = physics.subset(keep)
    x = smooth(physics, 2)
    y = physics.A(x)
    torch.testing.assert_close(part.A(x), y * keep)
    assert part.samples == 2 and part.norm() == physics.norm() and part.dagger_gain() > physics.dagger_gain()
    for i in range(2):
        torch.testing.assert_close(part.take([i]).A_dagger(y[i : i + 1]), part.A_dagger(y)[i : i + 1])
    assert relative(part.A_dagger(part.A(x)), x) < 0.2
    for seed in (3, 4):
        assert assert_dagger(physics, seed=seed) > 0


def test_the_ramp_weighting_nearly_inverts_and_serves_least_squares() -> None:
    physics = fan(32, 60, source_distance=48.0)
    u, v = (white(physics.measurement_shape, Draws(s, 0, (0, 1)).of("u")) for s in (0, 1))
    assert float((physics.weigh(u) * v).sum()) == pytest.approx(float((u * physics.weigh(v)).sum()))
    x = smooth(physics, 3)
    assert relative(physics.A_adjoint(physics.weigh(physics.A(x))), x) < 0.1
    assert relative(WeightedLeastSquares(physics, 5).A_dagger(physics.A(x)), x) < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_distance": 5.0}, "outside of the image, more than half the diagonal = 5.657 pixels"),
        ({"source_distance": float("inf")}, "outside of the image"),
        ({"detector_distance": -1.0}, "detector_distance of at least 0"),
        ({"image_shape": (8, 8)}, "channels, height, width"),
        ({"angles": []}, "at least one angle"),
        ({"spacing": 0.0}, "spacing above 0"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FanBeamCT(**{"image_shape": (1, 8, 8), "angles": 4, "source_distance": 20.0, **change})  # type: ignore[arg-type]
