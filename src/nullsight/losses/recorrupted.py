"""Two noisy measurements out of one, independent of each other: f sees the first, the second judges."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.types import InputError, Measurement, Scalar


class Recorruption(ABC):
    """How one measurement becomes two whose noises are independent, each with the clean measurement as its mean."""

    @abstractmethod
    def pair(self, y: Measurement, stream: Stream) -> tuple[Measurement, Measurement]:
        """Return the measurement that f sees and the one that it is compared with."""

    @abstractmethod
    def excess(self, y: Measurement) -> Tensor:
        """Return the variance of the second one's noise, estimated from ``y``, entry by entry."""


@dataclass(frozen=True)
class GaussianPair(Recorruption):
    """``y1 = y + t n``, ``y2 = y - n' / t`` with the same n of standard deviation sigma: independent for Gaussian noise.

    Pang, Zheng, Quan, Ji, "Recorrupted-to-Recorrupted", CVPR 2021.

    Args:
        sigma: of the noise in y, in the measurement's unit, > 0.
        t: how much noise f sees beyond that of y: variance ``(1 + t^2) sigma^2``; > 0.

    Raises:
        InputError: a value that is not above 0.
    """

    sigma: float
    t: float = 0.5

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and self.t > 0):
            raise InputError(f"expected sigma and t above 0, but {self.sigma} and {self.t} came")

    def pair(self, y: Measurement, stream: Stream) -> tuple[Measurement, Measurement]:
        """Return both."""
        n = self.sigma * stream.normal(tuple(y.shape[1:])).to(y)
        return y + self.t * n, y - n / self.t

    def excess(self, y: Measurement) -> Tensor:
        """Return ``(1 + 1 / t^2) sigma^2``."""
        return torch.full_like(y, (1 + 1 / self.t**2) * self.sigma**2)


@dataclass(frozen=True)
class PoissonPair(Recorruption):
    """Counts are dealt out: each goes to the second measurement with probability p, to the first one otherwise.

    Both are counts of their own, independent, divided by their shares: ``y1 = (y - gain w) / (1 - p)``, ``y2 = gain w /
    p`` with w binomial. Monroy, Bacca, Tachella, "Generalized Recorrupted-to-Recorrupted", CVPR 2025.

    Args:
        gain: the value of one count in y, > 0; y must be whole counts times it.
        p: the share that f does not see, in (0, 1).

    Raises:
        InputError: a value out of its range.
    """

    gain: float
    p: float = 0.2

    def __post_init__(self) -> None:
        if not (self.gain > 0 and 0 < self.p < 1):
            raise InputError(f"expected a gain above 0 and a share in (0, 1), but {self.gain} and {self.p} came")

    def pair(self, y: Measurement, stream: Stream) -> tuple[Measurement, Measurement]:
        """Return both."""
        hidden = self.gain * stream.binomial((y / self.gain).round().clamp_min(0), self.p)
        return (y - hidden) / (1 - self.p), hidden / self.p

    def excess(self, y: Measurement) -> Tensor:
        """Return ``gain y / p``."""
        return self.gain * y / self.p


class Recorrupted(Loss):
    """``|A f(y1) - y2|^2`` less the noise of ``y2``: the error against the clean measurement of an f that sees y1.

    The two are independent given the image, so the mean is exact for every f, without derivatives; f is one for
    somewhat noisier measurements, and its mean over several recorruptions, in use, is better than one pass of y
    (``RecorruptedAverage``).

    Args:
        recorruption: how y becomes two.
        scaling: the unit.
    """

    def __init__(self, recorruption: Recorruption, scaling: Scaling = UNIT_NORM) -> None:
        super().__init__()
        self.recorruption, self.scaling = recorruption, scaling

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the estimate for a batch, in squared units of the measurement."""
        y, physics = evidence.y, evidence.physics
        seen, judged = self.recorruption.pair(y, evidence.draws.of("recorruption"))
        counted = self.scaling.counted(evidence)
        weight = torch.ones_like(y) if counted is None else counted.expand(y.shape).to(y)
        x = evidence.reconstruct(seen * weight, physics, draws=evidence.draws.later())
        risk = weight * ((physics.A(x) - judged).square() - self.recorruption.excess(y))
        size = weight.flatten(1).sum(1).clamp_min(1)
        return (risk.flatten(1).sum(1) / size).mean() / self.scaling.measurement_unit(evidence) ** 2


RECORRUPTIONS: dict[str, type[Recorruption]] = {"gaussian_pair": GaussianPair, "poisson_pair": PoissonPair}
