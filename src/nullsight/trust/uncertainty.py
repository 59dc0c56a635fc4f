"""Intervals for every pixel and a predicted PSNR for every image, and how often they hold where truth is known."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.data.datasets import TruthSet
from nullsight.evaluation.statistics import Interval, t_interval
from nullsight.metrics import psnr
from nullsight.physics.base import Physics
from nullsight.trust.bootstrap import Bootstrap
from nullsight.types import Image, InputError

_FLOOR = 0.1  # of an image's mean spread, added to every pixel's: fifty copies tell a small spread badly


@dataclass(frozen=True)
class Uncertainty:
    """Intervals ``centre +- half_width`` that are to hold for a share ``level`` of the pixels.

    Attributes:
        centre: ``x1``, or ``A_dagger A x1`` where nothing more is claimed, ``(batch, *image_shape)``.
        half_width: shaped as ``centre``.
        level: the share of pixels that the intervals are to cover, 0 .. 1.
        psnr: predicted, dB, ``(batch,)``, of ``x1`` against the unknown image.
        psnr_low: lower end of its interval at the same level; -inf where nothing is known of it.
        psnr_high: upper end; inf likewise.
        words: what is claimed, on what ground.
        whole: whether the intervals are about the image; else about its measured part ``A_dagger A x`` alone.
    """

    centre: Image
    half_width: Image
    level: float
    psnr: Tensor
    psnr_low: Tensor
    psnr_high: Tensor
    words: str
    whole: bool

    def __str__(self) -> str:
        lines = [self.words]
        for number, (value, low, high) in enumerate(zip(self.psnr, self.psnr_low, self.psnr_high, strict=True)):
            known = bool(torch.isfinite(low + high))
            ends = f" ({float(low):.1f} .. {float(high):.1f})" if known else " (how far off is not known)"
            width = float(self.half_width[number].double().square().mean().sqrt())
            lines.append(f"  image {number}: predicted PSNR {float(value):.1f} dB{ends}, half width {width:.3g}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Coverage:
    """How predictions compare with truth.

    Attributes:
        level: the share of pixels that was to be covered.
        pixels: the share that was, the mean over images and its 95 % t interval.
        least: the share in the image where it is least.
        psnr_error: mean of |predicted - true PSNR| over images, dB; NaN where the measured part alone was predicted.
        psnr_bias: mean of predicted - true PSNR, dB; NaN likewise.
        psnr_within: share of images whose PSNR lies in its interval; NaN likewise, and of intervals without ends.
    """

    level: float
    pixels: Interval
    least: float
    psnr_error: float
    psnr_bias: float
    psnr_within: float

    def __str__(self) -> str:
        told = f"{100 * self.level:.0f} % intervals cover {100 * self.pixels.mean:.1f} % of the pixels of "
        told += f"{self.pixels.count} images (least {100 * self.least:.1f} %)"
        if math.isnan(self.psnr_error):
            return f"{told}; of the measured part"
        told += f"; predicted PSNR is off by {self.psnr_error:.2f} dB in the mean ({self.psnr_bias:+.2f} dB too high)"
        if math.isnan(self.psnr_within):
            return told
        return f"{told}, and that of {100 * self.psnr_within:.0f} % of the images lies in its interval"


def measured_only(found: Bootstrap, data_range: float | Tensor, level: float = 0.9) -> Uncertainty:
    """Return what can be said without any truth: intervals for the measured part ``A_dagger A x``, and no more.

    Their half widths are those of a normal law with the spread of the measured part. The predicted PSNR is the
    bootstrap's own, which nothing has checked.

    Args:
        found: of the bootstrap.
        data_range: of the images, one number or one an image, ``(batch,)``, > 0.
        level: 0 < level < 1.

    Raises:
        InputError: a level outside 0 .. 1.
    """
    check_level(level)
    factor = 2**0.5 * float(torch.erfinv(torch.tensor(level, dtype=torch.float64)))
    predicted = found.psnr(data_range)
    unknown = torch.full_like(predicted, torch.inf)
    words = (
        f"Measured part only: {100 * level:.0f} % intervals are for A_dagger A x, what the measurements say of the "
        f"image, and nothing is claimed of the rest. The predicted PSNR is the bootstrap's own; no image with known "
        f"truth has checked it. Calibrate on a data set with truth for intervals of the image."
    )
    return Uncertainty(found.seen, factor * found.seen_spread, level, predicted, -unknown, unknown, words, whole=False)


def coverage(claimed: Uncertainty, truth: TruthSet, data_range: Tensor, physics: Physics | None = None) -> Coverage:
    """Return how often intervals hold and how near predicted PSNRs are, over the images that have truth.

    Args:
        claimed: intervals and predictions.
        truth: one image each.
        data_range: the one the PSNR was predicted with, one an image, ``(batch,)``, > 0.
        physics: the operator, for intervals of the measured part; not needed otherwise.

    Raises:
        InputError: other images than were predicted, none with truth, or no physics for the measured part.
    """
    rows = known_rows(claimed.centre, truth)
    reference = truth.x[rows].to(claimed.centre)
    if not claimed.whole:
        if physics is None:
            raise InputError("expected the physics to compare the measured part with, but none came: pass physics=")
        own = physics.take(rows)
        reference = own.A_dagger(own.A(reference))
    inside = (claimed.centre[rows] - reference).abs() <= claimed.half_width[rows]
    shares = inside.double().flatten(1).mean(1)
    error = bias = within = float("nan")
    if claimed.whole:
        true = psnr(claimed.centre[rows], reference, data_range=data_range.to(reference)[rows])
        gap = (claimed.psnr[rows] - true).double()
        error, bias = float(gap.abs().mean()), float(gap.mean())
        low, high = claimed.psnr_low[rows], claimed.psnr_high[rows]
        if bool(torch.isfinite(low + high).all()):
            within = float(((low <= true) & (true <= high)).double().mean())
    return Coverage(claimed.level, t_interval(shares.tolist()), float(shares.min()), error, bias, within)


def widths(found: Bootstrap) -> Image:
    """Return half widths before their scale is known: each pixel's spread and a tenth of the image's."""
    mean = found.mean_square.sqrt().reshape(-1, *[1] * (found.spread.ndim - 1))
    return found.spread + _FLOOR * mean


def known_rows(images: Image, truth: TruthSet) -> list[int]:
    """Return which rows have truth; InputError where shapes differ or there is none."""
    rows: list[int] = list(range(len(truth))) if truth.has_x is None else truth.has_x.nonzero().flatten().tolist()
    if truth.x.shape != images.shape or not rows:
        raise InputError(
            f"expected truth of the {tuple(images.shape)} images that were predicted, but {tuple(truth.x.shape)} with "
            f"{len(rows)} known came: is it another set?"
        )
    return rows


def check_level(level: float) -> None:
    """Raise an InputError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise InputError(f"expected a level between 0 and 1, such as 0.9, but {level} came")
