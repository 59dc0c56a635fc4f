"""Single-pixel sensing: one detector behind a row of +1/-1 patterns."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.physics.base import LinearPhysics
from nullsight.types import Image, InputError, Measurement


class Hadamard(LinearPhysics):
    """The first ``measurements`` patterns of the orthonormal Walsh-Hadamard transform, coarse ones first.

    ``y = S H x`` with ``H`` the Kronecker product of one transform an axis and ``S`` the choice of rows, so
    ``A A^T = I`` and ``A_dagger = A^T`` exactly. The order is by sequency, the number of sign changes along an axis:
    for images by the sum over both axes, ties by the changes along the height. Each channel is measured by itself.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``, each side a power of two.
        measurements: patterns a channel, 1 .. pixels.

    Raises:
        InputError: a side that is not a power of two, or more patterns than pixels.

    Example:
        >>> physics = Hadamard((1, 4, 4), measurements=3)
        >>> physics.A(torch.ones(1, 1, 4, 4))
        tensor([[[4., 0., 0.]]])
    """

    order: Tensor

    def __init__(self, image_shape: Sequence[int], measurements: int) -> None:
        channels, *space = (int(n) for n in image_shape)
        for n in space:
            if n < 1 or n & (n - 1):
                raise InputError(
                    f"expected image sides that are powers of two, but {tuple(space)} came: "
                    f"crop the images or pad them with zeros to {tuple(1 << (m - 1).bit_length() for m in space)}"
                )
        pixels = int(torch.Size(space).numel())
        if not 1 <= measurements <= pixels:
            raise InputError(f"expected 1 to {pixels} measurements, one a pixel at most, but {measurements} came")
        super().__init__(image_shape, (channels, measurements))
        self.measurements = measurements
        self.register_buffer("order", sequency_order(space)[:measurements], persistent=False)

    def norm(self) -> float:
        """Return 1: the patterns are orthonormal."""
        return 1.0

    def _measure(self, x: Image) -> Measurement:
        return walsh_hadamard(x.flatten(2))[..., self.order]

    def _adjoint(self, y: Measurement) -> Image:
        pixels = int(torch.Size(self.image_shape[1:]).numel())
        full = y.new_zeros(*y.shape[:2], pixels).index_copy(2, self.order, y)
        return walsh_hadamard(full).reshape(-1, *self.image_shape)

    def _invert(self, y: Measurement) -> Image:
        return self.A_adjoint(y)


def walsh_hadamard(x: Tensor) -> Tensor:
    """Return the orthonormal Walsh-Hadamard transform along the last axis (natural order), n log2(n) additions."""
    n = x.shape[-1]
    value, half = x, 1
    while half < n:
        pairs = value.reshape(*x.shape[:-1], n // (2 * half), 2, half)
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        value, half = torch.stack((a + b, a - b), -2), 2 * half
    return value.reshape(x.shape).div(n**0.5)


def sequency(n: int) -> Tensor:
    """Return the number of sign changes of each row of the n x n natural-ordered Walsh-Hadamard matrix, ``(n,)``.

    Row k changes its sign as often as the inverse Gray code of k with its bits in reverse order says.

    Example:
        >>> sequency(4)
        tensor([0, 3, 1, 2])
    """
    bits = n.bit_length() - 1
    changes = []
    for k in range(n):
        value = int(format(k, f"0{bits}b")[::-1], 2) if bits else 0
        shift = value >> 1
        while shift:
            value ^= shift
            shift >>= 1
        changes.append(value)
    return torch.tensor(changes)


def sequency_order(space: Sequence[int]) -> Tensor:
    """Return the rows of the transform of flattened images from coarse to fine, ``(pixels,)``."""
    total, first = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    for axis, n in enumerate(space):
        own = sequency(n)
        first = (first[:, None] + (own if axis == 0 else 0 * own)).flatten()
        total = (total[:, None] + own).flatten()
    return torch.argsort(total * (max(space) + 1) + first, stable=True)
