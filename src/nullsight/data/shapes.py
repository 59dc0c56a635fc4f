"""Simpler images made by rule: the Shepp-Logan head, disks, triangles, dead leaves."""

import numpy as np
import torch
from torch import Tensor

from nullsight.data.canvas import Canvas, Dice
from nullsight.data.phantoms import check_count, dice, stack
from nullsight.draws import Draws
from nullsight.types import InputError

_SHEPP_LOGAN = (  # value, half axes, centre, degrees: the contrast as raised by Toft (1996)
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.8740, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)
_FINE = 4  # sub-pixels a side over which the head is averaged


def shepp_logan(size: int) -> Tensor:
    """Return the head of Shepp and Logan (1974) with Toft's contrast, ``(1, 1, size, size)``, float32 in [0, 1].

    Each pixel is the mean over 4 x 4 points within it.

    Example:
        >>> shepp_logan(64).shape
        torch.Size([1, 1, 64, 64])
    """
    check_count(1, size, least=1)
    fine = size * _FINE
    line = (2 * np.arange(fine) + 1 - fine) / fine
    right, up = line[None, :], -line[:, None]
    head = np.zeros((fine, fine))
    for value, a, b, x, y, turn in _SHEPP_LOGAN:
        cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        u, v = cosine * (right - x) + sine * (up - y), cosine * (up - y) - sine * (right - x)
        head += value * ((u / a) ** 2 + (v / b) ** 2 <= 1)
    mean = head.reshape(size, _FINE, size, _FINE).mean((1, 3))
    return torch.from_numpy(np.clip(mean, 0, 1).astype(np.float32))[None, None]


def disks(count: int, size: int, seed: int = 0) -> Tensor:
    """Return three to eight disks within the inscribed disk, ``(count, 1, size, size)``, float32 in [0, 1].

    Args:
        count: how many images.
        size: pixels of an edge, at least 4.
        seed: of their shapes and places.

    Raises:
        InputError: a count or size too small.
    """
    check_count(count, size, least=4)
    return stack([_disks(dice(seed, i, "disks", 64), size) for i in range(count)])


def triangles(count: int, length: int, seed: int = 0, *, half_width: float | None = None) -> Tensor:
    """Return one triangle of height 1 at a random place on a ring, ``(count, 1, length)``, float32 in [0, 1].

    The places are whole samples, uniform, so the set is invariant to cyclic shifts.

    Args:
        count: how many signals.
        length: samples of a signal.
        seed: of the places.
        half_width: samples from the top to the foot, > 0; None: an eighth of the length.

    Raises:
        InputError: a count, length or half_width too small.

    Example:
        >>> triangles(1, 4, seed=0, half_width=2.0).sum()
        tensor(2.)
    """
    check_count(count, length, least=2)
    half = length / 8 if half_width is None else half_width
    if not half > 0:
        raise InputError(f"expected a triangle with half_width above 0, but {half_width} came")
    place = Draws(seed, 0, tuple(range(count))).of("triangles").integers(length)
    apart = (torch.arange(length) - place[:, None]).remainder(length)
    distance = torch.minimum(apart, length - apart)
    return (1 - distance / half).clamp_min(0).float()[:, None]


def dead_leaves(count: int, size: int, seed: int = 0, channels: int = 3) -> Tensor:
    """Return leaves that cover one another: edges, flat parts and a power-law spectrum, as photographs have.

    Radii follow a density r^-3 (Lee, Mumford, Huang, 2001), each leaf has its own colour,
    and a slow gradient of light lies over all.

    Args:
        count: how many images.
        size: pixels of an edge, at least 8.
        seed: of their shapes and places.
        channels: 3 for colour, 1 for grey.

    Returns:
        ``(count, channels, size, size)``, float32 in [0, 1].

    Raises:
        InputError: a count, size or number of channels too small.
    """
    check_count(count, size, least=8)
    if channels < 1:
        raise InputError(f"expected at least one channel, but {channels} came")
    numbers = _LEAVES * (6 + channels) + channels + 3
    return stack([_leaves(dice(seed, i, "leaves", numbers), size, channels) for i in range(count)])


_LEAVES = 700  # at this number nearly every point is covered


def _disks(one: Dice, size: int) -> np.ndarray:
    canvas = Canvas(size)
    for _ in range(3 + one.choice(6)):
        radius, angle = one.between(0.08, 0.35), one.between(0, 2 * np.pi)
        far = (0.95 - radius) * np.sqrt(one.between(0, 1))
        canvas.ellipse((float(far * np.cos(angle)), float(far * np.sin(angle))), (radius, radius), one.between(0.2, 1))
    return canvas.values


def _leaves(one: Dice, size: int, channels: int) -> np.ndarray:
    canvas = Canvas(size, channels=channels, softness=1.2)
    least, most = max(3 * 2 / size, 0.05), 1.0
    right, up = canvas.coordinates()
    base = one.between(0.25, 0.7)
    tint = np.array([one.between(-0.12, 0.12) for _ in range(channels)])
    canvas.values += (base + tint)[:, None, None].astype(np.float32)
    for _ in range(_LEAVES):
        share = one.between(0, 1)
        radius = 1 / np.sqrt((1 - share) / least**2 + share / most**2)  # density r^-3 between the two
        center = (one.between(-1.3, 1.3), one.between(-1.3, 1.3))
        grey = one.between(0.05, 0.95)
        colour = np.array([grey + one.between(-0.13, 0.13) for _ in range(channels)])
        canvas.ellipse(center, (radius, radius * one.between(0.45, 1)), colour, turn=one.between(0, 180))
    shade = one.between(-0.12, 0.12) * right + one.between(-0.12, 0.12) * up
    return np.clip(canvas.values + shade, 0, 1).astype(np.float32)
