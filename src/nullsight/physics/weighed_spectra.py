"""Mean and largest eigenvalues of ``A^T W A`` and of W, which step lengths follow from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.linalg import inner, largest_eigenvalue
from nullsight.physics.base import LinearPhysics
from nullsight.physics.ensembles import white
from nullsight.physics.least_squares import Weighs
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
    """Return those of ``A^T W A``, in the precision and on the device of ``like``; found once for each operator.

    Example:
        >>> from nullsight.physics import Hadamard
        >>> from nullsight.physics.weightings import WhereKnown
        >>> of_normal_map(Hadamard((1, 8), 8), WhereKnown(), torch.zeros(0)).top
        tensor([1.0200])
    """
    weigh = weighting.of(physics)
    apply: Map = lambda v: physics.A_adjoint(weigh(physics.A(v)))  # noqa: E731
    own = isinstance(physics, Weighs) and weigh == physics.weigh
    # another weighting may be of anything, and operators that differ from sample to sample rarely come again
    if not own or physics.samples is not None:
        return _eigenvalues(apply, physics, physics.image_shape, like)
    known = physics._cached(f"eigenvalues, {like.dtype}, {like.device}")
    if not known:
        found = _eigenvalues(apply, physics, physics.image_shape, like)
        known.update(mean=float(found.mean), top=float(found.top))
    return Eigenvalues(like.new_tensor([known["mean"]]), like.new_tensor([known["top"]]))


def of_weighting(physics: LinearPhysics, weighting: Weighting, like: Tensor) -> Eigenvalues:
    """Return those of W, in the precision and on the device of ``like``."""
    return _eigenvalues(weighting.of(physics), physics, physics.measurement_shape, like)


def _eigenvalues(apply: Map, physics: LinearPhysics, shape: tuple[int, ...], like: Tensor) -> Eigenvalues:
    # every operator sees the same vector, so that no sample depends on its place in the batch
    start = white(shape, Draws(0, 0, (0,) * (physics.samples or 1)).of("primal-dual norm")).to(like)
    tiny = torch.finfo(like.dtype).tiny
    mean = (inner(start, apply(start)) / inner(start, start)).flatten()
    top = _SPARE * largest_eigenvalue(apply, start)
    return Eigenvalues(mean.clamp_min(tiny), top.clamp_min(tiny))
