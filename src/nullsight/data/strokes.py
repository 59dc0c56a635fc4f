"""Figures drawn with a pen, like written digits, for experiments with shifts."""

import numpy as np
from torch import Tensor

from nullsight.data.canvas import Canvas, Dice
from nullsight.data.phantoms import check_count, dice, stack

_FIGURES = (  # lines through points (right, up), in hundredths, of the figures 0 to 9
    ("0 100 -55 70 -60 0 -50 -75 0 -100 50 -75 60 0 55 70 0 100",),
    ("-30 60 5 100", "5 100 5 -100"),
    ("-50 55 -30 95 30 95 55 45 0 -30 -55 -95", "-55 -95 60 -95"),
    ("-50 80 10 105 50 60 25 10 -10 5", "-10 5 50 0 55 -80 -10 -105 -50 -80"),
    ("25 -100 25 100", "25 100 -60 -30", "-60 -30 60 -30"),
    ("50 95 -40 95", "-40 95 -50 10", "-50 10 40 30 65 -60 0 -110 -50 -80"),
    ("40 95 -30 60 -60 -40 -20 -100 50 -80 50 -10 0 10 -55 -30",),
    ("-55 95 55 95", "55 95 10 0 -10 -100"),
    ("0 5 -50 35 -40 95 40 95 50 35 0 5", "0 5 -60 -35 -50 -100 50 -100 60 -35 0 5"),
    ("50 55 30 100 -40 95 -50 30 10 10 50 55", "50 55 45 -30 15 -100"),
)


def stroke_images(count: int, size: int, seed: int = 0) -> Tensor:
    """Return figures of strokes, like written digits, anywhere on a torus, ``(count, 1, size, size)`` in [0, 1].

    Shape, slant, size and thickness vary; the place is a cyclic shift by whole pixels, uniform, so the set is invariant
    to cyclic shifts.

    Args:
        count: how many images.
        size: pixels of an edge, at least 8.
        seed: of their shapes and places.

    Raises:
        InputError: a count or size too small.
    """
    check_count(count, size, least=8)
    return stack([_figure(dice(seed, i, "strokes", 64), size) for i in range(count)])


def _figure(one: Dice, size: int) -> np.ndarray:
    canvas = Canvas(size, one.between(-12, 12), softness=1.2)
    figure = _FIGURES[one.choice(len(_FIGURES))]
    scale, slim, slant = one.between(0.42, 0.55), one.between(0.8, 1.05), one.between(-0.2, 0.25)
    radius = one.between(0.05, 0.08)
    for line in figure:
        points = _rounded(np.array(line.split(), np.float64).reshape(-1, 2) / 100)
        points = np.stack([scale * (slim * points[:, 0] + slant * points[:, 1]), scale * points[:, 1]], 1)
        for start, end in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
            canvas.segment((start[0], start[1]), (end[0], end[1]), radius, 1.0)
    return np.roll(canvas.values, (one.choice(size), one.choice(size)), axis=(1, 2))


def _rounded(points: np.ndarray) -> np.ndarray:
    """Return a line with its corners cut three times (Chaikin, 1974), its ends kept."""
    for _ in range(3):
        cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], 1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2)[1:-1], points[-1:]]) if len(points) > 2 else points
    return points
