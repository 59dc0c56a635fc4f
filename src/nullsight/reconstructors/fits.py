"""How closely an image must fit the measurements: one value for each choice, of the error ``e = y - A x``."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor

from nullsight.linalg import inner
from nullsight.noise import Noise
from nullsight.reconstructors.misfits import misfit
from nullsight.types import InputError, Measurement


class Fit(ABC):
    """A convex function ``h`` of the error, in the plain norm of the measurements.

    Attributes:
        allows_error: whether any ``e`` other than 0 has a finite ``h(e)``.
    """

    allows_error: ClassVar[bool] = True

    @abstractmethod
    def settle(self, e: Measurement, y: Measurement, step: Tensor, scale: Tensor, norm: float) -> Measurement:
        """Return the proximal point ``argmin h(u) + |u - e|^2 / (2 step)``.

        Args:
            e: the error divided by ``scale``.
            y: the measurements divided by ``scale``.
            step: > 0, one for all or one a sample, ``(1 or batch, 1, ...)``.
            scale: intensity of a bright pixel of each sample, ``(batch, 1, ...)``.
            norm: ``|A|``.
        """


@dataclass(frozen=True)
class Exact(Fit):
    """``A x = y``: for measurements without noise."""

    allows_error: ClassVar[bool] = False

    def settle(self, e: Measurement, y: Measurement, step: Tensor, scale: Tensor, norm: float) -> Measurement:
        """Return zeros."""
        return torch.zeros_like(e)


@dataclass(frozen=True)
class Penalised(Fit):
    """``|A x - y|^2 / (2 weight |A|^2)`` added to the regulariser, with images in units of a bright pixel.

    So ``weight`` is what the regulariser counts against the data: in denoising (``|A| = 1``) of images in [0, 1] it is
    the usual factor in ``|x - y|^2 / 2 + weight TV(x)``. Neither the unit of the images nor that of ``A`` matters;
    ``|A|`` is that of the whole batch where every sample has an operator of its own.

    Args:
        weight: > 0; larger is smoother, towards 0 it is :class:`Exact`.

    Raises:
        InputError: a weight that is not a number above 0.
    """

    weight: float

    def __post_init__(self) -> None:
        """Refuse weights that are not above 0."""
        _check_weight(self.weight)

    def settle(self, e: Measurement, y: Measurement, step: Tensor, scale: Tensor, norm: float) -> Measurement:
        """Return ``e / (1 + step / (weight |A|^2))``."""
        return e / (1 + step / (self.weight * norm**2))


@dataclass(frozen=True)
class Within(Fit):
    """``|A x - y| <= epsilon`` for every sample: for noise of known size.

    For noise of standard deviation sigma in m measurements ``sigma sqrt(m)`` is what the true image leaves.

    Args:
        epsilon: > 0, in the unit of the measurements.

    Raises:
        InputError: an epsilon that is not a number above 0.
    """

    epsilon: float

    def __post_init__(self) -> None:
        """Refuse radii that are not above 0."""
        if not (isfinite(self.epsilon) and self.epsilon > 0):
            raise InputError(f"expected an epsilon above 0, but {self.epsilon} came: take Exact() for no error at all")

    def settle(self, e: Measurement, y: Measurement, step: Tensor, scale: Tensor, norm: float) -> Measurement:
        """Return the nearest error within the ball, whatever the step."""
        radius = self.epsilon / scale
        size = inner(e, e).sqrt().clamp_min(torch.finfo(e.dtype).tiny)
        return e * (radius / size).clamp_max(1)


@dataclass(frozen=True)
class Likelihood(Fit):
    """Minus the log-likelihood of a noise model, divided by ``weight``, added to the regulariser.

    Normal noise: squares over sigma^2; counts: ``sum (v - y log v) / gain``; both: squares over
    ``gain max(y, 0) + sigma^2``; without noise this is :class:`Penalised`. With images in units of a bright pixel the
    sum is minus the logarithm of a posterior density whose prior is ``exp(-weight R(x))``, up to the factor.

    Args:
        noise: the model.
        weight: what the regulariser counts against the log-likelihood, > 0.

    Raises:
        InputError: a weight that is not a number above 0.
    """

    noise: Noise
    weight: float

    def __post_init__(self) -> None:
        """Refuse weights that are not above 0."""
        _check_weight(self.weight)

    def settle(self, e: Measurement, y: Measurement, step: Tensor, scale: Tensor, norm: float) -> Measurement:
        """Return ``y - v`` for the likely clean measurement v near ``y - e``."""
        found = misfit(self.noise, scale * y, scale * norm)
        return y - found.settle(scale * (y - e), scale**2 * step / self.weight) / scale


FITS: dict[str, type[Fit]] = {"exact": Exact, "penalised": Penalised, "within": Within, "likelihood": Likelihood}


def _check_weight(weight: float) -> None:
    if not (isfinite(weight) and weight > 0):
        raise InputError(f"expected a weight above 0, but {weight} came: take Exact() for no smoothing at all")
