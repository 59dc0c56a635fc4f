"""The data range that PSNR and SSIM are relative to: a rule that says in words what it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.errors import InputError
from nullsight.metrics import magnitude as magnitude
from nullsight.metrics import reference_peak


class DataRange(ABC):
    """A rule for the data range of references."""

    @property
    @abstractmethod
    def statement(self) -> str:
        """Say what the range is, for tables and reports."""

    @abstractmethod
    def of(self, reference: Tensor) -> Tensor:
        """Return the range of every image of ``(batch, channels, *space)``, ``(batch,)``, > 0."""


@dataclass(frozen=True)
class PeakOfEach(DataRange):
    """The largest value of each reference (what the papers on equivariant imaging use).

    Example:
        >>> PeakOfEach().of(torch.tensor([[[0.0, 0.5]], [[0.1, 2.0]]]))
        tensor([0.5000, 2.0000])
    """

    @property
    def statement(self) -> str:
        """Say what the range is."""
        return "data range = peak of each reference"

    def of(self, reference: Tensor) -> Tensor:
        """Return the peak of every image."""
        return _above_zero(reference_peak(reference))


@dataclass(frozen=True)
class MagnitudePeak(DataRange):
    """The largest magnitude of each complex reference, ``(batch, 2, *space)`` = (re, im).

    Example:
        >>> MagnitudePeak().of(torch.tensor([[[3.0, 0.0], [-4.0, 0.0]]]))
        tensor([5.])
    """

    @property
    def statement(self) -> str:
        """Say what the range is."""
        return "data range = peak magnitude of each reference"

    def of(self, reference: Tensor) -> Tensor:
        """Return the peak magnitude of every image."""
        return _above_zero(reference_peak(magnitude(reference)))


@dataclass(frozen=True)
class FixedRange(DataRange):
    """One number for all images, for instance 255 for 8-bit photographs.

    Args:
        value: in the images' unit, > 0.

    Raises:
        InputError: a value that is not above zero.

    Example:
        >>> FixedRange(255).statement
        'data range = 255'
    """

    value: float

    def __post_init__(self) -> None:
        if not self.value > 0:
            raise InputError(f"expected a data range above 0, but {self.value} came")

    @property
    def statement(self) -> str:
        """Say what the range is."""
        return f"data range = {self.value:g}"

    def of(self, reference: Tensor) -> Tensor:
        """Return the same number for every image."""
        return torch.full((reference.shape[0],), float(self.value), dtype=reference.dtype, device=reference.device)


def _above_zero(peaks: Tensor) -> Tensor:
    if not bool((peaks > 0).all()):
        row = int((peaks <= 0).nonzero()[0])
        raise InputError(
            f"expected references with a peak above 0, but that of row {row} is {float(peaks[row])}: hand in a "
            f"FixedRange in the images' unit"
        )
    return peaks
