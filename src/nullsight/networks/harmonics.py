"""The kernels that a steerable convolution may have: ``k(H x) D_in(H) = D_out(H) k(x)`` for every H of a point group.

Weiler, Cesa, "General E(2)-equivariant steerable CNNs", NeurIPS 2019, eq. 2. A kernel is a sum of rings: a profile over
the distance times harmonics ``(cos m a, sin m a)`` of the direction ``a`` from the centre, counted from down towards
right. A turn of the direction mixes the two of one frequency by an orthogonal ``E_m(H)``, so the constraint is a linear
one on the coefficients of every frequency m alone: ``C E_m(H) = D_out(H) C D_in(H)^T``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.groups.base import FiniteGroup
from nullsight.networks.fields import Field, turning

# Rings a whole pixel apart would have the last one on the outermost pixels, where the square cuts it off along the axes
# but not in the corners. What makes up for that on polynomials is as large as the kernel itself for fine detail, and
# larger the larger the square is. These two numbers leave the last ring room, so that a larger kernel turns better.
SPACING = 0.8  # of rings, in pixels
WIDTH = 0.55  # standard deviation of a ring's Gaussian profile, in pixels
_CYCLES = 2  # highest frequency of a ring over its number; 2.5 a pixel of radius, and pixels resolve up to pi


@dataclass(frozen=True)
class Ring:
    """A ring of one angular frequency.

    Args:
        radius: in pixels.
        frequency: cycles around it.
    """

    radius: float
    frequency: int


def rings(side: int) -> list[Ring]:
    """Return the rings that a kernel of ``side`` pixels resolves, from the centre outwards."""
    return [Ring(SPACING * k, m) for k in range(side // 2 + 1) for m in range(_CYCLES * k + 1)]


def sample(ring: Ring, side: int) -> Tensor:
    """Return its cosine and sine (the cosine alone for frequency 0) on the pixels of a kernel, of unit norm on average.

    Float64 ``(1 or 2, side, side)``. At the centre, which has no direction, only frequency 0 is not zero.

    A square grid looks the same every 90 degrees, so frequencies that differ by 4 are mixed up on it, and the sine and
    the cosine of an even one are not alike. As finite differences are, the samples are therefore changed as little as
    possible until they meet every polynomial of degree below ``side`` as a kernel that follows all rotations would:
    ``sum_x k_c(x) |x|^(n + 2 j) Y_nd(x)`` is 0 unless n = m and c = d, and then the same for sine and cosine.
    """
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    distance, angle = torch.hypot(down, right).flatten(), torch.atan2(right, down).flatten()
    profile = torch.exp(-((distance - ring.radius) ** 2) / (2 * WIDTH**2))
    if ring.frequency > 0:
        profile = profile * (distance > 0)
    wanted = profile * _harmonics(ring.frequency, angle)
    polynomials, targets = [], []
    for n in range(side):
        for degree in range(n, side, 2):
            shapes = (distance / max(side // 2, 1)) ** degree * _harmonics(n, angle)
            moments = wanted @ shapes.T
            alike = moments.diagonal().mean() * torch.eye(len(shapes), dtype=torch.float64)
            polynomials.append(shapes)
            targets.append((alike if n == ring.frequency else torch.zeros_like(moments)) - moments)
    shapes, missing = torch.cat(polynomials), torch.cat(targets, 1)
    # the least change, counted where the profile is: to be solved for in the weighted polynomials
    weighted = profile * shapes
    wanted = wanted + missing @ torch.linalg.pinv(weighted @ shapes.T, rtol=1e-12, hermitian=True) @ weighted
    found: Tensor = wanted * (len(wanted) ** 0.5 / torch.linalg.vector_norm(wanted))
    return found.reshape(-1, side, side)


def _harmonics(frequency: int, angle: Tensor) -> Tensor:
    """Return the cosine and the sine of so many angles, ``(2, ...)``; ``(1, ...)`` ones for frequency 0."""
    if frequency == 0:
        return torch.ones_like(angle)[None]
    return torch.stack([torch.cos(frequency * angle), torch.sin(frequency * angle)])


def harmonic_action(group: FiniteGroup, frequency: int) -> Tensor:
    """Return ``E_m(H)`` for every element, float64 ``(order, c, c)``: c is 1 for frequency 0, else 2."""
    if frequency == 0:
        return torch.ones(group.order, 1, 1, dtype=torch.float64)
    return turning(group, frequency)


def solve(group: FiniteGroup, outputs: Field, inputs: Field, frequency: int) -> Tensor:
    """Return an orthonormal basis of the coefficients that keep the constraint, float64 ``(n, out, in, harmonics)``.

    The null space of ``D_out x D_in x E_m - 1``, stacked over generators, by singular values. The vectors that come
    out span it in no particular order, which another machine may choose otherwise, and weights are coefficients: the
    columns of the projector on the null space, which is unique, are made orthonormal one after the other instead.

    Args:
        group: a point group.
        outputs: kind of field that comes out.
        inputs: kind of field that comes in.
        frequency: m, >= 0.
    """
    left, right, turn = outputs.matrices(group), inputs.matrices(group), harmonic_action(group, frequency)
    shape = (left.shape[-1], right.shape[-1], turn.shape[-1])
    one = torch.eye(shape[0] * shape[1] * shape[2], dtype=torch.float64)
    moved = [torch.kron(torch.kron(left[g], right[g]), turn[g]) - one for g in group.generators()]
    if not moved:
        return one.reshape(-1, *shape)
    _, values, vectors = torch.linalg.svd(torch.cat(moved), full_matrices=False)
    null = vectors[values < 1e-9]  # of orthogonal matrices: singular values are 0 to rounding or of the order of 1 / n
    return _canonical(null.T @ null, len(null)).reshape(-1, *shape)


def _canonical(projector: Tensor, rank: int) -> Tensor:
    """Return ``rank`` orthonormal rows that span the range of a projector, the same ones on every machine."""
    found: list[Tensor] = []
    for column in projector.T:
        if len(found) == rank:
            break
        rest = column
        for row in found + found:  # twice: once loses digits where little is left
            rest = rest - (row @ rest) * row
        # what is left of a unit vector's projection is 0 to rounding or a distance between group averages
        if float(rest.norm()) > 1e-6:
            found.append(rest / rest.norm())
    return torch.stack(found) if found else projector.new_zeros(0, len(projector))
