"""Does a network turn, shift and scale its output with its input? Checks that return the number they measured.

They take any map of images; a residual network is told most about by what it adds, ``lambda x: network(x) - x``. A
broken claim is a :class:`~nullsight.contracts.findings.ContractError`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.contracts.findings import require
from nullsight.contracts.groups import inscribed_disk
from nullsight.groups.base import FiniteGroup
from nullsight.groups.interpolation import FourierShears, Interpolation
from nullsight.types import Image, Map

GAINS = (1e-3, 0.25, 1.0, 7.0, 1e3)
"""Gains that a homogeneous network is tried with."""


def equivariance_error(network: Map, group: FiniteGroup, x: Image) -> float:
    """Return the largest ``|f(T_g x) - T_g f(x)| / |f(x)|`` over all elements g and all images, in L2.

    Args:
        network: a map of images to images of a size that the group acts on.
        group: exact; for rotations that interpolate see :func:`equivariance_curve`.
        x: images, ``(batch, channels, *space)``.

    Example:
        >>> from nullsight.groups import Shifts
        >>> equivariance_error(torch.relu, Shifts((4, 4)), torch.randn(2, 1, 4, 4))
        0.0
    """
    with torch.no_grad():
        out = network(x)
        pairs = zip(group.each(x), group.each(out), strict=True)
        return max(_largest(network(turned) - expected, out) for turned, expected in pairs)


def assert_equivariant(network: Map, group: FiniteGroup, x: Image, *, tolerance: float) -> float:
    """Check ``f(T_g x) = T_g f(x)`` for all elements; return the largest relative difference.

    Args:
        network: a map of images to images.
        group: exact.
        x: images, ``(batch, channels, *space)``.
        tolerance: the largest difference allowed, relative to ``f(x)``.
    """
    return require("equivariance error", equivariance_error(network, group, x), tolerance)


def assert_homogeneous(network: Map, x: Image, *, tolerance: float, gains: Sequence[float] = GAINS) -> float:
    """Check ``f(gain x) = gain f(x)`` for gains > 0; return the largest difference, relative to ``gain f(x)``.

    Args:
        network: a map of images to images.
        x: images, ``(batch, channels, *space)``.
        tolerance: the largest difference allowed.
        gains: what the images are multiplied by.
    """
    with torch.no_grad():
        out = network(x)
        worst = max(_largest(network(gain * x) - gain * out, gain * out) for gain in gains)
    return require("error under gains", worst, tolerance)


def equivariance_curve(
    network: Map,
    x: Image,
    degrees: Sequence[float],
    interpolation: Interpolation = FourierShears(),  # noqa: B008
) -> Tensor:
    """Return ``|f(R x) - R f(x)| / |f(x)|`` for rotations R by angles, ``(len(degrees),)`` float64.

    Root mean square over the images, in L2 on the inscribed disk. Turning images interpolates, too: on images that the
    pixel grid holds well (a few pixels for the finest detail, nothing near the border) what is measured is the
    network; at 0, 90, 180 and 270 degrees nothing is interpolated.

    Args:
        network: a map of images to images of the same size.
        x: square images, ``(batch, channels, n, n)``.
        degrees: the angles, counter-clockwise.
        interpolation: how the images are turned by what is left of the nearest quarter turn.

    Example:
        >>> curve = equivariance_curve(torch.relu, torch.randn(1, 1, 9, 9), [0.0, 90.0])
        >>> curve.tolist()
        [0.0, 0.0]
    """
    disk = inscribed_disk(x.shape[2:]).to(x.device)

    def turn(angle: float, image: Image) -> Image:
        quarters = round(angle / 90)
        rest = torch.full((len(image),), angle - 90 * quarters, dtype=torch.float64)
        turned = image.rot90(quarters % 4, (-2, -1))
        return interpolation.turn(rest, turned) if bool(rest.any()) else turned

    found = []
    with torch.no_grad():
        out = network(x)
        for angle in degrees:
            gap = (network(turn(angle, x)) - turn(angle, out)) * disk
            found.append(_ratios(gap, out * disk).square().mean().sqrt())
    return torch.stack(found)


def _ratios(difference: Tensor, of: Tensor) -> Tensor:
    sizes = [torch.linalg.vector_norm(one.double().flatten(1), dim=1) for one in (difference, of)]
    return torch.div(sizes[0], sizes[1].clamp_min(1e-300))


def _largest(difference: Tensor, of: Tensor) -> float:
    return float(_ratios(difference, of).max())
