"""Spectra of maps too large for a matrix, by stochastic Lanczos quadrature."""

import math

import torch
from torch import Tensor

from nullsight.diagnosis.spectrum import Spectrum
from nullsight.draws import Draws
from nullsight.linalg import lanczos
from nullsight.types import Map

_TOGETHER = 2**23  # numbers of all Lanczos vectors of the probes that run together: 32 MiB in single precision


def probes_for(pixels: int, deviation: float) -> int:
    """Return how many orthonormal probes bring the standard error of a share of directions to ``deviation``.

    One random unit probe estimates a share p with variance ``2 p (1 - p) / n``, at most ``1 / (2 n)``; P orthonormal
    ones with ``(1 - P / n) / P`` times that, so that P = n probes are exact.

    Example:
        >>> probes_for(16384, 0.004), probes_for(30, 0.004)
        (2, 30)
    """
    return min(pixels, math.ceil(1 / (2 * pixels * deviation**2 + 1 / pixels) - 1e-9))


def quadrature(apply: Map, like: Tensor, shape: tuple[int, ...], *, steps: int, deviation: float) -> Spectrum:
    """Return an estimated spectrum of a symmetric positive semi-definite map of batches ``(batch, *shape)``.

    Each random probe's tridiagonal matrix gives eigenvalues with weights (Golub and Welsch, 1969; Ubaru, Chen, Saad,
    "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature", SIAM J. Matrix Anal. Appl. 38(4), 2017).
    Eigenvalues closer than about ``largest / steps^2`` to each other, and to zero, are not told apart.

    Args:
        apply: the map.
        like: a tensor of the precision and on the device to compute in.
        shape: of one vector.
        steps: of Lanczos, at most.
        deviation: standard error of a share that is aimed at; at least 2 probes are taken where there are so many.

    Example:
        >>> half = lambda x: x * torch.tensor([1.0, 1.0, 0.0, 0.0])
        >>> round(quadrature(half, torch.zeros(()), (1, 4), steps=4, deviation=0.01).share(0.5), 6)
        0.5
    """
    pixels = math.prod(shape)
    count = min(pixels, max(2, probes_for(pixels, deviation)))
    starts = _orthonormal(count, pixels).to(like)
    values, weights = [], []
    together = max(1, _TOGETHER // (pixels * min(steps, pixels)))
    for few in torch.split(starts, together):
        diagonal, beside = lanczos(apply, few.reshape(-1, *shape), steps=steps)
        small = torch.diag_embed(diagonal) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
        found, vectors = torch.linalg.eigh(small.double().cpu())
        values.append(found.clamp_min(0).flatten())
        weights.append(vectors[:, 0].square().flatten())
    left = max(0.0, 1 - count / pixels)
    error = max((left / (2 * pixels * count)) ** 0.5, 1e-4)  # even with all probes: an estimate, and said to be one
    return Spectrum(torch.cat(values), torch.cat(weights) * pixels / count, error)


def _orthonormal(count: int, pixels: int) -> Tensor:
    drawn = Draws(0, 0, tuple(range(count))).of("probes of a spectrum").normal((pixels,))
    basis: Tensor = torch.linalg.qr(drawn.T)[0]
    return basis.T.contiguous()
