"""The ramp filter of filtered back-projection, its windows, and the weight of every view."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


class Window(ABC):
    """A low-pass window that multiplies the ramp filter: less noise for less resolution."""

    @abstractmethod
    def __call__(self, frequency: Tensor) -> Tensor:
        """Return the window's value at ``frequency``, in units of the Nyquist frequency, 0 .. 1; it is 1 at 0."""


@dataclass(frozen=True)
class Ramp(Window):
    """No window: the sharpest image, and the noisiest.

    Example:
        >>> Ramp()(torch.tensor([0.0, 1.0]))
        tensor([1., 1.])
    """

    def __call__(self, frequency: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(frequency)


@dataclass(frozen=True)
class SheppLogan(Window):
    """``sinc(f / 2)`` (Shepp and Logan, 1974): 0.64 at the Nyquist frequency.

    Example:
        >>> SheppLogan()(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.6366])
    """

    def __call__(self, frequency: Tensor) -> Tensor:
        """Return ``sin(pi f / 2) / (pi f / 2)``."""
        return torch.sinc(frequency / 2)


@dataclass(frozen=True)
class Cosine(Window):
    """``cos(pi f / 2)``: zero at the Nyquist frequency.

    Example:
        >>> Cosine()(torch.tensor([0.0, 0.5]))
        tensor([1.0000, 0.7071])
    """

    def __call__(self, frequency: Tensor) -> Tensor:
        """Return ``cos(pi f / 2)``."""
        return torch.cos(torch.pi * frequency / 2)


@dataclass(frozen=True)
class Hamming(Window):
    """``0.54 + 0.46 cos(pi f)``: 0.08 at the Nyquist frequency.

    Example:
        >>> Hamming()(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.0800])
    """

    def __call__(self, frequency: Tensor) -> Tensor:
        """Return ``0.54 + 0.46 cos(pi f)``."""
        return 0.54 + 0.46 * torch.cos(torch.pi * frequency)


@dataclass(frozen=True)
class Hann(Window):
    """``(1 + cos(pi f)) / 2``: zero at the Nyquist frequency, the smoothest.

    Example:
        >>> Hann()(torch.tensor([0.0, 0.5]))
        tensor([1.0000, 0.5000])
    """

    def __call__(self, frequency: Tensor) -> Tensor:
        """Return ``(1 + cos(pi f)) / 2``."""
        return (1 + torch.cos(torch.pi * frequency)) / 2


TABLE: dict[str, type[Window]] = {
    "ramp": Ramp,
    "shepp_logan": SheppLogan,
    "cosine": Cosine,
    "hamming": Hamming,
    "hann": Hann,
}


def ramp_response(detectors: int, bin_width: float, window: Window) -> Tensor:
    """Return the filter's frequency response ``(n / 2 + 1,)`` in float64, n a power of two >= 2 * detectors.

    The ramp is sampled in space (Kak and Slaney, "Principles of Computerized Tomographic Imaging", equation 3.61:
    h(0) = 1 / (4 w^2), h(k) = -1 / (pi k w)^2 for odd k, 0 for even k) and then transformed: its value at frequency 0
    is small but not 0, so images keep their mean. With padding to n >= 2 * detectors nothing wraps around.

    Args:
        detectors: bins of one view.
        bin_width: w, the distance of two bins, in the length unit of the line integrals.
        window: multiplies the response.
    """
    n = max(2, 1 << (2 * detectors - 1).bit_length())
    k = np.minimum(np.arange(n), n - np.arange(n))
    kernel = np.zeros(n)
    kernel[0] = 1 / (4 * bin_width**2)
    odd = k % 2 == 1
    kernel[odd] = -1 / (np.pi * k[odd] * bin_width) ** 2
    response = torch.from_numpy(np.fft.rfft(kernel).real * bin_width)
    return response * window(torch.linspace(0, 1, n // 2 + 1, dtype=torch.float64))


def filter_views(y: Tensor, response: Tensor) -> Tensor:
    """Filter every view, the last axis of ``y``; a symmetric map, so it is its own transpose."""
    n = 2 * (response.shape[0] - 1)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(y, n=n) * response, n=n)
    return filtered[..., : y.shape[-1]]


def view_weights(angles: tuple[float, ...], keep: Tensor, turn: float = 180.0) -> Tensor:
    """Return how much angle every measurement stands for, in radians, float64, shaped as ``keep``; 0 where not kept.

    For each detector bin it is half the gap to the kept views on both sides, modulo ``turn``; views at the same angle
    share. Where ``turn`` is 360 degrees, every line is seen twice and counts half. So over the kept views of a bin the
    weights sum to pi.

    Args:
        angles: of the views, degrees, any order.
        keep: bool ``(..., views, detectors)``.
        turn: degrees after which a bin sees the same lines: 180 for parallel rays, 360 for a fan.
    """
    folded = np.round(np.mod(angles, turn), 9) % turn
    distinct, group = np.unique(folded, return_inverse=True)
    places = torch.from_numpy(group).to(keep.device)
    count = torch.zeros(*keep.shape[:-2], len(distinct), keep.shape[-1], dtype=torch.float64, device=keep.device)
    count.index_add_(-2, places, keep.to(torch.float64))
    angle = torch.from_numpy(distinct).to(keep.device)[:, None]
    # three turns in a row: the neighbours of the first and the last view are then found like all others
    kept = torch.cat([count > 0] * 3, dim=-2)
    turns = torch.cat([angle - turn, angle, angle + turn]).expand(kept.shape)
    last = turns.where(kept, torch.full_like(turns, -torch.inf)).cummax(-2).values
    following = turns.where(kept, torch.full_like(turns, torch.inf)).flip(-2).cummin(-2).values.flip(-2)
    v = len(distinct)
    gap = following[..., v + 1 : 2 * v + 1, :] - last[..., v - 1 : 2 * v - 1, :]
    share = torch.deg2rad(gap / 2) * (180 / turn) / count.clamp_min(1)
    return share[..., places, :].where(keep, torch.zeros((), dtype=torch.float64, device=keep.device))
