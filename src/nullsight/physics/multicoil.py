"""Magnetic resonance imaging with several coils, each of which sees the image under a sensitivity of its own."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nullsight.physics.base import Iterative, Physics
from nullsight.physics.coils import add_combined, as_complex, as_parts, complex_shape, frequency_mask, sensitivities
from nullsight.types import Image, InputError, Measurement


class MultiCoilMRI(Iterative):
    """Coils on a Cartesian grid: ``(A x)_c = mask * F (S_c x)``, F the orthonormal, centred Fourier transform.

    Complex images are two real channels (re, im), and so are sensitivities and k-space; the zero frequency is at
    ``(height // 2, width // 2)``, as in :class:`~nullsight.physics.mri.CartesianMRI`. ``A_dagger`` is the least-norm
    least-squares image by conjugate gradients (SENSE; Pruessmann et al., "Advances in sensitivity encoding with
    arbitrary k-space trajectories", Magnetic Resonance in Medicine 2001). Few iterations regularise, many let noise
    grow. Its gradient is that of the pseudo-inverse where the iterations suffice for 1e-6 (1e-11 in float64), else that
    of the steps taken; what the iterations leave is stated (``dagger_error``).

    Args:
        image_shape: ``(2, height, width)``.
        maps: coil sensitivities S, ``(coils, 2, height, width)`` or ``(1 or batch, coils, 2, height, width)``, known
            or estimated (:func:`~nullsight.physics.espirit.espirit`). With ``sum_c |S_c|^2 = 1`` the norm of A is at
            most 1 (:func:`~nullsight.physics.coils.normalised`).
        mask: which frequencies are measured, zeros and ones, ``(height, width)``, or
            ``(1 or batch, height, width)`` for one mask a sample, or ``(1 or batch, 1, 1, height, width)``.
        iterations: of conjugate gradients, at most so many, >= 1.

    Raises:
        InputError: an image that is not two channels, maps or a mask of another shape, a mask with values between 0
            and 1, fewer than 1 iteration.

    Example:
        >>> from nullsight.physics.coils import normalised
        >>> maps = normalised(torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0)))
        >>> physics = MultiCoilMRI((2, 8, 8), maps, torch.ones(8, 8))
        >>> physics.A(torch.ones(1, 2, 8, 8)).shape
        torch.Size([1, 3, 2, 8, 8])
    """

    per_sample = ("maps", "mask")
    maps: Tensor
    mask: Tensor

    def __init__(self, image_shape: Sequence[int], maps: Tensor, mask: Tensor, iterations: int = 20) -> None:
        shape = complex_shape(image_shape)
        wide = sensitivities(maps, shape)
        super().__init__(shape, (wide.shape[1], *shape))
        seen = frequency_mask(mask, shape)
        if iterations < 1:
            raise InputError(f"expected at least 1 iteration, but {iterations} came: 20 is a common start")
        self.iterations = iterations
        self.register_buffer("maps", wide)
        self.register_buffer("mask", seen)

    @property
    def measured(self) -> Tensor:
        """Bool ``(1 or batch, coils, 2, height, width)``."""
        return self.mask.expand(-1, *self.measurement_shape)

    def _measure(self, x: Image) -> Measurement:
        image = as_complex(x)
        image = image * _ramp(image, centred=False)
        maps, weights = as_complex(self.maps), self._weights(image)
        kspace = image.new_empty(len(image), maps.shape[1], *image.shape[1:])
        for row, coils in _pieces(kspace):
            seen = _of(maps, row)[:, coils] * image[row, None]
            torch.mul(torch.fft.fft2(seen, norm="ortho"), _of(weights, row), out=kspace[row, coils])
        return as_parts(kspace)

    def _adjoint(self, y: Measurement) -> Image:
        maps = as_complex(self.maps)
        weights = self._weights(maps).conj_physical()
        image = maps.new_zeros(len(y), *self.image_shape[1:])
        for row, coils in _pieces(y):
            seen = torch.fft.ifft2(as_complex(y[row, coils]) * _of(weights, row), norm="ortho")
            add_combined(image[row], _of(maps, row)[:, coils], seen)
        return as_parts(image * _ramp(image, centred=False).conj()).contiguous()

    def _weights(self, like: Tensor) -> Tensor:
        """Return what the plain transform is multiplied by: the mask, and the shift of zero to the image's middle."""
        return self.mask[:, 0] * _ramp(like, centred=True)

    def subset(self, keep: Tensor) -> Physics:
        """Return the operator that sees what both masks keep; quicker where all coils lose the same frequencies."""
        wide = self._keep(keep).to(self.mask.device)
        if bool((wide != wide[:, :1, :1]).any()):
            return super().subset(keep)
        part = self._replace({"mask": self.mask & wide[:, :1, :1]}, {})
        part._cached("norm")["value"] = self.norm()  # an upper bound, the same for all subsets, as those of others
        return part


def _pieces(values: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield which samples and coils are worked on together: one image on a CPU, whose cache holds it, else all."""
    samples, coils = (1, 1) if values.is_cpu else values.shape[:2]
    for row in range(0, values.shape[0], samples):
        for coil in range(0, values.shape[1], coils):
            yield slice(row, row + samples), slice(coil, coil + coils)


def _of(values: Tensor, row: slice) -> Tensor:
    return values if len(values) == 1 else values[row]


def _ramp(like: Tensor, *, centred: bool) -> Tensor:
    """Return phases ``exp(2 pi i m k / n)`` over both axes, m = n // 2 the middle, complex ``(height, width)``.

    The centred transform is the plain one between two such ramps, ``exp(-2 pi i (k - m) (j - m) / n)`` written out:
    over j for the image and, from its middle on (``centred``), over k. For even n they are signs. One image and one
    mask are multiplied by them instead of all coils being shifted twice, which would cost as much as the transform.
    """
    axes = []
    for n in like.shape[-2:]:
        middle = n // 2
        steps = torch.arange(n, device=like.device) - (middle if centred else 0)
        turns = (middle * steps).remainder(n).double() * (2 * math.pi / n)  # whole turns off first: exact
        axes.append(torch.polar(torch.ones_like(turns), turns).to(like.dtype))
    return axes[0][:, None] * axes[1]
