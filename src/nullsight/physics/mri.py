"""Magnetic resonance imaging: part of the spatial frequencies of a complex image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.coils import complex_shape, frequency_mask
from nullsight.types import Image, InputError, Measurement


class CartesianMRI(LinearPhysics):
    """One coil on a Cartesian grid: ``A x = mask * F x`` with the orthonormal, centred Fourier transform ``F``.

    Complex images are two real channels (re, im); the zero frequency is at ``(height // 2, width // 2)`` and the zero
    of space at the same entry of the image. ``A A^T A = A``, so ``A_dagger = A^T`` exactly (the zero-filled image).

    Args:
        image_shape: ``(2, height, width)``.
        mask: which frequencies are measured, zeros and ones, ``(height, width)``, or
            ``(1 or batch, height, width)`` for one mask a sample, or ``(1 or batch, 1, 1, height, width)``.

    Raises:
        InputError: an image that is not two channels, a mask of another shape or with values between 0 and 1.

    Example:
        >>> physics = CartesianMRI((2, 8, 8), cartesian_mask((8, 8), acceleration=2, centre=0.25, seed=0))
        >>> physics.A(torch.ones(1, 2, 8, 8)).shape
        torch.Size([1, 1, 2, 8, 8])
    """

    per_sample = ("mask",)
    mask: Tensor

    def __init__(self, image_shape: Sequence[int], mask: Tensor) -> None:
        shape = complex_shape(image_shape)
        super().__init__(shape, (1, *shape))
        self.register_buffer("mask", frequency_mask(mask, shape))

    @property
    def measured(self) -> Tensor:
        """Bool ``(1 or batch, 1, 2, height, width)``."""
        return self.mask.expand(-1, *self.measurement_shape)

    def norm(self) -> float:
        """Return 1: the transform is orthonormal."""
        return 1.0

    def _measure(self, x: Image) -> Measurement:
        y = fourier(x)[:, None]
        return torch.where(self.mask, y, torch.zeros_like(y))

    def _adjoint(self, y: Measurement) -> Image:
        return inverse_fourier(torch.where(self.mask, y, torch.zeros_like(y))[:, 0])

    def _invert(self, y: Measurement) -> Image:
        return self.A_adjoint(y)

    def subset(self, keep: Tensor) -> Physics:
        """Return the operator that sees what both masks keep; quicker where real and imaginary part go together."""
        wide = self._keep(keep).to(self.mask.device)
        if bool((wide[:, :, :1] != wide[:, :, 1:]).any()):
            return super().subset(keep)
        return CartesianMRI(self.image_shape, self.mask & wide[:, :, :1])


def fourier(x: Tensor) -> Tensor:
    """Return the centred, orthonormal 2-D Fourier transform of ``(..., 2, height, width)`` (re, im), same shape."""
    moved = torch.fft.ifftshift(torch.complex(x[..., 0, :, :], x[..., 1, :, :]), dim=(-2, -1))
    out = torch.fft.fftshift(torch.fft.fft2(moved, norm="ortho"), dim=(-2, -1))
    return torch.stack((out.real, out.imag), -3)


def inverse_fourier(y: Tensor) -> Tensor:
    """Return the inverse of :func:`fourier`, which is also its transpose."""
    moved = torch.fft.ifftshift(torch.complex(y[..., 0, :, :], y[..., 1, :, :]), dim=(-2, -1))
    out = torch.fft.fftshift(torch.fft.ifft2(moved, norm="ortho"), dim=(-2, -1))
    return torch.stack((out.real, out.imag), -3)


def cartesian_mask(shape: Sequence[int], acceleration: float, centre: float, seed: int) -> Tensor:
    """Return a bool mask of whole lines along the height: the central ones, and random others up to width/acceleration.

    Args:
        shape: ``(height, width)``.
        acceleration: the width divided by the number of lines, >= 1.
        centre: the share of all lines that is measured fully in the middle, 0 .. 1/acceleration.
        seed: of the random lines.

    Raises:
        InputError: a centre with more lines than there are in all.

    Example:
        >>> cartesian_mask((4, 64), acceleration=4, centre=0.08, seed=0).float().mean()
        tensor(0.2500)
    """
    height, width = (int(n) for n in shape)
    lines = round(width / acceleration) if acceleration >= 1 else 0
    middle = round(width * centre)
    if not 1 <= lines <= width or not 0 <= middle <= lines:
        raise InputError(
            f"expected an acceleration of at least 1 and a centre of 0 to 1/acceleration, but {acceleration} and "
            f"{centre} came for {width} lines: lower the acceleration or the centre"
        )
    start = width // 2 - middle // 2
    central = torch.zeros(width, dtype=torch.bool)
    central[start : start + middle] = True
    rank = Draws(seed, 0, (0,)).of("cartesian mask").uniform((width,))[0].masked_fill(central, -1.0)
    chosen = torch.zeros(width, dtype=torch.bool)
    chosen[rank.argsort()[:lines]] = True
    return chosen.expand(height, width).clone()
