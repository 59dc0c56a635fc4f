"""Magnetic resonance imaging with several coils, each of which sees the image under a sensitivity of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.physics.base import Iterative, Physics
from nullsight.physics.inpainting import truth_values
from nullsight.physics.mri import fourier, inverse_fourier
from nullsight.types import Image, InputError, Measurement


class MultiCoilMRI(Iterative):
    """Coils on a Cartesian grid: ``(A x)_c = mask * F (S_c x)``, F the orthonormal, centred Fourier transform.

    Complex images are two real channels (re, im), as are sensitivities and k-space. ``A_dagger`` is the least-squares
    image by conjugate gradients (SENSE; Pruessmann et al., Magnetic Resonance in Medicine 1999), whose gradient is that
    of the pseudo-inverse.

    Args:
        image_shape: ``(2, height, width)``.
        maps: coil sensitivities S, ``(coils, 2, height, width)`` or ``(1 or batch, coils, 2, height, width)``;
            with ``sum_c |S_c|^2 = 1`` the norm of A is at most 1 (see :func:`normalised`).
        mask: which frequencies are measured, zeros and ones, ``(height, width)`` or ``(1 or batch, height, width)``,
            or ``(1 or batch, 1, 1, height, width)``.
        iterations: of conjugate gradients, at most.

    Raises:
        InputError: an image that is not two channels, maps or a mask of another shape.

    Example:
        >>> maps = normalised(torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0)))
        >>> physics = MultiCoilMRI((2, 8, 8), maps, torch.ones(8, 8))
        >>> physics.A(torch.ones(1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    per_sample = ("maps", "mask")
    maps: Tensor
    mask: Tensor

    def __init__(self, image_shape: Sequence[int], maps: Tensor, mask: Tensor, iterations: int = 50) -> None:
        shape = tuple(int(n) for n in image_shape)
        if len(shape) != 3 or shape[0] != 2:
            raise InputError(f"expected a complex image (2, height, width) with channels re and im, but {shape} came")
        wide = maps[None] if maps.ndim == 4 else maps
        if wide.ndim != 5 or tuple(wide.shape[2:]) != shape or iterations < 1:
            raise InputError(
                f"expected maps of shape (coils, {', '.join(map(str, shape))}), with or without a batch axis in front, "
                f"and at least 1 iteration, but {tuple(maps.shape)} and {iterations} came"
            )
        super().__init__(shape, (wide.shape[1], *shape))
        seen = mask[None, None, None] if mask.ndim == 2 else mask[:, None, None] if mask.ndim == 3 else mask
        if seen.ndim != 5 or tuple(seen.shape[1:]) != (1, 1, *shape[1:]):
            raise InputError(
                f"expected a mask of shape {shape[1:]} or (batch, {shape[1]}, {shape[2]}), but {tuple(mask.shape)} "
                f"came: give one value for every spatial frequency, the zero frequency in the middle"
            )
        self.iterations = iterations
        self.register_buffer("maps", wide.to(torch.get_default_dtype()) if not wide.is_floating_point() else wide)
        self.register_buffer("mask", truth_values(seen, "mask"))

    @property
    def measured(self) -> Tensor:
        """Bool ``(1 or batch, coils, 2, height, width)``."""
        return self.mask.expand(-1, *self.measurement_shape)

    def _measure(self, x: Image) -> Measurement:
        y = fourier(multiply(self.maps, x[:, None]))
        return torch.where(self.mask, y, torch.zeros_like(y))

    def _adjoint(self, y: Measurement) -> Image:
        return multiply(conjugate(self.maps), inverse_fourier(torch.where(self.mask, y, torch.zeros_like(y)))).sum(1)

    def subset(self, keep: Tensor) -> Physics:
        """Return the operator that sees what both masks keep; quicker where all coils lose the same frequencies."""
        wide = self._keep(keep).to(self.mask.device)
        if bool((wide != wide[:, :1, :1]).any()):
            return super().subset(keep)
        return MultiCoilMRI(self.image_shape, self.maps, self.mask & wide[:, :1, :1], self.iterations)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of complex values whose real and imaginary parts lie along the third axis from the end."""
    (ar, ai), (br, bi) = a.unbind(-3), b.unbind(-3)
    return torch.stack([ar * br - ai * bi, ar * bi + ai * br], -3)


def conjugate(a: Tensor) -> Tensor:
    """Return the complex conjugate of values whose real and imaginary parts lie along the third axis from the end."""
    return torch.stack([a.select(-3, 0), -a.select(-3, 1)], -3)


def normalised(maps: Tensor) -> Tensor:
    """Return sensitivities ``(..., coils, 2, height, width)`` with ``sum_c |S_c|^2 = 1``; zero where all of them are."""
    size = maps.square().sum((-4, -3), keepdim=True).sqrt()
    return maps / torch.where(size > 0, size, torch.ones_like(size))
