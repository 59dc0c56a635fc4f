"""Images with missing pixels, and masks of missing pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.windows import windows
from nullsight.types import Image, InputError, Measurement


class Inpainting(LinearPhysics):
    """Some pixels are seen, the others are missing: ``A x = mask * x``, zero where nothing is measured.

    ``A A^T A = A``, so ``A_dagger = A^T`` exactly.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``.
        mask: 1 (seen) or 0 (missing); ``(height, width)`` for all channels, ``(1 or channels, height, width)``, or
            ``(1 or batch, 1 or channels, height, width)`` for one mask a sample; likewise with ``(length,)``.

    Raises:
        InputError: a mask of another shape, or with values between 0 and 1.

    Example:
        >>> physics = Inpainting((1, 4), torch.tensor([1, 0, 1, 1]))
        >>> physics.A(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
        tensor([[[1., 0., 3., 4.]]])
    """

    per_sample = ("mask",)
    mask: Tensor

    def __init__(self, image_shape: Sequence[int], mask: Tensor) -> None:
        super().__init__(image_shape, image_shape)
        wide = mask[None] if mask.ndim == len(self.image_shape) - 1 else mask
        wide = wide[None] if wide.ndim == len(self.image_shape) else wide
        channels, *space = self.image_shape
        if wide.ndim != len(space) + 2 or list(wide.shape[2:]) != space or wide.shape[1] not in (1, channels):
            raise InputError(
                f"expected a mask of shape {tuple(space)}, {self.image_shape} or (batch, {channels}, "
                f"{', '.join(map(str, space))}), but {tuple(mask.shape)} came: crop or resize the mask to the image"
            )
        self.register_buffer("mask", truth_values(wide, "mask"))

    @property
    def measured(self) -> Tensor:
        """Bool ``(1 or batch, *image_shape)``."""
        return self.mask.expand(-1, *self.image_shape)

    def norm(self) -> float:
        """Return 1: a seen pixel is seen as it is."""
        return 1.0

    def _measure(self, x: Image) -> Measurement:
        return torch.where(self.mask, x, torch.zeros_like(x))

    def _adjoint(self, y: Measurement) -> Image:
        return torch.where(self.mask, y, torch.zeros_like(y))

    def _invert(self, y: Measurement) -> Image:
        return self.A_adjoint(y)

    def subset(self, keep: Tensor) -> Physics:
        """Return inpainting with the pixels that are in both masks."""
        return Inpainting(self.image_shape, self.mask & self._keep(keep).to(self.mask.device))

    def crop(self, corner: Tensor, size: Sequence[int]) -> Physics:
        """Return inpainting of the windows, with their parts of the mask (see :func:`~.windows.windows`)."""
        mask = self.mask.expand(len(corner), *self.mask.shape[1:])
        return Inpainting((self.image_shape[0], *size), windows(mask, corner, size))


def truth_values(mask: Tensor, what: str) -> Tensor:
    """Return a mask of zeros and ones as bool; InputError for other values."""
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(
            f"expected a {what} of zeros and ones, but other values came: choose a threshold, for example {what} > 0.5"
        )
    return mask.bool()


def bernoulli_mask(shape: Sequence[int], keep: float, seed: int) -> Tensor:
    """Return a bool mask whose entries are kept independently.

    Args:
        shape: of the mask.
        keep: the probability to be kept, 0 (excluded) .. 1.
        seed: of the draw.

    Raises:
        InputError: a probability out of range.

    Example:
        >>> bernoulli_mask((2, 3), 1.0, seed=0).sum()
        tensor(6)
    """
    if not 0 < keep <= 1:
        raise InputError(f"expected a share of kept pixels above 0 and at most 1, but {keep} came")
    return Draws(seed, 0, (0,)).of("bernoulli mask").uniform(tuple(shape))[0] < keep


def periodic_mask(shape: Sequence[int], period: int | Sequence[int], offset: int | Sequence[int] = 0) -> Tensor:
    """Return a bool mask that keeps every ``period``-th entry along each axis, starting at ``offset``.

    Args:
        shape: of the mask.
        period: one for all axes or one an axis, >= 1.
        offset: one for all axes or one an axis, 0 .. period - 1.

    Raises:
        InputError: a period below 1, or another number of periods or offsets than axes.

    Example:
        >>> periodic_mask((6,), 3)
        tensor([ True, False, False,  True, False, False])
    """
    periods = [period] * len(shape) if isinstance(period, int) else list(period)
    offsets = [offset] * len(shape) if isinstance(offset, int) else list(offset)
    if not len(periods) == len(offsets) == len(shape) or any(p < 1 for p in periods):
        raise InputError(f"expected a period of at least 1 and an offset for each of {len(shape)} axes")
    mask = torch.ones(tuple(shape), dtype=torch.bool)
    for axis, (n, p, o) in enumerate(zip(shape, periods, offsets, strict=True)):
        along = [1] * len(shape)
        along[axis] = n
        mask = mask & (torch.arange(n) % p == o % p).reshape(along)
    return mask
