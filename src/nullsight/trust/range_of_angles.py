"""How far images are turned, learned from the images themselves: the range of a family of rotations."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.groups.rotations_within import RotationsWithin
from nullsight.trust.orientation import axes
from nullsight.types import Image, InputError

_CLEAR = 0.05  # images whose structures have less of a direction say nothing about how far they are turned
_LEAST = 10  # images with a clear direction from which a range is told
_OUTLIERS = 0.02  # share of images that may be oriented in any way
_BLURS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # degrees
_DROP = 4.74  # of the log-likelihood at the ends of a 95 % interval: for a uniform law whose two ends are not known it
# is a sum of two exponential variables, where laws with soft ends would have a half chi-squared one
_GAP = 3.0  # the largest of n gaps on a ring lowers it by ln n + 3 in one of twenty cases: -ln(0.05)


@dataclass(frozen=True)
class AngleRange:
    """By how much images are turned out of one direction: uniformly from ``-degrees`` to ``degrees``.

    Attributes:
        degrees: the range, 0 .. 90; 90: every direction is as likely.
        low: lower end of its 95 % likelihood interval.
        high: upper end; 90 where all directions may be alike.
        direction: the middle of the range, in [0, 180), counter-clockwise from the right.
        blur: standard deviation of the images' own directions around that, degrees.
        images: how many had a direction to be told.
    """

    degrees: float
    low: float
    high: float
    direction: float
    blur: float
    images: int

    @property
    def everything(self) -> bool:
        """Whether all directions may be alike."""
        return self.high >= 90

    @property
    def family(self) -> RotationsWithin:
        """The transformations that images look alike under, all turns where all directions may be alike."""
        return RotationsWithin(180.0 if self.everything else max(self.degrees, 0.1))

    def __str__(self) -> str:
        if self.everything:
            return (
                f"The structures of {self.images} images run in all directions ({self.low:.0f} degrees and more either "
                f"way): all rotations may be used, as far as that tells; whether images are ever upside down it does "
                f"not."
            )
        return (
            f"The structures of {self.images} images run along {self.direction:.0f} degrees, turned by up to "
            f"{self.degrees:.1f} degrees either way (95 %: {self.low:.1f} .. {self.high:.1f}): use "
            f"{self.family!r} in place of all rotations."
        )


def range_of_angles(images: Image) -> AngleRange:
    """Return how far images are turned, by maximum likelihood over the directions of their structures.

    Each image has an axis, the direction in which most of its structures run (``trust.orientation.axes``). Axes are
    taken to be ``direction + theta + e`` modulo 180 degrees with theta uniform within the range and e normal, a
    fiftieth of them uniform over all directions; range, direction and blur maximise the likelihood. It is that of the
    measurements as far as the reconstructions have the axes of the images.

    The range at which a test of invariance stops to reject is something else: images turned by up to d are not
    invariant under any turn, since those at the edge leave the range, and with enough images every test says so.

    Args:
        images: reconstructions of different images, ``(batch, channels, n, n)``; of measurements alone.

    Raises:
        InputError: fewer than 10 images whose structures have a direction, or images that are not square.
    """
    direction, clear = axes(images)
    return fit_range(direction[clear >= _CLEAR])


def fit_range(directions: Tensor) -> AngleRange:
    """Return the range that is likeliest for directions in degrees, ``(images,)``, modulo 180; at least 10.

    Raises:
        InputError: fewer than 10.

    Example:
        >>> found = fit_range(90 + torch.linspace(-20, 20, 81))
        >>> abs(found.degrees - 20) < 1, abs(found.direction - 90) < 1
        (True, True)
    """
    if len(directions) < _LEAST:
        raise InputError(
            f"expected at least {_LEAST} images whose structures have a direction, but {len(directions)} came: take "
            f"more images, or ones that are not alike in all directions"
        )
    angles = directions.double().cpu() % 180
    widths = torch.linspace(1, 90, 90, dtype=torch.float64)
    blurs = torch.tensor(_BLURS, dtype=torch.float64)
    coarse = torch.arange(0, 180, 3, dtype=torch.float64)
    middle = coarse[int(log_likelihood(angles, coarse, widths[4::5], blurs).flatten(1).amax(1).argmax())]
    near = middle + torch.arange(-4, 4.5, 0.5, dtype=torch.float64)
    table = log_likelihood(angles, near, widths, blurs)
    at, width, blur = (int(k) for k in torch.unravel_index(table.argmax(), table.shape))
    profile = table.amax((0, 2))
    inside = widths[profile >= profile.max() - _DROP]
    everything = bool(profile[-1] >= profile.max() - math.log(len(angles)) - _GAP)
    high = 90.0 if everything else float(inside.max())
    return AngleRange(
        float(widths[width]), float(inside.min()), high, float(near[at] % 180), float(blurs[blur]),
        len(angles),
    )  # fmt: skip


def log_likelihood(angles: Tensor, middles: Tensor, widths: Tensor, blurs: Tensor) -> Tensor:
    """Return the log-likelihood of directions for every middle, half width and blur, ``(middles, widths, blurs)``.

    All in degrees; the density is that of a uniform law and a normal one added, wrapped to half a turn, with a share
    of outliers.
    """
    total = torch.zeros(len(middles), len(widths), len(blurs), dtype=torch.float64)
    wide, blur = widths[:, None, None], blurs[:, None] * math.sqrt(2)
    for k, middle in enumerate(middles):
        apart = (angles - middle + 90) % 180 - 90
        density = torch.zeros(len(widths), len(blurs), len(angles), dtype=torch.float64)
        for turn in (-180, 0, 180):
            density += torch.erf((apart + turn + wide) / blur) - torch.erf((apart + turn - wide) / blur)
        density = density / (4 * wide)
        total[k] = torch.log((1 - _OUTLIERS) * density + _OUTLIERS / 180).sum(-1)
    return total
