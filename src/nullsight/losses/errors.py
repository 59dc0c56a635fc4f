"""How far two images or measurements are apart: error functions, and the units they are measured in."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nullsight.losses.base import Evidence, Loss
from nullsight.metrics import ssim
from nullsight.types import InputError, Scalar


@runtime_checkable
class Error(Protocol):
    """An error function: any callable of two batches of one shape.

    It returns one value per entry (the shape that came in), one per sample (``(batch,)``), or one for all (a 0-d mean).
    Only errors per entry leave out what is not measured; the others see zeros there in both arguments.
    """

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """Return the error of ``a`` against ``b``."""
        ...


@dataclass(frozen=True)
class MeanSquare:
    """The squared difference, ``(a - b)^2`` (a complex number's two channels count as two entries).

    Example:
        >>> mean_error(MeanSquare(), torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]]))
        tensor(5.)
    """

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """Return the squared difference per entry."""
        return (a - b).square()


@dataclass(frozen=True)
class L1:
    """The absolute difference, ``|a - b|``: less moved by outliers."""

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """Return the absolute difference per entry."""
        return (a - b).abs()


@dataclass(frozen=True)
class Huber:
    """Half the square up to ``delta``, linear above: ``d^2 / 2`` for ``d <= delta``, else ``delta (d - delta / 2)``.

    Args:
        delta: where the square ends, > 0, in units of the intensity scale.

    Raises:
        InputError: a ``delta`` of 0 or less.

    Example:
        >>> Huber(1.0)(torch.tensor([0.5, 3.0]), torch.zeros(2))
        tensor([0.1250, 2.5000])
    """

    delta: float

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise InputError(f"expected a Huber delta above 0, but {self.delta} came")

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """Return the Huber error per entry."""
        distance = (a - b).abs()
        near = distance.clamp_max(self.delta)
        return near * (distance - near / 2)


@dataclass(frozen=True)
class OneMinusSSIM:
    """1 minus the structural similarity of 2-D images (:func:`nullsight.metrics.ssim`), one value an image.

    Args:
        data_range: of the images, > 0, in units of the intensity scale: 1 where they go from 0 to that scale.

    Raises:
        InputError: a range of 0 or less.

    Example:
        >>> picture = torch.rand(2, 1, 16, 16)
        >>> OneMinusSSIM()(picture, picture)
        tensor([0., 0.])
    """

    data_range: float = 1.0

    def __post_init__(self) -> None:
        if not self.data_range > 0:
            raise InputError(f"expected a data range above 0, but {self.data_range} came")

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """Return ``1 - ssim`` per image; InputError for images below 11x11 pixels and for anything but images."""
        return 1 - ssim(a, b, data_range=self.data_range)


class Scaling(ABC):
    """The units in which errors are measured, and which entries of a measurement count."""

    @abstractmethod
    def image_unit(self, evidence: Evidence) -> float:
        """Return what images are divided by."""

    @abstractmethod
    def measurement_unit(self, evidence: Evidence) -> float:
        """Return what measurements are divided by."""

    @abstractmethod
    def counted(self, evidence: Evidence) -> Tensor | None:
        """Return which entries of ``y`` count, bool ``(1 or batch, *measurement_shape)``; None: all."""


@dataclass(frozen=True)
class UnitNorm(Scaling):
    """Images in units of the intensity scale, measurements in units of scale times the norm of A.

    So a weight means the same for ``A`` and ``10 A``, for images in counts and in 1/mm. Only what is measured counts.
    """

    def image_unit(self, evidence: Evidence) -> float:
        """Return the intensity scale."""
        return evidence.scale

    def measurement_unit(self, evidence: Evidence) -> float:
        """Return the intensity scale times the norm of ``A`` (the intensity scale alone where ``A`` is zero)."""
        return evidence.scale * (evidence.physics.norm() or 1.0)

    def counted(self, evidence: Evidence) -> Tensor | None:
        """Return the measured entries."""
        return evidence.physics.measured


@dataclass(frozen=True)
class AsPublished(Scaling):
    """No division, and all entries of ``y`` count, the zeros where nothing is measured too: as in the EI papers' code.

    For reproducing published weights only: there, ``alpha`` means something else for every operator and unit.
    """

    def image_unit(self, evidence: Evidence) -> float:
        """Return 1."""
        return 1.0

    def measurement_unit(self, evidence: Evidence) -> float:
        """Return 1."""
        return 1.0

    def counted(self, evidence: Evidence) -> Tensor | None:
        """Return None: every entry."""
        return None


MEAN_SQUARE = MeanSquare()
UNIT_NORM = UnitNorm()


class Comparison(Loss):
    """A loss that is one error between two things: what such losses share.

    Args:
        error: how far the two are apart.
        scaling: their unit.
    """

    def __init__(self, error: Error = MEAN_SQUARE, scaling: Scaling = UNIT_NORM) -> None:
        super().__init__()
        self.error, self.scaling = error, scaling

    @property
    def detail(self) -> str:
        """The error function's name."""
        return type(self.error).__name__


def mean_error(error: Error, a: Tensor, b: Tensor, counted: Tensor | None = None) -> Scalar:
    """Return the mean over samples of each sample's mean error over the entries that count.

    Args:
        error: the error function.
        a: ``(batch, ...)``.
        b: likewise.
        counted: bool ``(1 or batch, ...)``, which entries count; None: all.

    Raises:
        InputError: an error function whose result has another shape than an :class:`Error` may have.
    """
    if counted is not None:
        a, b = torch.where(counted, a, torch.zeros_like(a)), torch.where(counted, b, torch.zeros_like(b))
    value = error(a, b)
    if value.shape == a.shape:
        return mean_over(value, counted)
    if value.shape in (a.shape[:1], ()):
        return value.mean()
    raise InputError(
        f"expected an error per entry {tuple(a.shape)}, per sample {tuple(a.shape[:1])} or for all (), but "
        f"{tuple(value.shape)} came from {error!r}: return one of these shapes"
    )


def mean_over(values: Tensor, counted: Tensor | None) -> Scalar:
    """Return the mean over samples of each sample's mean over the entries that count, ``(1 or batch, ...)`` bool."""
    if counted is None:
        return values.mean()
    weight = counted.expand(values.shape).to(values.dtype)
    return ((values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1)).mean()
