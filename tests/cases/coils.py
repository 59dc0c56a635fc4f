"""Synthetic coils: what loops around an object would see, smooth in magnitude and phase."""

import math

import torch
from torch import Tensor


def axes(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return rows ``(height, 1)`` and columns ``(width,)`` from -1 to 1."""
    rows, columns = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in shape)
    return rows[:, None], columns


def smooth_maps(count: int, shape: tuple[int, int]) -> Tensor:
    """Return complex128 sensitivities with a sum of squares of 1, ``(count, height, width)``."""
    rows, columns = axes(shape)
    maps = []
    for k in range(count):
        turn = 2 * math.pi * k / count
        size = torch.exp(-((rows - math.cos(turn)) ** 2 + (columns - math.sin(turn)) ** 2) / 1.5)
        maps.append(torch.polar(size, (k + 1) * 0.3 * rows - 0.4 * k * columns))
    whole = torch.stack(maps)
    return whole / whole.abs().square().sum(0).sqrt()


def body(shape: tuple[int, int], seed: int) -> Tensor:
    """Return a complex128 ellipse with inner structure and a smooth phase, zero outside, ``(height, width)``."""
    rows, columns = axes(shape)
    a, b, c = torch.rand(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    inside = ((rows**2 / 0.7 + columns**2 / 0.6) < 1).double()
    value = inside * (1 + 0.5 * torch.cos(4 * rows + a) * torch.sin(3 * columns + 6 * b))
    return torch.polar(value, 0.8 * rows + c * columns * rows)
