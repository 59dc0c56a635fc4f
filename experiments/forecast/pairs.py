"""Operators and groups of the forecast: which were chosen before anything was trained.

Every operator is given by orthonormal rows that span what it sees, so that neither conditioning nor the choice of an
approximate inverse enters, only its null space: about half of the directions, three quarters for the sparsest ones.
"""

from collections.abc import Callable

import torch
from torch import Tensor

import nullsight as ns

P, G = ns.physics, ns.groups
LEAST = 1e-2  # singular values below it, relative to the largest, are not seen

OPERATORS: dict[str, Callable[[int], ns.physics.Physics]] = {
    "half of the pixels": lambda n: P.Inpainting((1, n, n), P.bernoulli_mask((n, n), 0.5, seed=1)),
    "every other column": lambda n: P.Inpainting((1, n, n), P.periodic_mask((n, n), (1, 2))),
    "upper half": lambda n: P.Inpainting((1, n, n), (torch.arange(n) < n // 2)[:, None].expand(n, n)),
    "half of the rows": lambda n: P.Inpainting((1, n, n), P.bernoulli_mask((n, 1), 0.5, seed=2).expand(n, n)),
    "random frequencies": lambda n: frequencies(P.bernoulli_mask((n, n), 0.3, seed=3)),
    "low frequencies": lambda n: frequencies(torch.fft.fftfreq(n)[:, None] ** 2 + torch.fft.fftfreq(n) ** 2 < 0.4**2),
    "every other pixel, blurred": lambda n: P.Downsampling((1, n, n), 2, P.gaussian_kernel(0.7)),
    "few patterns": lambda n: P.MatrixOperator((1, n, n), P.gaussian_matrix(n * n // 4, n * n, seed=4)),
    "many patterns": lambda n: P.MatrixOperator((1, n, n), P.gaussian_matrix(n * n // 2, n * n, seed=5)),
    "odd number of views": lambda n: P.ParallelBeamCT((1, n, n), n // 2 - 1),
    "even number of views": lambda n: P.ParallelBeamCT((1, n, n), n // 2),
}
GROUPS: dict[str, Callable[[int], ns.groups.FiniteGroup]] = {
    "none": lambda n: G.Trivial(),
    "mirror": lambda n: G.Reflections(("horizontal",)),
    "reflections": lambda n: G.Reflections(),
    "quarter turns": lambda n: G.QuarterTurns(),
    "dihedral": lambda n: G.Dihedral(4),
    "shifts by half": lambda n: G.Shifts((n, n), n // 2),
    "shifts": lambda n: G.Shifts((n, n)),
}
_CHOSEN = {
    "half of the pixels": tuple(GROUPS),
    "every other column": ("mirror", "quarter turns", "shifts"),
    "upper half": ("mirror", "reflections", "quarter turns", "shifts"),
    "half of the rows": ("reflections", "quarter turns", "shifts by half", "shifts"),
    "random frequencies": ("mirror", "quarter turns", "dihedral", "shifts"),
    "low frequencies": ("dihedral", "shifts"),
    "every other pixel, blurred": ("none", "dihedral", "shifts"),
    "few patterns": ("mirror", "quarter turns", "dihedral", "shifts"),
    "many patterns": ("mirror", "reflections", "shifts"),
    "odd number of views": ("quarter turns", "dihedral", "shifts"),
    "even number of views": ("quarter turns",),
}
PAIRS = tuple((operator, group) for operator, groups in _CHOSEN.items() for group in groups)


def frequencies(mask: Tensor) -> ns.physics.Physics:
    """Return the projection of real images on the spatial frequencies of a mask and their negatives."""
    both = mask | mask.flip(0, 1).roll((1, 1), (0, 1))
    n = len(mask)
    eye = torch.eye(n * n, dtype=torch.float64).reshape(-1, n, n)
    return P.MatrixOperator((1, n, n), torch.fft.ifft2(torch.fft.fft2(eye) * both).real.flatten(1))


def operator(name: str, size: int) -> ns.physics.MatrixOperator:
    """Return an operator by orthonormal rows that span what the named one sees.

    Args:
        name: one of ``OPERATORS``.
        size: pixels of an edge, divisible by 4.
    """
    physics = OPERATORS[name](size)
    assert isinstance(physics, ns.physics.LinearPhysics)
    _, values, rows = torch.linalg.svd(physics.to_matrix(), full_matrices=False)
    return P.MatrixOperator((1, size, size), rows[values > LEAST * values[0]].float())


def images(count: int, size: int, seed: int) -> Tensor:
    """Return figures of strokes, turned, mirrored and shifted at random, less their mean value."""
    x = ns.data.stroke_images(count, size, seed).float()
    turns = G.Dihedral(4)
    x = turns.act(turns.sample(ns.Draws(seed, 0, tuple(range(count))).of("turns of the figures")), x)
    return x - x.mean()
