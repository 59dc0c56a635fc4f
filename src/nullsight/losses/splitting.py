"""Splitting: a part of the measurement is hidden from the reconstructor, which has to predict it."""

from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.losses.evidence import Reconstruct
from nullsight.losses.residuals import ENTRYWISE, Residual
from nullsight.physics.base import Physics
from nullsight.physics.splits import Split, measured_entries
from nullsight.physics.windows import random_corners, windows
from nullsight.types import InputError, Measurement, Scalar


class SplittingLoss(Loss):
    """What losses share that hide entries: draw, reconstruct from the kept ones, compare with all that is measured.

    A subclass says in which frame f reconstructs. The draws are those of the evidence, in training and in evaluation.
    """

    def __init__(self, split: Split, residual: Residual, kept: float, crop: int | None, scaling: Scaling) -> None:
        super().__init__()
        if kept < 0 or (crop is not None and crop < 1):
            raise InputError(
                f"expected kept entries to count 0 or more and a crop of at least 1 pixel, but {kept} and {crop} came"
            )
        self.split, self.residual, self.kept, self.crop, self.scaling = split, residual, kept, crop, scaling

    @abstractmethod
    def _frame(self, evidence: Evidence) -> Physics: ...

    @property
    def detail(self) -> str:
        """The split's name."""
        return type(self.split).__name__

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        seen = self._window(evidence)
        keep = self.split.sample(seen.physics, seen.draws.of("splitting"))
        again = _predicted(seen.reconstruct, seen, self._frame(seen), keep)
        return self.residual.between(again, _weights(keep, seen, self.kept), seen, self.scaling)

    def _window(self, evidence: Evidence) -> Evidence:
        """Return the evidence of one random window a sample, the same size for all."""
        if self.crop is None:
            return evidence
        space = evidence.physics.image_shape[1:]
        size = tuple(min(self.crop, n) for n in space)
        corner = random_corners(space, size, evidence.draws.of("splitting window"))
        physics = evidence.physics.crop(corner, size)
        y = windows(evidence.y, corner, physics.measurement_shape[1:])
        return replace(evidence.unlabelled(), y=y, physics=physics, start=None)


class Splitting(SplittingLoss):
    """The error between ``A x`` and ``y`` on hidden entries, with ``x = f(y1, A1)`` from the kept entries alone.

    With the defaults: the mean over hidden entries of ``(A x - y)^2 / (scale * norm(A))^2``. Noise that is independent
    from entry to entry only adds a constant to it, so that f cannot learn the noise. What no split brings into view,
    because no measurement in the set has it, is not taught. Batson, Royer, "Noise2Self", ICML 2019; Yaman et al.,
    "Self-supervised learning of physics-guided reconstruction neural networks without fully sampled reference data"
    (SSDU), Magnetic Resonance in Medicine 2020. Averages over splits at test
    time: :class:`~nullsight.reconstructors.SplitAverage`.

    Args:
        split: how entries are hidden.
        residual: how prediction and measurement are compared; for tomography one of the others than ``Entrywise``.
        kept: how much an entry that f has seen counts beside a hidden one, >= 0: 0 hidden ones alone, 1 all alike,
            ``(1 - keep) / keep`` both parts with equal totals. Noisy data want 0; f is then never asked to return what
            it has seen, so noiseless data want 1, or :class:`~nullsight.reconstructors.Alternating` afterwards.
        crop: pixels along each side of a random window, one a sample, of which f sees measurement and operator alone
            (the whole side where the image is smaller); for local operators. None: whole images.
        scaling: the units; which entries count is decided by ``kept`` and by what is measured.

    Raises:
        InputError: ``kept`` below 0, or a crop below 1.

    Example:
        >>> from nullsight.losses.residuals import WeighedSquare
        >>> from nullsight.physics import RandomEntries, RandomLines
        >>> pixels = Splitting(RandomEntries(0.7), crop=64)
        >>> views = Splitting(RandomLines(0.8, axis=1), WeighedSquare())
        >>> (pixels + 10 * views).names
        ['Splitting(RandomEntries)', 'Splitting(RandomLines)']
    """

    def __init__(
        self,
        split: Split,
        residual: Residual = ENTRYWISE,
        kept: float = 0.0,
        crop: int | None = None,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__(split, residual, kept, crop, scaling)

    def _frame(self, evidence: Evidence) -> Physics:
        return evidence.physics


@torch.no_grad()
def hidden_errors(
    f: Reconstruct, evidence: Evidence, split: Split, residual: Residual, scaling: Scaling = UNIT_NORM
) -> Tensor:
    """Return the error of what ``f`` predicts of the entries that ``split`` hides from it, one value a sample.

    Args:
        f: reconstructs from the entries that are left.
        evidence: measurements, whose draws choose what is hidden.
        split: how it is chosen.
        residual: how predicted and hidden entries are compared; its unit is that of the values returned.
        scaling: the unit of measurements.

    Returns:
        ``(batch,)``.
    """
    keep = split.sample(evidence.physics, evidence.draws.of("splitting"))
    again, weight = _predicted(f, evidence, evidence.physics, keep), _weights(keep, evidence, 0.0)
    rows = range(len(keep))
    return torch.stack([residual.between(again[[k]], weight[[k]], evidence.take([k]), scaling) for k in rows])


def _predicted(f: Reconstruct, seen: Evidence, frame: Physics, keep: Tensor) -> Measurement:
    """Return what ``frame`` measures of the image that f makes from the kept entries."""
    shown = torch.where(keep, seen.y, torch.zeros_like(seen.y))
    return frame.A(f(shown, frame.subset(keep), draws=seen.draws.later()))


def _weights(keep: Tensor, seen: Evidence, kept: float) -> Tensor:
    """Return 1 for hidden entries, ``kept`` for the others and 0 where nothing is measured."""
    weight = measured_entries(seen.physics, len(keep)).to(seen.y)
    return torch.where(keep, kept * weight, weight)
