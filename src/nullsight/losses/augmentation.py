"""Changes of a known image, or of the operator that measures it, from which new training pairs are simulated."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import log
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.groups.base import Family
from nullsight.physics.base import Physics
from nullsight.types import Image, InputError


@dataclass(frozen=True)
class Scene:
    """What a simulated measurement is made from.

    Attributes:
        x: the images, ``(batch, *image_shape)``.
        measured_by: the operator that measures them.
        told: the operator that the reconstructor is told.
    """

    x: Image
    measured_by: Physics
    told: Physics


class Augmentation(ABC):
    """A random change of a scene, one draw per image."""

    @abstractmethod
    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the changed scene; the given one stays as it is."""


@dataclass(frozen=True)
class GroupAction(Augmentation):
    """``x' = T_g x``, with g drawn from the group.

    Args:
        group: any family of transformations.
    """

    group: Family

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene with turned images."""
        return replace(scene, x=self.group.act(self.group.sample(stream), scene.x))


@dataclass(frozen=True)
class IntensityGradient(Augmentation):
    """``x' = (1 + s r) x``: a brightness ramp r from -1 to 1 across the image, in a random direction.

    Args:
        strength: s is drawn uniformly from 0 .. strength; 0 <= strength < 1, so that no intensity changes its sign.

    Raises:
        InputError: a strength outside [0, 1).

    Example:
        >>> from nullsight.draws import Draws
        >>> ramp = IntensityGradient(0.5).factor((1, 3, 3), Draws(0, 0, (7,)).of("ramp"))
        >>> ramp.shape, round(float(ramp.mean()), 6)
        (torch.Size([1, 1, 3, 3]), 1.0)
    """

    strength: float

    def __post_init__(self) -> None:
        if not 0 <= self.strength < 1:
            raise InputError(f"expected a strength of at least 0 and below 1, but {self.strength} came")

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene with images under a brightness ramp."""
        return replace(scene, x=scene.x * self.factor(tuple(scene.x.shape[1:]), stream).to(scene.x))

    def factor(self, image_shape: tuple[int, ...], stream: Stream) -> Tensor:
        """Return ``1 + s r``, float64 ``(batch, 1, *space)``."""
        space = image_shape[1:]
        direction = stream.normal((len(space),))
        direction = direction / direction.abs().sum(1, keepdim=True)  # so that |r| <= 1 in every corner
        strength = self.strength * stream.uniform()
        axes = [torch.linspace(-1, 1, n, dtype=torch.float64) if n > 1 else torch.zeros(1) for n in space]
        ramp = torch.einsum("bk,k...->b...", direction, torch.stack(torch.meshgrid(*axes, indexing="ij")).double())
        return (1 + strength.reshape(-1, *[1] * len(space)) * ramp)[:, None]


@dataclass(frozen=True)
class Gamma(Augmentation):
    """``x' = m sign(x) |x / m|^gamma`` with m the largest ``|x|`` of the image: contrast, for real images.

    Args:
        low: smallest gamma, > 0.
        high: largest; log-uniform in between.

    Raises:
        InputError: ``low`` is not above 0, or above ``high``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise InputError(f"expected gammas with 0 < low <= high, but {self.low} and {self.high} came")

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene with images of another contrast."""
        draw = log(self.low) + (log(self.high) - log(self.low)) * stream.uniform()
        gamma = _per_image(draw.exp(), scene.x)
        top = _top(scene.x)
        return replace(scene, x=top * scene.x.sign() * (scene.x.abs() / _not_zero(top)).pow(gamma))


@dataclass(frozen=True)
class AffineContrast(Augmentation):
    """``x' = a (x - mean) + mean + b m``, with m the largest ``|x|`` of the image: contrast and brightness.

    Args:
        contrast: a is drawn uniformly from 1 - contrast .. 1 + contrast; 0 <= contrast < 1.
        brightness: b is drawn uniformly from -brightness .. brightness, >= 0.

    Raises:
        InputError: a contrast outside [0, 1) or a brightness below 0.
    """

    contrast: float
    brightness: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.contrast < 1 and self.brightness >= 0):
            raise InputError(
                f"expected 0 <= contrast < 1 and a brightness of at least 0, but {self.contrast} and "
                f"{self.brightness} came"
            )

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene with images of another contrast and brightness."""
        a = _per_image(1 + self.contrast * (2 * stream.uniform() - 1), scene.x)
        b = _per_image(self.brightness * (2 * stream.uniform() - 1), scene.x)
        mean = scene.x.mean(tuple(range(1, scene.x.ndim)), keepdim=True)
        return replace(scene, x=a * (scene.x - mean) + mean + b * _top(scene.x))


@runtime_checkable
class Perturb(Protocol):
    """A function that changes an operator; its randomness is the stream's, one draw per image."""

    def __call__(self, physics: Physics, stream: Stream, /) -> Physics:
        """Return another operator on the same grids; the given one stays as it is."""
        ...


@dataclass(frozen=True)
class PerturbedOperator(Augmentation):
    """The measurement is made by ``A' = perturb(A)``, while f is told ``A``: a calibration error that f must withstand.

    Args:
        perturb: ``(physics, stream) -> physics``.
    """

    perturb: Perturb

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene, measured by another operator."""
        return replace(scene, measured_by=self.perturb(scene.measured_by, stream))


@dataclass(frozen=True)
class ChangedOperator(Augmentation):
    """The measurement is made by ``A' = perturb(A)`` and f is told so: training over a family of operators.

    Args:
        perturb: ``(physics, stream) -> physics``.
    """

    perturb: Perturb

    def change(self, scene: Scene, stream: Stream) -> Scene:
        """Return the scene, measured by another operator that f knows."""
        physics = self.perturb(scene.told, stream)
        return replace(scene, measured_by=physics, told=physics)


def _per_image(values: Tensor, x: Image) -> Tensor:
    return values.to(x).reshape(-1, *[1] * (x.ndim - 1))


def _top(x: Image) -> Tensor:
    return _per_image(x.abs().flatten(1).amax(1), x)


def _not_zero(top: Tensor) -> Tensor:
    return torch.where(top > 0, top, torch.ones_like(top))
