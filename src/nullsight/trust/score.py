"""A predicted error that ranks reconstructors of the same measurements, without truth."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.evaluation.base import Reconstruct
from nullsight.groups.base import Family, Trivial
from nullsight.metrics import reference_peak
from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.physics.splits import Split, measured_entries
from nullsight.trust.held_out import held_out_error
from nullsight.trust.split import measured_part
from nullsight.types import Image, InputError, Measurement

_ITERATIONS = 50  # of conjugate gradients for the measured part of an error: more change its energy by little
_MOST = 10.0  # by so much real measurements may correct what virtual ones say, either way
_NOTHING = 1e-8  # of the energy of measurements: a smaller misfit is rounding


@dataclass(frozen=True)
class Candidate:
    """A reconstructor to be compared.

    Attributes:
        name: what it is called.
        reconstruct: f, of measurements and their operator.
        physics: the measurements' operator with the ``A_dagger`` that f was trained with.
    """

    name: str
    reconstruct: Reconstruct
    physics: Physics


@dataclass(frozen=True)
class Predicted:
    """What one candidate's error is predicted to be; it is for comparison with others, not for its own sake.

    Attributes:
        name: of the candidate.
        psnr: in dB (at most 120), the mean over images, with the peak of each common virtual image as data range.
        measured: the same in dB if the error of the measured part were the only one.
        hidden: the same if that of the null-space part were.
        residual_factor: mean squared residual on the measurements over that on virtual ones; the measured part of the
            squared error is multiplied by it.
        held_out_factor: the same for left-out entries and the null-space part; 1 where nothing can be left out.
        held_out: relative error of left-out entries of the measurements; NaN where nothing can be left out.
    """

    name: str
    psnr: float
    measured: float
    hidden: float
    residual_factor: float
    held_out_factor: float
    held_out: float


@dataclass(frozen=True)
class Ranking:
    """Candidates, the best first.

    Attributes:
        scores: one a candidate.
        images: how many measurements they were compared on.
        group: by which the common virtual images were transformed.

    Example:
        >>> one = Predicted("a run", 30.0, 40.0, 30.46, 1.0, 1.2, 0.05)
        >>> Ranking((one,), 4, "QuarterTurns()").best
        'a run'
    """

    scores: tuple[Predicted, ...]
    images: int
    group: str

    @property
    def best(self) -> str:
        """The name of the candidate with the least predicted error."""
        return self.scores[0].name

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists; a number that is not known is None."""
        rows = [{key: None if value != value else value for key, value in asdict(one).items()} for one in self.scores]
        return {"best": self.best, "images": self.images, "group": self.group, "scores": rows}

    def lines(self) -> list[str]:
        """Return the table as lines of text, with what its columns are."""
        wide = max(len(one.name) for one in self.scores) + 2
        heads = ("score, dB", "measured, dB", "null, dB", "residual", "left out", "left-out error")
        lines = [f"{'run':{wide}}" + "".join(f"{head:>15}" for head in heads)]
        for one in self.scores:
            cells = (f"{one.psnr:.2f}", f"{one.measured:.2f}", f"{one.hidden:.2f}")
            factors = (f"x {one.residual_factor:.2f}", f"x {one.held_out_factor:.2f}", f"{one.held_out:.3g}")
            lines.append(f"{one.name:{wide}}" + "".join(f"{cell:>15}" for cell in (*cells, *factors)))
        return [
            *lines,
            f"score: predicted PSNR on {self.images} measurements, from virtual images common to all (their mean "
            f"reconstruction, transformed by {self.group}), which each run reconstructs from their measurements; "
            f"measured and null: the PSNR if that part of the error were the only one; residual and left out: how much "
            f"larger the squared misfit of the measurements is than that of the virtual ones, by which the two parts "
            f"are multiplied. It ranks runs of the same measurements; as a number it is too good where all runs are "
            f"too smooth.",
        ]


@torch.no_grad()
def rank(
    candidates: Sequence[Candidate],
    y: Measurement,
    noise: Noise,
    group: Family | None = None,
    *,
    transforms: int = 2,
    rounds: int = 2,
    hide: Split | None = None,
    seed: int = 0,
) -> Ranking:
    """Predict the error of reconstructors on the same measurements, without truth, and sort them by it.

    Virtual images ``x2 = T_g v`` are known, so what a candidate makes of ``A x2 + noise`` can be compared with them. To
    set all candidates the same task, and one that none of them made alone, v is the mean of all their reconstructions
    (in later rounds weighted by the inverse of the squared error predicted before). The error splits into its measured
    part and its null-space part. What virtual images are too easy for is corrected from the measurements: the first
    part is multiplied by the candidate's squared residual on y over that on ``A x2``, the second by the ratio of its
    squared errors on left-out entries, each within 0.1 .. 10. As both sides of a ratio show the candidate the same
    unfamiliar operator, that it was trained on full measurements cancels to first order.

    Args:
        candidates: at least one, of different names; with a single one v is its own image, and the score flatters.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        noise: that they carry; fresh draws are added to virtual measurements.
        group: what the images are invariant to; None: the identity, and the score is a weak one.
        transforms: of each virtual image.
        rounds: of predictions, >= 1; later ones weigh by earlier ones.
        hide: what is shown of measurements of which a part is left out; None: as :func:`held_out_error` has it.
        seed: of transformations, noise and left-out entries.

    Raises:
        InputError: no candidate, two of one name, or no round.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.noise import Noiseless
        >>> from nullsight.physics import Inpainting, bernoulli_mask
        >>> physics = Inpainting((1, 8, 8), bernoulli_mask((8, 8), 0.7, seed=0))
        >>> flat = Candidate("flat", lambda y, A: y.sum((1, 2, 3), True) / A.measured.sum() + 0 * y, physics)
        >>> zeros = Candidate("zeros", lambda y, A: y, physics)
        >>> y = physics.A(torch.ones(2, 1, 8, 8))
        >>> rank([zeros, flat], y, Noiseless(), Shifts((8, 8))).best
        'flat'
    """
    names = [one.name for one in candidates]
    if not names or len(set(names)) < len(names) or rounds < 1:
        raise InputError(
            f"expected candidates of different names and at least one round, but {names} and {rounds} came: name each "
            f"run once"
        )
    family = Trivial() if group is None else group
    x1 = [one.reconstruct(y, one.physics).to(y) for one in candidates]
    weights = torch.ones(len(names), dtype=torch.float64)
    found: list[Predicted] = []
    for _ in range(rounds):
        v = torch.stack([float(w) * x for w, x in zip(weights / weights.sum(), x1, strict=True)]).sum(0)
        task = task_of(v, y, noise, family, transforms=transforms, hide=hide, seed=seed)
        found = [task.predict(one, x) for one, x in zip(candidates, x1, strict=True)]
        weights = torch.tensor([10 ** (one.psnr / 10) for one in found], dtype=torch.float64)  # inverse squared errors
    return Ranking(tuple(sorted(found, key=lambda one: -one.psnr)), len(y), repr(family))


