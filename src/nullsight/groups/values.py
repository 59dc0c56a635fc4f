"""Transformations of values instead of places: gain, inversion of intensities, exchange of channels."""

import math
from itertools import permutations

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.groups.base import FiniteGroup, Group, by_kind
from nullsight.types import Element, Image, InputError


class Gain(Group):
    """Intensities times a positive factor, ``T_g x = exp(g) x``: exposures, doses, calibrations.

    The factor of each image is drawn log-uniformly from ``low`` to ``high``; the group has all positive ones. Exact,
    and far from orthogonal: ``T_g^T = T_g``, while ``T_g^-1`` divides. Element ``(batch, 1)``: the natural logarithm.

    Args:
        low: smallest factor that is drawn, > 0.
        high: largest, finite.

    Raises:
        InputError: factors other than 0 < low <= high.

    Example:
        >>> group = Gain(0.5, 2.0)
        >>> double = torch.tensor([[math.log(2)]], dtype=torch.float64)
        >>> group.act(double, torch.tensor([[[1.0, 3.0]]]))
        tensor([[[2., 6.]]])
        >>> group.act(group.inverse(double), torch.tensor([[[1.0, 3.0]]]))
        tensor([[[0.5000, 1.5000]]])
    """

    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        if not 0 < low <= high < math.inf:
            raise InputError(f"expected factors with 0 < low <= high, but {low} and {high} came")
        self.low = low
        self.high = high

    def sample(self, stream: Stream) -> Element:
        """Draw one factor per sample, log-uniformly."""
        low, high = math.log(self.low), math.log(self.high)
        return (low + (high - low) * stream.uniform())[:, None]

    def identity(self, batch: int) -> Element:
        """Return the logarithm of 1."""
        return torch.zeros(batch, 1, dtype=torch.float64)

    def compose(self, g: Element, h: Element) -> Element:
        """Return the product of the factors."""
        return g + h

    def inverse(self, g: Element) -> Element:
        """Return the reciprocal."""
        return -g

    def act(self, g: Element, x: Image) -> Image:
        """Return every image times its own factor."""
        if tuple(g.shape) != (x.shape[0], 1):
            raise InputError(
                f"expected one element per image, shape ({x.shape[0]}, 1), but {tuple(g.shape)} came: draw them with "
                f"sample(stream), one stream a sample"
            )
        return x * g.double().exp().to(x).reshape(-1, *[1] * (x.ndim - 1))

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the same as :meth:`act`: a multiple of the identity is its own transpose."""
        return self.act(g, x)


class ColourInversion(FiniteGroup):
    """Bright and dark change places, ``x -> peak - x``: negatives. Exact; affine, not linear.

    As ``T_g 0`` is not 0 there is no operator ``A T_g``: losses that turn images take this group, those that turn
    operators refuse it. ``act_adjoint`` is the transpose of the linear part, ``-x``. Element 1 inverts.

    Args:
        peak: the intensity that becomes 0, in the units of the images; > 0.

    Raises:
        InputError: a peak that is not positive.

    Example:
        >>> group = ColourInversion(peak=255)
        >>> group.act(torch.tensor([1]), torch.tensor([[[0.0, 200.0, 255.0]]]))
        tensor([[[255.,  55.,   0.]]])
    """

    order = 2
    linear = False

    def __init__(self, peak: float = 1.0) -> None:
        if not 0 < peak < math.inf:
            raise InputError(f"expected a positive intensity as peak, but {peak} came")
        self.peak = peak

    def compose(self, g: Element, h: Element) -> Element:
        """Return both inversions."""
        return g ^ h

    def inverse(self, g: Element) -> Element:
        """Return the same inversion."""
        return g

    def act(self, g: Element, x: Image) -> Image:
        """Return ``peak - x`` where the element says so."""
        self.check(g, x)
        return by_kind(g, x, lambda kind, _, few: self.peak - few if kind else few)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return ``-x`` where the element says so: the linear part, which is its own transpose."""
        self.check(g, x)
        return by_kind(g, x, lambda kind, _, few: -few if kind else few)


class ChannelPermutations(FiniteGroup):
    """Channels change places: colours, energies, coils that mean no more than each other. Exact and orthogonal.

    Elements are the permutations p in lexicographic order; ``T_g`` puts channel k in place ``p[k]``.

    Args:
        channels: how many, 1 to 6 (there are ``channels!`` elements).

    Raises:
        InputError: another number of channels, here or in images.

    Example:
        >>> group = ChannelPermutations(2)
        >>> group.act(torch.tensor([1]), torch.tensor([[[1.0], [2.0]]]))
        tensor([[[2.],
                 [1.]]])
    """

    def __init__(self, channels: int) -> None:
        if not 1 <= channels <= 6:
            raise InputError(f"expected 1 to 6 channels, but {channels} came: permute fewer of them in a group")
        self.channels = channels
        self.order = math.factorial(channels)
        self._places = torch.tensor(list(permutations(range(channels))), dtype=torch.int64)
        self._digits = channels ** torch.arange(channels - 1, -1, -1)
        self._codes = (self._places * self._digits).sum(1)  # rising, as the order is lexicographic

    def generators(self) -> tuple[int, ...]:
        """Return the exchange of the first two channels and the cycle of all."""
        if self.channels == 1:
            return ()
        every = torch.arange(self.channels)
        swap = torch.cat([torch.tensor([1, 0]), every[2:]])
        return tuple(sorted({int(self._number(swap)), int(self._number(every.roll(-1)))}))

    def compose(self, g: Element, h: Element) -> Element:
        """Return the permutation h, then g."""
        return self._number(self._places[g].gather(1, self._places[h]))

    def inverse(self, g: Element) -> Element:
        """Return the permutation back."""
        return self._number(self._places[g].argsort(1))

    def act(self, g: Element, x: Image) -> Image:
        """Return every image with its channels in their new places."""
        self._check(g, x)
        return _chosen(self._places[g].argsort(1), x)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return every image with its channels in their old places."""
        self._check(g, x)
        return _chosen(self._places[g], x)

    def _number(self, places: Tensor) -> Tensor:
        return torch.searchsorted(self._codes, (places * self._digits).sum(-1))

    def _check(self, g: Element, x: Image) -> None:
        self.check(g, x)
        if x.shape[1] != self.channels:
            raise InputError(
                f"expected images of {self.channels} channels, but {x.shape[1]} came: build ChannelPermutations for "
                f"the channels of the images"
            )


def _chosen(channel: Tensor, x: Image) -> Image:
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, channel.to(x.device)]
