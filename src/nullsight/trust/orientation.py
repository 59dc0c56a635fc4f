"""Which way an image is oriented: its spectrum by direction, its axis, where its values lie; no grid of its own."""

import math

import torch
from torch import Tensor

from nullsight.types import Image, InputError

SECTORS = 12
"""Directions that the spectrum is sorted into, over half a turn: 15 degrees each."""
_RINGS = (0.04, 0.35)  # cycles a pixel: below, the window speaks; above, interpolation
_PLACES = 4  # blocks a side in which the values of an image are told


def window(x: Image) -> Image:
    """Return square images faded out towards the inscribed circle, round: turning the window changes nothing.

    A raised cosine over the outer half of the radius. Nothing of the corners is left, which turns cut off.

    Raises:
        InputError: images that are not square, or smaller than 8 x 8.
    """
    _check(x)
    n = x.shape[-1]
    at = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) / (n / 2)
    radius = torch.hypot(at[:, None], at)
    fade = torch.cos(math.pi * (radius - 0.5).clamp(0, 0.5)) ** 2
    return x * fade.to(x)


def spectrum_by_direction(x: Image) -> Tensor:
    """Return the density of contrast in each direction of the structures, ``(batch, SECTORS)``, rows of sum 1.

    Sector k is for structures (edges, stripes) along directions around ``180 k / SECTORS`` degrees, counter-clockwise
    from the columns' direction to the right. Contrast is ``|F|^2 |k|^2``, that of the gradient, within a ring of
    frequencies that a square grid holds alike in all directions; it is compared with that of white noise, since few
    frequencies of a small image do not fall evenly into sectors.
    """
    power, angle, white = _power(x)
    place = (angle * SECTORS / math.pi) % SECTORS
    below = place.floor().long() % SECTORS
    share = place - place.floor()
    found = power.new_zeros(len(x) + 1, SECTORS)
    every = torch.cat([power, white[None]])
    found.index_add_(1, below, every * (1 - share))
    found.index_add_(1, (below + 1) % SECTORS, every * share)
    density = found[:-1] / found[-1].clamp_min(torch.finfo(found.dtype).tiny)
    return density / density.sum(1, keepdim=True).clamp_min(torch.finfo(found.dtype).tiny)


def axes(x: Image) -> tuple[Tensor, Tensor]:
    """Return the direction in which most structures of an image run and how clearly, ``(batch,)`` each.

    The principal axis of the structure tensor (Bigun, Granlund, "Optimal orientation detection of linear symmetry",
    ICCV 1987): degrees in [0, 180), counter-clockwise from the right; clearness from 0 (all directions alike) to
    1 (one).

    Example:
        >>> stripes = torch.sin(torch.arange(32.0)).reshape(1, 1, 32, 1).expand(1, 1, 32, 32)
        >>> direction, clear = axes(stripes)  # level stripes
        >>> round(float(direction)) % 180, float(clear) > 0.9
        (0, True)
    """
    power, angle, _ = _power(x)
    double = torch.stack([power @ torch.cos(2 * angle), power @ torch.sin(2 * angle)], 1)
    double = double / power.sum(1, keepdim=True).clamp_min(torch.finfo(double.dtype).tiny)
    direction = torch.rad2deg(torch.atan2(double[:, 1], double[:, 0])) / 2 % 180
    return direction, torch.linalg.vector_norm(double, dim=1)


def layout(x: Image) -> Tensor:
    """Return where the values of an image lie: means over 4 x 4 blocks of the faded image, of norm 1, ``(batch, 16)``.

    Unlike a spectrum it tells an image from itself turned by half a turn.
    """
    faded = window(x).double().mean(1)
    n = x.shape[-1]
    # blocks overlap by a pixel where four do not divide the side, so that mirrored images have mirrored blocks
    spans = [(k * n // _PLACES, -(-(k + 1) * n // _PLACES)) for k in range(_PLACES)]
    blocks = [faded[:, top:down, left:right].mean((1, 2)) for top, down in spans for left, right in spans]
    found = torch.stack(blocks, 1)
    unit: Tensor = found / torch.linalg.vector_norm(found, dim=1, keepdim=True).clamp_min(torch.finfo(found.dtype).tiny)
    return unit


def features(x: Image) -> Tensor:
    """Return what orientation shows in, ``(batch, SECTORS + 16)``: the spectrum by direction and the layout."""
    return torch.cat([spectrum_by_direction(x), layout(x)], 1)


def _power(x: Image) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``|F|^2 |k|^2`` in a ring of frequencies, the directions of structures (radians) and ``|k|^2`` alone."""
    _check(x)
    n = x.shape[-1]
    weight = window(torch.ones_like(x[:1])).double()
    flat = x.double() - (x.double() * weight).sum((-2, -1), keepdim=True) / weight.sum()  # no step at the fade
    k = torch.fft.fftfreq(n, dtype=torch.float64)
    up, right = (-k)[:, None].expand(n, n), k.expand(n, n)  # rows count downwards
    radius = torch.hypot(up, right)
    ring = (radius >= max(_RINGS[0], 1.5 / n)) & (radius <= _RINGS[1])
    white = radius[ring].square().to(x.device)
    power = torch.fft.fft2(flat * weight).abs().square().sum(1)[:, ring.to(x.device)] * white
    angle = torch.atan2(up[ring], right[ring]) + math.pi / 2  # structures run across their gradient
    return power, angle.to(x.device), white


def _check(x: Image) -> None:
    if x.ndim != 4 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 8:
        raise InputError(
            f"expected square images (batch, channels, n, n) of at least 8 x 8, whose orientation can be told, but "
            f"{tuple(x.shape)} came"
        )
