"""Mean and largest eigenvalues of ``A^T W A`` and of W, which step lengths follow from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.linalg import inner, largest_eigenvalue
from nullsight.physics.base import LinearPhysics
from nullsight.physics.ensembles import white
from nullsight.physics.least_squares import Weighs
from nullsight.physics.linearized import WhitenedWeighed
from nullsight.physics.weightings import Weighting
from nullsight.types import Map

_SPARE = 1.02  # largest eigenvalues by Lanczos are up to 1 % low


@dataclass(frozen=True)
class Eigenvalues:
    """Of one symmetric map, or one a sample.

    Attributes:
        mean: ``(1,)`` or ``(samples,)``, estimated by one white image, > 0.
        top: the largest one and up to 2 % more, likewise.
    """

    mean: Tensor
    top: Tensor


def of_normal_map(physics: LinearPhysics, weighting: Weighting, like: Tensor) -> Eigenvalues:
    """Return those of ``A^T W A``.

    Found once for an operator that serves every sample and whose own weighting W is, else at every call.

    Args:
        physics: the operator.
        weighting: W.
        like: of the precision and on the device that are asked for.

    Example:
        >>> from nullsight.physics import Hadamard
        >>> from nullsight.physics.weightings import WhereKnown
        >>> of_normal_map(Hadamard((1, 8), 8), WhereKnown(), torch.zeros(0)).top
        tensor([1.0200])
    """
    weigh = weighting.of(physics)
    apply: Map = lambda v: physics.A_adjoint(weigh(physics.A(v)))  # noqa: E731
    return _once("normal", apply, physics.image_shape, physics, _owns(physics, weigh), like)


def of_weighting(physics: LinearPhysics, weighting: Weighting, like: Tensor) -> Eigenvalues:
    """Return those of W; arguments and how often they are found as in :func:`of_normal_map`.

    An operator whose measurements are whitened weighs them as the one behind it does, whatever the factors are.
    """
    weigh = weighting.of(physics)
    own = _owns(physics, weigh)
    behind = physics.physics if own and isinstance(physics, WhitenedWeighed) else physics
    return _once("weighting", weigh, behind.measurement_shape, behind, own, like)


def _owns(physics: LinearPhysics, weigh: Map) -> bool:
    return isinstance(physics, Weighs) and weigh == physics.weigh


def _once(
    name: str, apply: Map, shape: tuple[int, ...], physics: LinearPhysics, own: bool, like: Tensor
) -> Eigenvalues:
    # another weighting may be of anything, and operators that differ from sample to sample rarely come again
    if not own or physics.samples is not None:
        return _eigenvalues(apply, shape, physics.samples or 1, like)
    known = physics._cached(f"eigenvalues of {name}, {like.dtype}, {like.device}")
    if not known:
        found = _eigenvalues(apply, shape, 1, like)
        known.update(mean=float(found.mean), top=float(found.top))
    return Eigenvalues(like.new_tensor([known["mean"]]), like.new_tensor([known["top"]]))


def _eigenvalues(apply: Map, shape: tuple[int, ...], samples: int, like: Tensor) -> Eigenvalues:
    # every operator sees the same vector, so that no sample depends on its place in the batch
    start = white(shape, Draws(0, 0, (0,) * samples).of("primal-dual norm")).to(like)
    tiny = torch.finfo(like.dtype).tiny
    mean = (inner(start, apply(start)) / inner(start, start)).flatten()
    top = _SPARE * largest_eigenvalue(apply, start)
    return Eigenvalues(mean.clamp_min(tiny), top.clamp_min(tiny))
