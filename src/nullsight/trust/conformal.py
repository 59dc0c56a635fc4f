"""Predictions of error made honest on a data set with truth: split conformal prediction, kept in a small file."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from nullsight.data.datasets import TruthSet
from nullsight.storage import write_atomically
from nullsight.trust.bootstrap import Bootstrap
from nullsight.trust.uncertainty import Uncertainty, check_level, known_rows, widths
from nullsight.types import InputError


@dataclass(frozen=True)
class Calibration:
    """What a data set with truth says of predicted errors.

    For images that are exchangeable with those of the data set (drawn alike, as one more of them) the intervals hold
    on average; of other images, such as another scanner's, that is a hope to be checked.

    Attributes:
        data: the data set, by name.
        images: how many of them had truth.
        level: what intervals are to cover, 0 .. 1.
        shift: what is added to a predicted PSNR, dB: the median of true - predicted.
        low: the PSNR lies above predicted + low, dB, at the level; None: too few images to say.
        high: and below predicted + high, dB; None likewise.
        scale: half widths are this times the bootstrap's; None: too few images to say.
    """

    data: str
    images: int
    level: float
    shift: float
    low: float | None
    high: float | None
    scale: float | None

    def apply(self, found: Bootstrap, data_range: float | Tensor) -> Uncertainty:
        """Return calibrated intervals and PSNRs of other images.

        Args:
            found: of the bootstrap, made as in the calibration (same f, noise, group and copies).
            data_range: of the images, one number or one an image, ``(batch,)``, > 0.

        Raises:
            InputError: a calibration with too few images for its level.
        """
        if self.scale is None:
            least = math.ceil(1 / (1 - self.level) - 1e-9) - 1  # 10 is 10.000000000000002 there
            raise InputError(
                f"expected at least {least} calibration images for intervals at level {self.level}, but {self.data} "
                f"has {self.images}: take more images or a lower level"
            )
        predicted = found.psnr(data_range)
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        words = (
            f"Calibrated on {self.images} images of {self.data}: {100 * self.level:.0f} % of the pixels lie in their "
            f"intervals, and the PSNR of {100 * self.level:.0f} % of the images in theirs, on average over images "
            f"drawn as those were."
        )
        return Uncertainty(
            found.x1, self.scale * widths(found), self.level, predicted + self.shift, predicted + low,
            predicted + high, words, whole=True,
        )  # fmt: skip


def calibrate(found: Bootstrap, truth: TruthSet, data: str, *, level: float = 0.9) -> Calibration:
    """Compare predicted errors with true ones on a data set with truth.

    Predicted PSNR: the scores ``10 log10(predicted / true mean square)`` of n images; the interval of a new one is
    between their ``floor((n + 1) (1 - level) / 2)``-th and ``ceil((n + 1) (1 + level) / 2)``-th smallest, which holds
    with probability ``level`` at least (Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005).
    Pixels: half widths are scaled by the smallest factor for which ``(n R + 1) / (n + 1) <= 1 - level``, R the mean
    over images of the share of pixels outside: then the expected share outside is at most ``1 - level`` for a new image
    (Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal risk control", arXiv 2208.02814, 2022, theorem 1).

    Args:
        found: of the bootstrap on the data set's measurements.
        truth: their images; those without truth are left out.
        data: the data set's name, which is kept.
        level: 0 < level < 1.

    Raises:
        InputError: a level outside 0 .. 1, other images, or none with truth.
    """
    check_level(level)
    rows = known_rows(found.x1, truth)
    error = (found.x1[rows] - truth.x[rows].to(found.x1)).abs()
    true = error.double().square().flatten(1).mean(1)
    predicted = found.mean_square[rows].double()
    tiny = torch.finfo(torch.float64).tiny  # an exact reconstruction has a finite score, too
    scores = (10 * torch.log10(predicted.clamp_min(tiny) / true.clamp_min(tiny))).tolist()
    low, high = conformal_interval(scores, level)
    ratio = error / widths(found)[rows]
    return Calibration(
        data, len(rows), level, float(torch.tensor(scores, dtype=torch.float64).quantile(0.5)), low, high,
        risk_scale(ratio, level),
    )  # fmt: skip


def conformal_interval(scores: Sequence[float], level: float) -> tuple[float | None, float | None]:
    """Return between which scores that of a new image lies with probability ``level``; None: no bound on that side.

    Example:
        >>> conformal_interval(list(range(1, 20)), 0.9)
        (1, 19)
        >>> conformal_interval([0.0, 1.0], 0.9)
        (None, None)
    """
    ordered, n = sorted(scores), len(scores)
    tail = (n + 1) * (1 - level) / 2
    rank = math.floor(tail + 1e-9)  # (n + 1) (1 - level) / 2 may be whole but for rounding
    return (None, None) if rank < 1 else (ordered[rank - 1], ordered[n - rank])


def risk_scale(ratio: Tensor, level: float) -> float | None:
    """Return the smallest factor c for which ``(n R(c) + 1) / (n + 1) <= 1 - level``; None: n images are too few.

    Args:
        ratio: error over half width in every pixel, ``(n, ...)``; R(c) is the share of them above c.
        level: 0 < level < 1.

    Example:
        >>> risk_scale(torch.arange(1.0, 21.0).reshape(20, 1), 0.9)  # one of 20 may lie outside
        19.0
    """
    n, values = len(ratio), ratio.flatten()
    allowed = ((n + 1) * (1 - level) - 1) / n
    outside = math.floor(allowed * values.numel() + 1e-6)
    if outside < 0 or allowed < -1e-9:
        return None
    return float(values.kthvalue(values.numel() - outside).values)


def save_calibration(path: Path | str, calibration: Calibration) -> None:
    """Write a calibration as JSON; InputError where the file cannot be written."""
    write_atomically(path, json.dumps(asdict(calibration), indent=1, allow_nan=False) + "\n")


def read_calibration(path: Path | str) -> Calibration:
    """Return the calibration in a file; InputError where there is none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        numbers = {key: None if found[key] is None else float(found[key]) for key in ("low", "high", "scale")}
        return Calibration(
            str(found["data"]), int(found["images"]), float(found["level"]), float(found["shift"]), numbers["low"],
            numbers["high"], numbers["scale"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise InputError(f"expected a calibration as JSON in {path}, but it cannot be read: {reason!r}") from reason
