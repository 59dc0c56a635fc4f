"""Two noisy measurements out of one, independent of each other."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.types import InputError, Measurement


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
    """``y1 = y + t n`` and ``y2 = y - n / t`` with one n of standard deviation sigma: independent for Gaussian noise.

    Pang, Zheng, Quan, Ji, "Recorrupted-to-Recorrupted", CVPR 2021.

    Args:
        sigma: of the noise in y, in the measurement's unit, > 0.
        t: how much noise f sees beyond that of y: variance ``(1 + t^2) sigma^2``; > 0.

    Raises:
        InputError: a value that is not above 0 or not finite.

    Example:
        >>> GaussianPair(0.1, t=0.5).excess(torch.zeros(1, 1))
        tensor([[0.0500]])
    """

    sigma: float
    t: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.sigma < math.inf and 0 < self.t < math.inf):
            raise InputError(f"expected sigma and t above 0 and finite, but {self.sigma} and {self.t} came")

    def pair(self, y: Measurement, stream: Stream) -> tuple[Measurement, Measurement]:
        """Return both."""
        n = self.sigma * stream.normal(tuple(y.shape[1:])).to(y.device, y.dtype)
        return y + self.t * n, y - n / self.t

    def excess(self, y: Measurement) -> Tensor:
        """Return ``(1 + 1 / t^2) sigma^2``."""
        return torch.full_like(y, (1 + 1 / self.t**2) * self.sigma**2)


@dataclass(frozen=True)
class PoissonPair(Recorruption):
    """Counts are dealt out: each goes to the second measurement with probability p, to the first one otherwise.

    Both are counts of their own, independent, divided by their shares: ``y1 = (y - gain w) / (1 - p)`` and ``y2 = gain
    w / p`` with w binomial. Monroy, Bacca, Tachella, "Generalized Recorrupted-to-Recorrupted", CVPR 2025.

    Args:
        gain: the value of one count in y, > 0; y must be whole counts times it.
        p: the share that f does not see, in (0, 1).

    Raises:
        InputError: a value out of its range.

    Example:
        >>> PoissonPair(1.0, p=0.5).excess(torch.tensor([[3.0]]))
        tensor([[6.]])
    """

    gain: float
    p: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.gain < math.inf and 0 < self.p < 1):
            raise InputError(f"expected a gain above 0 and a share in (0, 1), but {self.gain} and {self.p} came")

    def pair(self, y: Measurement, stream: Stream) -> tuple[Measurement, Measurement]:
        """Return both; InputError for a y that is not whole counts, as far as its precision can tell."""
        counts = (y / self.gain).round()
        near = 1e-3 + 8 * torch.finfo(y.dtype).eps * counts  # a few roundings: gain times counts, stored, divided
        if not bool((((y / self.gain - counts).abs() <= near) & (counts >= 0)).all()):  # NaN is refused, too
            raise InputError(
                f"expected whole counts times the gain {self.gain}, none below 0, but other values came: correct the "
                f"gain, or take GaussianPair or SURE, where electronic noise was added or counts were scaled"
            )
        hidden = self.gain * stream.binomial(counts, self.p)
        return (y - hidden) / (1 - self.p), hidden / self.p

    def excess(self, y: Measurement) -> Tensor:
        """Return ``gain y / p``."""
        return self.gain * y / self.p


RECORRUPTIONS: dict[str, type[Recorruption]] = {"gaussian_pair": GaussianPair, "poisson_pair": PoissonPair}
