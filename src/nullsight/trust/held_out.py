"""Left-out measurements: what f predicts of entries that it was not shown."""

import math
from dataclasses import dataclass

import torch

from nullsight.draws import Draws
from nullsight.evaluation.base import Reconstruct
from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.physics.ct import ComputedTomography
from nullsight.physics.splits import RandomEntries, RandomLines, Split, measured_entries
from nullsight.types import InputError, Measurement

_KEEP = 0.9  # so much is shown: enough that f sees nearly the operator that it was trained on


@dataclass(frozen=True)
class HeldOut:
    """How well entries are predicted that f was not shown.

    Attributes:
        relative: ``|A f(y shown) - y| / |y|`` over hidden entries.
        sigmas: the root of the mean squared error in units of the noise's variance there: 1 for the true image, more by
            what f gets wrong; None: there is no noise.
        squared: mean squared error of a hidden entry, in the squared unit of the measurement.
        entries: how many were hidden in all.
        share: of the measured entries that are hidden at a time.
    """

    relative: float
    sigmas: float | None
    squared: float
    entries: int
    share: float

    def lines(self) -> list[str]:
        """Return the finding as a line of text."""
        text = f"left-out measurements ({100 * self.share:.0f} % hidden at a time): off by {self.relative:.3g} of them"
        if self.sigmas is None:
            return [f"{text}; 0 for the true image"]
        return [f"{text}, {self.sigmas:.2f} standard deviations of the noise; 1 for the true image"]


@torch.no_grad()
def held_out_error(
    reconstruct: Reconstruct,
    y: Measurement,
    physics: Physics,
    noise: Noise,
    *,
    hide: Split | None = None,
    times: int = 2,
    seed: int = 0,
) -> HeldOut:
    """Hide a part of every measurement, reconstruct from the rest and compare the prediction of what was hidden.

    It needs no truth, and the noise of hidden entries is not seen by f (cross-validation: Batson and Royer,
    "Noise2Self", ICML 2019, Section 2). A network that was trained on full measurements sees another operator here than
    it knows, so the error is an upper bound of what it makes of a full measurement; one trained by splitting is at home
    with it. Compare networks of one kind by this number, or look at :func:`~nullsight.trust.rank`, which divides it by
    what the same network makes of hidden entries of images that are known.

    Args:
        reconstruct: f, of measurements and their operator.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: that can leave out entries.
        noise: of the measurements.
        hide: what is shown, and thereby hidden; None: a tenth is hidden, of views in tomography, else of pixels,
            frequencies or whatever is measured.
        times: hidden parts that are drawn one after the other.
        seed: of the hidden parts.

    Raises:
        InputError: an operator that cannot leave out entries, or measurements with nothing to hide.

    Example:
        >>> from nullsight.noise import Noiseless
        >>> from nullsight.physics import Inpainting
        >>> physics, x = Inpainting((1, 8, 8), torch.ones(8, 8)), torch.ones(1, 1, 8, 8)
        >>> held_out_error(lambda y, A: torch.full_like(y, 0.5), physics.A(x), physics, Noiseless()).relative
        0.5
    """
    split = hide or default_split(physics)
    ids = tuple(range(len(y)))
    total, size, variance, entries, measured_total = 0.0, 0.0, 0.0, 0, 0
    for k in range(times):
        keep = split.sample(physics, Draws(seed, k, ids).of("left-out measurements"))
        measured = measured_entries(physics, len(y))
        hidden = measured & ~keep
        shown = torch.where(keep, y, torch.zeros_like(y))
        predicted = physics.A(reconstruct(shown, physics.subset(keep)).to(y))
        total += float((predicted - y)[hidden].double().square().sum())
        size += float(y[hidden].double().square().sum())
        variance += float(noise.variance(predicted)[hidden].double().sum())
        entries += int(hidden.sum())
        measured_total += int(measured.sum())
    if entries == 0:
        raise InputError(
            f"expected at least two measured entries a sample to hide one of, but {measured_total} in {len(y)} "
            f"measurements came: use another test"
        )
    return HeldOut(
        relative=_root(total, size),
        sigmas=_root(total, variance) if variance > 0 else None,
        squared=total / entries,
        entries=entries,
        share=entries / measured_total,
    )


def default_split(physics: Physics) -> Split:
    """Return what is hidden where nothing is asked for: a tenth of the views in tomography, else of single entries."""
    views = any(isinstance(part, ComputedTomography) for part in physics.modules())
    return RandomLines(_KEEP, axis=1) if views else RandomEntries(_KEEP)


def _root(value: float, unit: float) -> float:
    return math.sqrt(value / max(unit, 1e-300))
