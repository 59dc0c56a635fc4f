"""Images with sinograms in closed form, and angles of every kind."""

from math import cos, radians, sin

import numpy as np
import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.physics import ParallelBeamCT, Physics
from nullsight.physics.ensembles import blobs

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


ODD = [-20.0, 3.0, 17.5, 45.0, 90.0, 135.0, 200.0, 271.0]


def relative(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def smooth(physics: Physics, count: int, seed: int = 5) -> Tensor:
    return blobs(physics.image_shape, Draws(seed, 0, tuple(range(count))).of("x"))
