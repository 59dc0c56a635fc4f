"""Orthogonal wavelets: few of an image's differences between neighbouring scales are large."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nullsight.draws import Stream
from nullsight.reconstructors.priors import Penalty
from nullsight.reconstructors.problems import Regulariser
from nullsight.reconstructors.variation import Coupling, Separate
from nullsight.types import Image, InputError

SEPARATE = Separate()


@dataclass(frozen=True)
class Wavelets(Regulariser, Penalty):
    """The sum of the sizes of an image's wavelet coefficients, those of the coarsest means left out.

    K is orthogonal: ``levels`` times, every axis of the means is split into means and differences of neighbours, with
    the image continued periodically (Mallat, "A wavelet tour of signal processing", chapter 7). So the proximal map is
    soft thresholding (Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994). It commutes
    with shifts by multiples of ``2^levels`` pixels alone; averaging over shifts makes it commute with all
    (:class:`~nullsight.reconstructors.Averaged`). Filters are those of PyWavelets, the extra ``wavelets``.

    Args:
        wavelet: an orthogonal one of PyWavelets, such as "haar", "db4", "sym8" or "coif2".
        levels: how often, >= 1; the sides of images must be multiples of ``2^levels``.
        coupling: whether channels count each or together; complex images need ``Joint()``.

    Raises:
        InputError: fewer than 1 level; where it is used, another wavelet or other sides, or PyWavelets is missing.

    Example:
        >>> Wavelets("db4", levels=2).bound((1, 64, 64))
        1.0
    """

    wavelet: str = "db4"
    levels: int = 3
    coupling: Coupling = SEPARATE

    def __post_init__(self) -> None:
        """Refuse levels below 1."""
        if self.levels < 1:
            raise InputError(f"expected at least 1 level, but {self.levels} came: 3 is a common start")

    def analyse(self, x: Image) -> Tensor:
        """Return the coefficients, ``(batch, channels, 1, *space)``, the coarsest means first along every axis."""
        out = x.clone()
        for corner in self._corners(x.shape[2:]):
            part = out[corner]
            for axis in range(2, x.ndim):
                part = _split(part, axis, self.wavelet)
            out[corner] = part
        return out.unsqueeze(2)

    def synthesise(self, p: Tensor) -> Image:
        """Return the image of these coefficients, the transpose and the inverse of :meth:`analyse`."""
        out = p.squeeze(2).clone()
        for corner in reversed(self._corners(out.shape[2:])):
            part = out[corner]
            for axis in range(2, out.ndim):
                part = _join(part, axis, self.wavelet)
            out[corner] = part
        return out

    def bound(self, image_shape: tuple[int, ...]) -> float:
        """Return 1."""
        return 1.0

    def settle(self, p: Tensor, step: float) -> Tensor:
        """Return the nearest coefficients of size at most 1, and 0 for the coarsest means."""
        return self._shorten(p, torch.ones((), dtype=p.dtype, device=p.device))

    def value(self, x: Image) -> Tensor:
        """Return the sum of the sizes."""
        sizes = self.coupling.length(self._without_means(self.analyse(x)))
        return sizes.flatten(1).sum(1)

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the image with its coefficients shortened by ``step``."""
        return x - self.synthesise(self._shorten(self.analyse(x), step.unsqueeze(2)))

    def _shorten(self, p: Tensor, most: Tensor) -> Tensor:
        """Return the nearest coefficients of size at most ``most``, the coarsest means set to 0."""
        size = self.coupling.length(p)
        return self._without_means(p * (most / torch.maximum(size, most)))

    def _without_means(self, p: Tensor) -> Tensor:
        out = p.clone()
        means: tuple[Any, ...] = (..., *(slice(n >> self.levels) for n in p.shape[3:]))
        out[means] = 0
        return out

    def _corners(self, space: Sequence[int]) -> list[tuple[Any, ...]]:
        if any(n % 2**self.levels for n in space):
            raise InputError(
                f"expected sides that {self.levels} levels can halve, multiples of {2**self.levels}, but "
                f"{tuple(space)} pixels came: take fewer levels or cut the image"
            )
        return [(..., *(slice(n >> level) for n in space)) for level in range(self.levels)]


def _split(x: Tensor, axis: int, wavelet: str) -> Tensor:
    """Return means and differences, one after the other, along an axis of even length."""
    filters = _filters(wavelet).to(x)
    n, length = x.shape[axis], filters.shape[-1]
    around = torch.arange(n + length - 2, device=x.device) - (length // 2 - 1)
    lines = x.movedim(axis, -1).index_select(-1, around % n)
    both = functional.conv1d(lines.reshape(-1, 1, n + length - 2), filters, stride=2)
    return both.reshape(*lines.shape[:-1], n).movedim(-1, axis)


def _join(c: Tensor, axis: int, wavelet: str) -> Tensor:
    """Return the transpose of :func:`_split`."""
    filters = _filters(wavelet).to(c)
    n, length = c.shape[axis], filters.shape[-1]
    around = torch.arange(n + length - 2, device=c.device) - (length // 2 - 1)
    lines = c.movedim(axis, -1)
    long = functional.conv_transpose1d(lines.reshape(-1, 2, n // 2), filters, stride=2)
    out = torch.zeros_like(lines).index_add(-1, around % n, long.reshape(*lines.shape[:-1], n + length - 2))
    return out.movedim(-1, axis)


@lru_cache
def _filters(wavelet: str) -> Tensor:
    """Return both filters, float64 ``(2, 1, length)``; InputError for a wavelet that is not orthogonal."""
    try:
        import pywt
    except ImportError:
        raise InputError(
            'expected PyWavelets, which has the filters, but it is not installed: pip install "nullsight[wavelets]"'
        ) from None
    if wavelet not in pywt.wavelist(kind="discrete") or not pywt.Wavelet(wavelet).orthogonal:
        raise InputError(
            f"expected an orthogonal wavelet of PyWavelets, but {wavelet!r} came: haar, db4, sym8 and coif2 are some"
        )
    found = pywt.Wavelet(wavelet)
    # convolution filters of PyWavelets run backwards; torch's convolutions are correlations
    return torch.tensor([found.dec_lo[::-1], found.dec_hi[::-1]], dtype=torch.float64)[:, None]
