"""The kernel of an ideal low pass, for which blur and downsampling are exact Fourier operators."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.types import InputError


def low_pass_kernel(shape: Sequence[int], factor: float) -> Tensor:
    """Return the kernel, as large as the image, that passes frequencies below ``1 / (2 factor)`` and no others.

    Along each axis those are the periods of more than ``2 factor`` pixels, the ones that every ``factor``-th sample can
    hold. Convolved around the borders it multiplies the Fourier transform by 1 or 0. ``Blur`` with it sees the low
    frequencies of an image, ``Downsampling`` by the same factor the same ones on a coarser grid, without aliasing:
    ``A T_g`` of a shift sees nothing else (Chen, Tachella, Davies, "Equivariant imaging", ICCV 2021: shifts and
    operators that are diagonal in the Fourier domain).

    Args:
        shape: of the image's space, ``(height, width)`` or ``(length,)``.
        factor: >= 1.

    Raises:
        InputError: a factor below 1, or a side of less than 1.

    Example:
        >>> from nullsight.physics import Blur
        >>> physics = Blur((1, 8, 8), low_pass_kernel((8, 8), 2))
        >>> checkers = (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
        >>> float(physics.A(1 + checkers[None, None]).sub(1).abs().max()) < 1e-6
        True
    """
    sides = [int(n) for n in shape]
    if not (math.isfinite(factor) and factor >= 1) or not sides or min(sides) < 1:
        raise InputError(f"expected a factor of at least 1 and sides of at least 1, but {factor} and {sides} came")
    kernel = torch.ones((), dtype=torch.float64)
    for n in sides:
        kernel = kernel[..., None] * _line(n, factor)
    return kernel.float()


def _line(n: int, factor: float) -> Tensor:
    """Return the kernel of one axis, its centre at ``n // 2``, float64."""
    passed = (torch.fft.fftfreq(n, dtype=torch.float64).abs() < 0.5 / factor).to(torch.complex128)
    line: Tensor = torch.fft.ifft(passed).real
    return line.roll(n // 2)