@dataclass(frozen=True)
class Task:
    """Common virtual images that every candidate has to reconstruct.

    Attributes:
        v: before they are transformed, ``(batch, *image_shape)``.
        x2: ``T_g v``, tiled copy after copy.
        y: the measurements.
        noise: that they carry.
        hide: what is shown where a part is left out.
        draws: one a virtual image.
        seed: of left-out entries.
    """

    v: Image
    x2: Image
    y: Measurement
    noise: Noise
    hide: Split | None
    draws: Draws
    seed: int

    def predict(self, candidate: Candidate, x1: Image) -> Predicted:
        """Return the predicted error of one candidate, whose reconstructions of y are ``x1``."""
        physics = candidate.physics.repeat(len(self.x2) // len(self.v))
        y2 = self.noise.observe(physics.A(self.x2), physics.measured, self.draws.of("noise of common virtual images"))
        x3 = candidate.reconstruct(y2, physics).to(self.x2)
        error = x3 - self.x2
        seen = measured_part(error, physics, self.x2, iterations=_ITERATIONS)
        residual = _factor(_misfit(candidate.physics, x1, self.y), _misfit(physics, x3, y2))
        left_out, relative = self._left_out(candidate, y2, physics)
        measured, hidden = (self._each(part) * by for part, by in ((seen, residual), (error - seen, left_out)))
        peak = reference_peak(self.v).double().clamp_min(torch.finfo(torch.float32).tiny).square()
        decibels = [_mean_decibels(peak, squared) for squared in (measured + hidden, measured, hidden)]
        return Predicted(candidate.name, decibels[0], decibels[1], decibels[2], residual, left_out, relative)

    def _left_out(self, candidate: Candidate, y2: Measurement, physics: Physics) -> tuple[float, float]:
        f, noise, hide, seed = candidate.reconstruct, self.noise, self.hide, self.seed
        try:
            real = held_out_error(f, self.y, candidate.physics, noise, hide=hide, times=1, seed=seed)
            virtual = held_out_error(f, y2, physics, noise, hide=hide, times=1, seed=seed)
        except InputError:  # an operator that cannot leave out entries: nothing is corrected
            return 1.0, math.nan
        unit = float(self.y.double().square().mean())
        return _factor(real.squared / unit, virtual.squared / unit), real.relative

    def _each(self, part: Image) -> Tensor:
        """Return the mean squared value for every image, over its transformed copies and entries."""
        squares = part.double().flatten(1).square().mean(1)
        return squares.reshape(-1, len(self.v)).mean(0)


def task_of(
    v: Image, y: Measurement, noise: Noise, group: Family, *, transforms: int, hide: Split | None, seed: int
) -> Task:
    """Return the task of virtual images ``T_g v``, the same for the same arguments.

    Args:
        v: images, as many as there are measurements.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        noise: that they carry.
        group: what transforms them.
        transforms: of each image.
        hide: what is shown where a part is left out.
        seed: of transformations, noise and left-out entries.
    """
    draws = Draws(seed, 0, tuple(range(len(y)))).repeat(transforms)
    g = group.sample(draws.of("common virtual images"))
    x2 = group.act(g, v.repeat(transforms, *[1] * (v.ndim - 1)))
    return Task(v, x2, y, noise, hide, draws, seed)


def _misfit(physics: Physics, x: Image, y: Measurement) -> float:
    """Return ``|A x - y|^2 / |y|^2`` over measured entries."""
    seen = measured_entries(physics, len(y))
    squared = (physics.A(x) - y)[seen].double().square().sum()
    return float(squared / y[seen].double().square().sum().clamp_min(torch.finfo(torch.float64).tiny))


def _factor(real: float, virtual: float) -> float:
    if max(real, virtual) <= _NOTHING:
        return 1.0
    return min(_MOST, max(1 / _MOST, real / max(virtual, _NOTHING)))


def _mean_decibels(peak: Tensor, squared: Tensor) -> float:
    """Return the mean over images of ``10 log10(peak^2 / squared)``, each at most 120 dB."""
    return float(10 * torch.log10(peak / torch.maximum(squared, 1e-12 * peak)).mean())
