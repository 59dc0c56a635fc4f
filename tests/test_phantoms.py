"""Made images: in range, each its own, invariant as promised."""

import numpy as np
import pytest
import torch

from nullsight.data import (
    anatomy_phantoms,
    dead_leaves,
    disks,
    montage,
    shepp_logan,
    stroke_images,
    to_png,
    triangles,
    visible,
)
from nullsight.data.canvas import Canvas
from nullsight.types import InputError

MAKERS = [anatomy_phantoms, disks, dead_leaves, stroke_images, triangles]


@pytest.mark.parametrize("make", MAKERS)
def test_range_and_one_draw_per_image(make):
    x = make(4, 32, 5)
    assert x.dtype == torch.float32 and len(x) == 4 and x.shape[-1] == 32
    assert x.min() >= 0 and x.max() <= 1 and torch.isfinite(x).all() and x.std() > 0.05
    assert torch.equal(make(2, 32, 5), x[:2])
    assert not torch.equal(make(4, 32, 6), x)
    assert make is triangles or not torch.equal(x[0], x[1])
    for count, size in ((0, 32), (2, 0)):
        with pytest.raises(InputError, match="at least"):
            make(count, size, 0)


@pytest.mark.parametrize("make", [anatomy_phantoms, disks])
def test_within_the_inscribed_disk(make):
    line = (2 * torch.arange(48) + 1 - 48) / 48
    outside = line[:, None] ** 2 + line**2 > 1
    assert make(40, 48, 1)[:, 0, outside].max() == 0


def test_phantoms_are_turned_uniformly():
    """Moments of second order have no preferred direction over the ensemble: their mean is near 0."""
    x = anatomy_phantoms(300, 24, 0)[:, 0].double()
    line = (2 * torch.arange(24) + 1 - 24) / 24
    column, row = line[None, :], -line[:, None]
    double = torch.complex(column**2 - row**2, 2 * column * row)
    moment = (x * double).sum((1, 2)) / x.sum((1, 2))
    spread = moment.abs().pow(2).mean().sqrt() / 300**0.5
    assert moment.abs().mean() > 0.02  # each one is an ellipse
    assert moment.mean().abs() < 3 * spread


def test_phantoms_have_anatomy():
    x = anatomy_phantoms(20, 96, 0)
    assert (x.amax((1, 2, 3)) > 0.85).all()  # bone
    inside = x[x > 0.2]
    assert 0.35 < inside.mean() < 0.6  # soft tissue dominates
    assert x.std(0).mean() > 0.1  # no two alike


def test_numbers_set_aside_are_enough():
    anatomy_phantoms(120, 8, 3)


@pytest.mark.parametrize("turn", [0.0, 30.0, 77.0])
def test_an_ellipse_has_its_area_wherever_it_lies(turn):
    for shift in np.linspace(0, 2 / 32, 5):
        canvas = Canvas(32, turn)
        canvas.ellipse((0.1 + shift, -0.2), (0.4, 0.25), 1.0, turn=20)
        canvas.segment((-0.7, 0.5), (-0.3 + shift, 0.5), 0.1, 1.0)
        area = canvas.values.sum() * (2 / 32) ** 2
        assert area == pytest.approx(np.pi * 0.4 * 0.25 + (0.4 + shift) * 0.2 + np.pi * 0.01, rel=0.01)


def test_a_turned_canvas_turns_its_shapes():
    flat, turned = Canvas(33), Canvas(33, 90.0)
    for canvas in (flat, turned):
        canvas.ellipse((0.4, 0.1), (0.3, 0.15), 0.8, turn=25, waves=[(3, 0.05, 1.0)])
        canvas.segment((-0.4, -0.2), (0.1, -0.5), 0.08, 0.5)
    assert np.allclose(np.rot90(flat.values, axes=(1, 2)), turned.values, atol=1e-4)


def test_what_leaves_the_canvas_is_cut():
    canvas = Canvas(16)
    canvas.ellipse((5, 5), (0.5, 0.5), 1.0)
    canvas.segment((-9, 0), (-8, 0), 0.1, 1.0)
    assert canvas.values.max() == 0
    canvas.segment((-9, 0), (9, 0), 0.3, 1.0)
    assert canvas.values[0, 8].min() == 1


def test_triangles_shifts_of_one_another():
    x = triangles(200, 12, 0)[:, 0]
    first = torch.stack([torch.roll(x[0], k) for k in range(12)])
    place = (x[:, None] == first).all(2)
    assert (place.sum(1) == 1).all() and place.any(0).all()
    assert torch.equal(x.amax(1), torch.ones(200))
    with pytest.raises(InputError, match="half_width"):
        triangles(1, 12, 0, half_width=0.0)


def test_strokes_are_everywhere():
    mean = stroke_images(150, 16, 0).mean((0, 1))
    assert mean.min() > 0.3 * mean.mean()


def test_leaves_have_the_channels_asked_for():
    assert dead_leaves(1, 16, 0, channels=1).shape == (1, 1, 16, 16)
    with pytest.raises(InputError, match="channel"):
        dead_leaves(1, 16, 0, channels=0)


def test_shepp_logan_values():
    x = shepp_logan(128)[0, 0]
    for row, column, value in ((64, 64, 0.2), (2, 2, 0.0), (6, 64, 1.0), (42, 64, 0.3), (64, 78, 0.0)):
        assert x[row, column] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_read_back(channels):
    import imageio.v3 as iio

    x = torch.rand(channels, 5, 7)
    read = iio.imread(to_png(x, (0.25, 0.75)), extension=".png")
    wanted = ((x - 0.25) / 0.5).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(read.reshape(5, 7, channels).astype(int) - wanted).max() <= 1
    with pytest.raises(InputError, match="window"):
        to_png(x, (1.0, 1.0))


def test_montage_and_magnitude():
    whole = montage([[torch.zeros(1, 4, 5), torch.zeros(3, 4, 5)], [torch.zeros(2, 3, 3)]], gap=1, fill=0.5)
    assert whole.shape == (3, 9, 11)
    assert (whole == 0).sum() == 3 * (20 + 20 + 9)
    assert visible(torch.tensor([3.0, 4.0]).reshape(2, 1, 1)).item() == pytest.approx(5)
    with pytest.raises(InputError, match="channels"):
        visible(torch.zeros(4, 2, 2))
    with pytest.raises(InputError, match="at least one"):
        montage([[]])
