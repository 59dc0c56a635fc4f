"""An image as the sum of what was measured, what the group made visible, and what neither can know."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, Budget, in_double
from nullsight.diagnosis.build import average, bare, matrix
from nullsight.diagnosis.linearised import Linearised
from nullsight.diagnosis.threshold import Threshold, threshold
from nullsight.draws import Draws
from nullsight.groups.base import Family, Trivial
from nullsight.linalg import function_of_map, largest_eigenvalue
from nullsight.noise.base import Noise
from nullsight.physics.base import LinearPhysics, Physics, like
from nullsight.physics.ensembles import white
from nullsight.types import Image, InputError, Map, check_batch

_DENSE = 1024  # pixels up to which all eigenvectors are computed, in seconds
_DENSE_EACH = 256  # the same where every image has an operator of its own
_LARGE = 2**16  # pixels from which on fewer steps do: they cost the same again
_ELEMENTS = 2**18  # pixels of all transformed copies of an image, where N has to be averaged one by one
_TOGETHER = 2**26  # numbers of all Lanczos vectors at once: 256 MB in single precision
_SMALLEST = 1e-6  # of the largest singular value: what a matrix of A leaves of a zero, with room to spare
_ITERATIONS = 200  # of conjugate gradients for the measured part


@dataclass(frozen=True)
class Parts:
    """An image as three parts that add up to it; where the split is sharp they are orthogonal to each other.

    Attributes:
        measured: what ``A`` sees, the projection on the range of ``A^T``, ``(batch, *image_shape)``.
        learnable: of the rest, what some ``A T_g`` sees more strongly than the threshold.
        unlearnable: what none of them does: no measurement tells it, it comes from the network alone.
        threshold: from which eigenvalue of ``N = mean over g of T_g^T A^T A T_g`` on a direction counts as visible,
            relative to the largest, and why.
        width: eigenvalues that are nearer to the threshold than this, relative to the largest, may count as either; 0:
            the eigenvectors are known.
        how: in words, how N was computed.
    """

    measured: Image
    learnable: Image
    unlearnable: Image
    threshold: Threshold
    width: float
    how: str

    @property
    def shares(self) -> Tensor:
        """Energies of the three parts over their sum, ``(batch, 3)``; zeros for an image that is zero."""
        each = [self.measured, self.learnable, self.unlearnable]
        energies = torch.stack([one.double().flatten(1).square().sum(1) for one in each], 1)
        return energies / energies.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


@torch.no_grad()
def three_parts(
    x: Image, physics: Physics, group: Family | None = None, *, noise: Noise | None = None, budget: Budget | None = None
) -> Parts:
    """Split images into what was measured, what the group made visible and what neither can know.

    The measured part is projected out first: up to 1024 pixels by the singular vectors of A (those below 1e-6 of the
    largest singular value count as not measured), above by conjugate gradients (what 200 iterations do not reach counts
    as not measured, which is not as sharp). The rest is split by N: by its eigenvectors, or above 1024 pixels by the
    step function of N on each image's Krylov space, a polynomial of degree ``budget.steps - 1`` that is exact where N
    has fewer different eigenvalues and else tells apart eigenvalues that differ by ``1 / steps^2`` of the largest.
    Where to split is :func:`~nullsight.diagnosis.threshold.threshold`'s to say.

    Args:
        x: images, ``(batch, *physics.image_shape)``; where there is one operator a sample, as many.
        physics: linear, or else its Jacobian at each image is taken.
        group: what the images are invariant to; None: nothing is learnable but through the operators of other samples.
        noise: of the measurements, which raises the threshold; None: noiseless.
        budget: steps, elements and the size up to which eigenvectors are computed; None: for seconds an image.

    Raises:
        InputError: images of another shape, or transformations that are not linear.

    Example:
        >>> from nullsight.groups import Reflections
        >>> from nullsight.physics import Inpainting
        >>> physics = Inpainting((1, 4), torch.tensor([1, 0, 0, 0]))
        >>> found = three_parts(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), physics, Reflections(("horizontal",)))
        >>> found.measured, found.learnable, found.unlearnable
        (tensor([[[1., 0., 0., 0.]]]), tensor([[[0., 0., 0., 4.]]]), tensor([[[0., 2., 3., 0.]]]))
    """
    check_batch(x, physics.image_shape, "image")
    family = Trivial() if group is None else group
    if not family.linear:
        raise InputError(
            f"expected transformations that are linear, but those of {type(family).__name__} are not: split by the "
            f"spatial ones alone"
        )
    pixels = math.prod(physics.image_shape)
    cost = budget or _fitting(pixels)
    if isinstance(physics, LinearPhysics):
        return _of_linear(x, physics, family, noise, cost)
    each = replace(cost, dense_limit=min(cost.dense_limit, _DENSE_EACH))
    rows = enumerate(x)
    return _joined([_of_linear(row[None], _near(physics, i, row), family, noise, each) for i, row in rows])


def measured_part(x: Image, physics: Physics, at: Image, *, iterations: int = _ITERATIONS) -> Image:
    """Return what ``A`` sees of images, by conjugate gradients.

    Args:
        x: images, ``(batch, *physics.image_shape)``.
        physics: linear, or else its Jacobian is taken.
        at: where to linearise, as many images; not looked at where the operator is linear.
        iterations: of conjugate gradients, at most.
    """
    if isinstance(physics, LinearPhysics):
        linear = bare(physics)
        return linear.project_range(x.to(like(linear)), iterations=iterations).to(x)
    rows = [_near(physics, i, one).project_range(row[None], iterations=iterations) for i, (row, one) in _both(x, at)]
    return torch.cat(rows)


def _fitting(pixels: int) -> Budget:
    """Return 100 steps and up to 1024 transformations, fewer where images are large: each costs more there."""
    steps = max(16, min(100, 100 * _LARGE // pixels))
    return Budget(dense_limit=_DENSE, steps=steps, elements=max(4, min(1024, _ELEMENTS // pixels)))


def _both(x: Image, at: Image) -> Sequence[tuple[int, tuple[Tensor, Tensor]]]:
    return list(enumerate(zip(x, at, strict=True)))


def _near(physics: Physics, number: int, image: Tensor) -> LinearPhysics:
    return Linearised(physics.take([number]), image.detach())


def _of_linear(x: Image, physics: LinearPhysics, group: Family, noise: Noise | None, budget: Budget) -> Parts:
    small = math.prod(physics.image_shape) <= budget.dense_limit
    linear = in_double(bare(physics)) if small else bare(physics)
    v = x.to("cpu", torch.float64) if small else x.to(like(linear))
    measured = _projected(linear.to_matrix(), v) if small else linear.project_range(v, iterations=_ITERATIONS)
    known = average(linear, group, budget)
    contrast = float(v.double().square().mean().sqrt()) or 1.0
    if small:
        values, vectors = torch.linalg.eigh(_symmetric(matrix(known)))
        level = threshold(linear, group, noise, contrast=contrast, largest=float(values[-1]))
        low = vectors[:, values <= level.value * values[-1]]
        hidden = (v - measured).flatten(1)
        unlearnable = (hidden @ low @ low.T).reshape(v.shape)
    else:
        top = _largest(known)
        level = threshold(linear, group, noise, contrast=contrast, largest=top)
        below: Map = lambda values: (values <= level.value * top).to(values.dtype)  # noqa: E731
        unlearnable = _filtered(known, below, v - measured, budget.steps)
    given, guessed = measured.to(x), unlearnable.to(x)
    width = 0.0 if small else 1 / budget.steps**2
    return Parts(given, x - given - guessed, guessed, level, width, known.how)


def _projected(dense: Tensor, x: Image) -> Image:
    """Return the projection on the range of ``A^T``, from a matrix for all images or one for each."""
    values, vectors = torch.linalg.eigh(dense.mT @ dense)
    seen = vectors * (values > _SMALLEST**2 * values[..., -1:])[..., None, :]
    rows: Tensor = x.flatten(1)[:, None] @ seen @ seen.mT
    return rows.reshape(x.shape)


def _filtered(known: Average, function: Map, hidden: Image, steps: int) -> Image:
    few = max(1, _TOGETHER // (steps * math.prod(known.image_shape)))
    return torch.cat([function_of_map(known.apply, function, rows, steps=steps) for rows in torch.split(hidden, few)])


def _largest(known: Average) -> float:
    if known.spectrum is not None:
        return known.spectrum.largest
    start = white(known.image_shape, Draws(0, 0, (0,)).of("largest eigenvalue of N")).to(known.like)
    return float(largest_eigenvalue(known.apply, start)[0])


def _symmetric(square: Tensor) -> Tensor:
    return (square + square.T) / 2


def _joined(each: Sequence[Parts]) -> Parts:
    images = [torch.cat([getattr(one, name) for one in each]) for name in ("measured", "learnable", "unlearnable")]
    level = max((one.threshold for one in each), key=lambda one: one.value)
    return Parts(images[0], images[1], images[2], level, max(one.width for one in each), f"{each[0].how}, near each")
