"""The distribution of eigenvalues: what share of all directions is seen, and how strongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-9  # of the largest eigenvalue: what double precision leaves of a zero (n eps, for n to some thousands)


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a positive semi-definite map and how many directions have each.

    Args:
        values: eigenvalues, ``(k,)``, in the squared unit of the operator.
        counts: directions of each, ``(k,)``, adding up to n; whole numbers where the spectrum is exact.
        error: standard error of a share of directions; 0: the spectrum is exact.

    Example:
        >>> known = Spectrum(torch.tensor([1.0, 0.01, 0.0]), torch.tensor([2.0, 1.0, 1.0]))
        >>> known.share(1e-3), known.share(0.1), known.rank
        (0.75, 0.5, 3)
    """

    values: Tensor
    counts: Tensor
    error: float = 0.0

    @property
    def largest(self) -> float:
        """The largest eigenvalue."""
        return float(self.values.max().clamp_min(0))

    @property
    def rank(self) -> int | None:
        """How many eigenvalues are above rounding; None where the spectrum is an estimate."""
        return None if self.error else round(float(self._above(ROUNDING)))

    def share(self, threshold: float) -> float:
        """Return the share of directions (0 .. 1) whose eigenvalue is above ``threshold`` times the largest."""
        return float(self._above(threshold) / self.counts.sum())

    def below(self, scale: float) -> "Spectrum":
        """Return the same eigenvalues relative to one that is so many times the largest, which no direction has.

        Example:
            >>> Spectrum(torch.tensor([1.0, 0.3]), torch.tensor([1.0, 1.0])).below(2.0).share(0.2)
            0.5
        """
        if scale == 1:
            return self
        top = self.values.max()[None] * scale
        return Spectrum(torch.cat([self.values, top]), torch.cat([self.counts, torch.zeros_like(top)]), self.error)

    def gains(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Return how much more noise than the best direction the worst of a share of directions gets.

        Directions are sorted from the most to the least visible; noise of a least-squares image in a direction of
        eigenvalue s is ``sigma / sqrt(s)``. Infinite where a direction is not seen.
        """
        order = self.values.argsort(descending=True)
        seen, reached = self.values[order], self.counts[order].cumsum(0) / self.counts.sum()
        found = []
        for share in shares:
            place = min(int((reached < share - 1e-9).sum()), len(seen) - 1)
            value = float(seen[place])
            hidden = value <= ROUNDING * self.largest
            found.append(float("inf") if hidden else (self.largest / value) ** 0.5)
        return tuple(found)

    def _above(self, threshold: float) -> Tensor:
        if self.largest == 0:
            return torch.zeros((), dtype=torch.float64)
        return self.counts.double()[self.values > threshold * self.largest].sum()


def of_values(values: Tensor, *, repeated: int = 1) -> Spectrum:
    """Return the exact spectrum of listed eigenvalues, each of them ``repeated`` times; alike ones are put together."""
    flat = values.detach().cpu().double().flatten().clamp_min(0)
    if not len(flat):
        return Spectrum(torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    found, counts = torch.unique(flat, return_counts=True)
    return Spectrum(found, counts.double() * repeated)


def of_matrix(matrix: Tensor) -> Spectrum:
    """Return the exact spectrum of a symmetric matrix ``(n, n)``."""
    return of_values(torch.linalg.eigvalsh((matrix + matrix.T).double() / 2))
