"""Phantoms that look like slices of a body: an ensemble for demonstrations, invariant to rotations by its making."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nullsight.data.canvas import Canvas, Dice, Point, Wave
from nullsight.draws import Draws
from nullsight.types import InputError

_NUMBERS = 512  # random numbers set aside for one phantom; the richest slice uses fewer than 350
_FAT, _MUSCLE, _ORGAN, _BLOOD, _BONE, _MARROW = 0.30, 0.46, 0.52, 0.60, 0.92, 0.72  # as CT shows them, of 1


def anatomy_phantoms(count: int, size: int, seed: int = 0) -> Tensor:
    """Return slices of bodies that never were: skin and fat, muscle, lungs or belly organs, bones, vessels, lesions.

    Every phantom is turned by its own angle, uniform on 0 .. 360 degrees, and lies within the inscribed disk, so the
    ensemble is invariant to rotations. Edges are 1.5 pixels soft. Phantom i depends on seed, size and i only.

    Args:
        count: how many, >= 1.
        size: pixels a side, >= 8.
        seed: of the ensemble.

    Returns:
        ``(count, 1, size, size)``, float32, in [0, 1]; air is 0.

    Raises:
        InputError: another count or size.

    Example:
        >>> x = anatomy_phantoms(2, 32, seed=0)
        >>> x.shape, x.dtype
        (torch.Size([2, 1, 32, 32]), torch.float32)
    """
    check_count(count, size, least=8)
    return stack([_slice(dice(seed, i, "anatomy", _NUMBERS), size) for i in range(count)])


def dice(seed: int, number: int, term: str, numbers: int) -> Dice:
    """Return the random numbers of image ``number``."""
    return Dice(Draws(seed, 0, (number,)).of(term).uniform((numbers,))[0].numpy())


def stack(images: list[np.ndarray]) -> Tensor:
    """Return images ``(channels, height, width)`` as one float32 tensor with their number in front."""
    return torch.from_numpy(np.stack(images).astype(np.float32))


def check_count(count: int, size: int, *, least: int) -> None:
    """Raise an :class:`InputError` unless there is at least one image and its size is at least ``least``."""
    if count < 1 or size < least:
        raise InputError(f"expected at least one image of at least {least} pixels, but {count} of size {size} came")


def _slice(one: Dice, size: int) -> np.ndarray:
    canvas = Canvas(size, one.between(0, 360))
    wide = one.between(0.80, 0.90)
    high = wide * one.between(0.66, 0.82)
    waves = _waves(one, 0.016)
    skin = one.between(0.05, 0.085)
    canvas.ellipse((0, 0), (wide, high), _FAT, waves=waves)
    body = canvas.values[0] / _FAT
    canvas.ellipse((0, 0), (wide - skin, high - skin), _MUSCLE, waves=waves)
    inside = (wide - skin, high - skin)
    _REGIONS[int(one.between(0, 1) < 0.4)](canvas, one, inside)
    _spine(canvas, one, inside)
    values = canvas.values[0] + body * _texture(canvas, one)
    return np.asarray(np.clip(values, 0, 1))[None]


def _chest(canvas: Canvas, one: Dice, inside: Point) -> None:
    wide, high = inside
    _ribs(canvas, one, inside)
    canvas.ellipse((0, 0.02), (0.78 * wide, 0.74 * high), _MUSCLE - 0.05)
    middle = one.between(-0.04, 0.04)
    for side in (-1, 1):
        center = (side * 0.41 * wide + middle, one.between(-0.04, 0.06) * high)
        axes = (one.between(0.27, 0.315) * wide, one.between(0.50, 0.62) * high)
        lean = side * one.between(2, 10)
        canvas.ellipse(center, axes, one.between(0.06, 0.14), turn=lean, waves=_waves(one, 0.035))
        _lung_vessels(canvas, one, center, axes, side)
    heart = (0.10 * wide + middle, 0.17 * high)
    size = one.between(0.22, 0.30) * wide
    canvas.ellipse(heart, (size, 0.8 * size), _ORGAN, turn=one.between(-40, -15), waves=_waves(one, 0.03))
    for dx, dy in ((-0.3, 0.1), (0.3, -0.05)):
        axes = (one.between(0.3, 0.4) * size, one.between(0.25, 0.35) * size)
        canvas.ellipse((heart[0] + dx * size, heart[1] + dy * size), axes, _BLOOD, turn=one.between(-60, 0))
    canvas.ellipse((0.13 * wide, -0.33 * high), (0.055, 0.055), _BLOOD)
    canvas.ellipse((middle, -0.17 * high), (0.04, 0.034), 0.03 + one.between(0, 0.03))
    canvas.ellipse((middle, 0.87 * high), (0.10, 0.032), _BONE, waves=_waves(one, 0.03))
    canvas.ellipse((middle, 0.87 * high), (0.075, 0.014), _MARROW)
    for _ in range(one.choice(4)):
        side = 1 if one.between(0, 1) < 0.5 else -1
        radius = one.between(0.018, 0.045)
        place = (side * one.between(0.32, 0.52) * wide + middle, one.between(-0.35, 0.35) * high)
        canvas.ellipse(place, (radius, radius * one.between(0.7, 1)), one.between(0.40, 0.55), waves=_waves(one, 0.08))


def _belly(canvas: Canvas, one: Dice, inside: Point) -> None:
    wide, high = inside
    canvas.ellipse((0, 0.05 * high), (0.86 * wide, 0.80 * high), _FAT + 0.03, waves=_waves(one, 0.02))
    liver = (-0.44 * wide, one.between(0.10, 0.22) * high)
    axes = (one.between(0.34, 0.40) * wide, one.between(0.46, 0.54) * high)
    canvas.ellipse(liver, axes, _ORGAN + 0.03, turn=one.between(10, 30), waves=_waves(one, 0.06))
    for _ in range(5):
        place = (liver[0] + one.between(-0.5, 0.5) * axes[0], liver[1] + one.between(-0.55, 0.55) * axes[1])
        end = (place[0] + one.between(-0.12, 0.12), place[1] + one.between(-0.1, 0.1))
        canvas.segment(place, end, one.between(0.007, 0.014), _BLOOD)
    spleen = (0.60 * wide, one.between(-0.22, -0.10) * high)
    canvas.ellipse(spleen, (0.15 * wide, 0.30 * high), _ORGAN, turn=one.between(-25, 5), waves=_waves(one, 0.06))
    _stomach(canvas, one, (0.34 * wide, 0.34 * high))
    for side in (-1, 1):
        center = (side * one.between(0.34, 0.40) * wide, one.between(-0.50, -0.40) * high)
        turn = side * one.between(15, 40)
        canvas.ellipse(center, (0.085, 0.125), _BLOOD + 0.04, turn=turn, waves=_waves(one, 0.05))
        canvas.ellipse((center[0] - side * 0.03, center[1]), (0.032, 0.062), _FAT + 0.05, turn=turn)
    for _ in range(4 + one.choice(4)):
        place = (one.between(-0.05, 0.55) * wide, one.between(-0.16, 0.34) * high)
        axes = (one.between(0.045, 0.08), one.between(0.035, 0.06))
        turn = one.between(0, 180)
        canvas.ellipse(place, axes, _MUSCLE + 0.04, turn=turn, waves=_waves(one, 0.08))
        inner = (0.55 * axes[0], 0.5 * axes[1])
        canvas.ellipse(place, inner, _FAT if one.between(0, 1) < 0.6 else 0.06, turn=turn)
    canvas.ellipse((0.06 * wide, -0.36 * high), (0.05, 0.048), _BLOOD + 0.02)
    canvas.ellipse((-0.10 * wide, -0.34 * high), (0.055, 0.04), _BLOOD)
    for _ in range(one.choice(4)):
        place = (liver[0] + one.between(-0.6, 0.6) * axes[0], liver[1] + one.between(-0.6, 0.6) * axes[1])
        radius = one.between(0.02, 0.05)
        canvas.ellipse(place, (radius, radius * one.between(0.75, 1)), one.between(0.34, 0.42), waves=_waves(one, 0.06))


def _stomach(canvas: Canvas, one: Dice, center: Point) -> None:
    axes = (one.between(0.15, 0.20), one.between(0.11, 0.15))
    turn = one.between(-40, 10)
    canvas.ellipse(center, axes, _MUSCLE + 0.06, turn=turn, waves=_waves(one, 0.06))
    canvas.ellipse(center, (0.84 * axes[0], 0.8 * axes[1]), _MUSCLE - 0.04, turn=turn)
    gas = (center[0] + one.between(-0.03, 0.03), center[1] + 0.3 * axes[1])
    canvas.ellipse(gas, (0.5 * axes[0], one.between(0.25, 0.4) * axes[1]), 0.03)


def _ribs(canvas: Canvas, one: Dice, inside: Point) -> None:
    wide, high = 0.87 * inside[0], 0.87 * inside[1]
    shift = one.between(-6, 6)
    for side in (-1, 1):
        for place in (-62, -38, -14, 12, 38, 62):
            angle = np.deg2rad(place + shift + one.between(-5, 5))
            center = (float(side * wide * np.cos(angle)), float(high * np.sin(angle)))
            along = float(np.rad2deg(np.arctan2(high * np.cos(angle), -side * wide * np.sin(angle))))
            long = one.between(0.06, 0.11)
            canvas.ellipse(center, (long, 0.027), _BONE, turn=along)
            canvas.ellipse(center, (0.75 * long, 0.011), _MARROW, turn=along)


def _lung_vessels(canvas: Canvas, one: Dice, center: Point, axes: Point, side: int) -> None:
    root = (center[0] - side * 0.72 * axes[0], center[1] + one.between(-0.1, 0.1) * axes[1])
    for i in range(7):
        angle = np.deg2rad(-78 + 26 * i + one.between(-14, 14))
        far = one.between(0.5, 0.85)
        end = (
            center[0] + side * far * axes[0] * float(np.cos(angle)),
            center[1] + far * axes[1] * float(np.sin(angle)),
        )
        bend = one.between(0.35, 0.6)
        knee = (root[0] + bend * (end[0] - root[0]), root[1] + bend * (end[1] - root[1]) + one.between(-0.06, 0.06))
        value = one.between(0.26, 0.42)
        canvas.segment(knee, end, 0.007, 0.75 * value)
        fork = (end[0] + one.between(-0.05, 0.05), knee[1] + 0.6 * (end[1] - knee[1]) + one.between(-0.06, 0.06))
        canvas.segment(knee, fork, 0.006, 0.65 * value)
        canvas.segment(root, knee, one.between(0.008, 0.015), value)


def _spine(canvas: Canvas, one: Dice, inside: Point) -> None:
    middle = -0.60 * inside[1]
    wide, high = one.between(0.115, 0.145), one.between(0.09, 0.115)
    canal = middle - high - 0.045
    for side in (-1, 1):
        canvas.segment((side * 0.05, canal), (side * one.between(0.15, 0.19), canal - 0.01), 0.026, _BONE - 0.04)
    canvas.segment((0, canal), (0, max(canal - one.between(0.09, 0.13), -0.93 * inside[1])), 0.024, _BONE - 0.02)
    canvas.ellipse((0, canal), (0.085, 0.070), _BONE - 0.02)
    canvas.ellipse((0, canal), (0.056, 0.044), _MUSCLE - 0.04)
    canvas.ellipse((0, canal), (0.030, 0.026), _MUSCLE + 0.08)
    canvas.ellipse((0, middle), (wide, high), _BONE, waves=[(2, 0.03, one.between(0, 6.28))])
    canvas.ellipse((0, middle), (wide - 0.024, high - 0.024), one.between(_MARROW - 0.05, _MARROW + 0.03))


def _texture(canvas: Canvas, one: Dice) -> np.ndarray:
    """Return a smooth field of standard deviation 0.012: ten plane waves of 1 to 7 periods across the image."""
    right, up = canvas.coordinates()
    field = np.zeros_like(right)
    for _ in range(10):
        angle, periods = one.between(0, 2 * np.pi), one.between(1, 7)
        wave = np.pi * periods * (np.cos(angle) * right + np.sin(angle) * up) + one.between(0, 2 * np.pi)
        field += np.cos(wave.astype(np.float32))
    return field * np.float32(0.012 / np.sqrt(5))


def _waves(one: Dice, height: float) -> list[Wave]:
    return [(count, one.between(-1, 1) * height * 2 / count, one.between(0, 2 * np.pi)) for count in (2, 3, 4)]


_REGIONS: tuple[Callable[[Canvas, Dice, Point], None], ...] = (_chest, _belly)
