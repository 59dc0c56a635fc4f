"""Blur and downsampling, with images that go around (circular) or that end (valid)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.physics.base import Iterative, LinearPhysics
from nullsight.types import Image, InputError, Measurement


class Downsampling(LinearPhysics):
    """Convolution with a kernel around the borders, then every ``factor``-th sample: ``A x = S (k * x)``.

    In the Fourier domain ``A A^T`` is diagonal: at each low frequency the mean of ``|K|^2`` over the ``factor^d``
    frequencies that fall on it. ``A_dagger = A^T (A A^T)^+`` divides by it, exactly; frequencies at which the
    transfer ``sqrt(A A^T)`` is below ``threshold`` times its maximum are left out, and what that costs on white images
    is the stated ``dagger_error``.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``, sides divisible by ``factor``.
        factor: every how many-th sample is kept along each axis, >= 1.
        kernel: convolution kernel, no larger than the image, with its centre at ``size // 2``: ``(height, width)`` for
            all channels, ``(1 or channels, height, width)``, or ``(1 or batch, 1 or channels, height, width)``;
            likewise for signals. None: no filter, samples are aliased.
        threshold: relative to the largest transfer, 0 .. 1.

    Raises:
        InputError: sides that are not divisible, a kernel of another shape, larger than the image, or zero.

    Example:
        >>> physics = Downsampling((1, 4, 4), factor=2)
        >>> physics.A(torch.arange(16.0).reshape(1, 1, 4, 4))
        tensor([[[[ 0.,  2.],
                  [ 8., 10.]]]])
    """

    per_sample = ("kernel",)
    kernel: Tensor

    def __init__(
        self, image_shape: Sequence[int], factor: int, kernel: Tensor | None = None, threshold: float = 1e-3
    ) -> None:
        channels, *space = (int(n) for n in image_shape)
        if factor < 1 or any(n % factor for n in space):
            raise InputError(
                f"expected sides divisible by the factor {factor}, but {tuple(space)} came: crop the images"
            )
        if not 0 <= threshold < 1:
            raise InputError(f"expected a threshold from 0 to below 1, but {threshold} came")
        super().__init__(image_shape, (channels, *(n // factor for n in space)))
        self.factor = factor
        self.threshold = threshold
        self.register_buffer("kernel", wide_kernel(kernel, self.image_shape))

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """The root of the share of a white image's measured energy below the threshold, with 25 % to spare."""
        power = self._power(self._transfer(self.kernel.double()))
        lost = power[~self._kept(power)].sum() / power.sum()
        return 0.0 if float(lost) < 1e-12 else min(1.0, 1.25 * float(lost) ** 0.5)  # below: nothing but rounding

    def norm(self) -> float:
        """Return the largest transfer of all samples, exactly."""
        known = self._cached("norm")
        if "value" not in known:
            known["value"] = float(self._power(self._transfer(self.kernel)).max().sqrt())
        return known["value"]

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(2, len(self.image_shape) + 1))

    def _transfer(self, kernel: Tensor) -> Tensor:
        return transfer(kernel, self.image_shape)

    def _power(self, transfer: Tensor) -> Tensor:
        """Return the eigenvalues of ``A A^T``, ``(1 or batch, 1 or channels, *measurement space)``."""
        power = transfer.real.square() + transfer.imag.square()
        for axis in self._axes():  # frequencies k, k + n/f, k + 2n/f, ... fall on one
            size = power.shape
            power = power.reshape(*size[:axis], self.factor, -1, *size[axis + 1 :]).mean(axis)
        return power

    def _kept(self, power: Tensor) -> Tensor:
        return power > self.threshold**2 * power.amax(self._axes(), keepdim=True)

    def _measure(self, x: Image) -> Measurement:
        return every(around(x, self._transfer(self.kernel)), self.factor)

    def _adjoint(self, y: Measurement) -> Image:
        return around(spread(y, self.factor, self.image_shape), self._transfer(self.kernel).conj())

    def _invert(self, y: Measurement) -> Image:
        power = self._power(self._transfer(self.kernel))
        inverse = torch.where(self._kept(power), 1 / power.clamp_min(torch.finfo(power.dtype).tiny), 0.0)
        return self.A_adjoint(around(y, inverse))


class Blur(Downsampling):
    """Convolution with a kernel around the borders of the image: ``A x = k * x``, a product in the Fourier domain.

    ``A_dagger`` divides by the kernel's transform wherever that is at least ``threshold`` times its maximum, and
    leaves the other frequencies out; what that costs on white images is the stated ``dagger_error``.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``.
        kernel: as for :class:`Downsampling`.
        threshold: relative to the largest transfer, 0 .. 1; higher is less exact and amplifies noise less.

    Example:
        >>> physics = Blur((1, 16, 16), gaussian_kernel(1.0))
        >>> physics.A(torch.ones(1, 1, 16, 16)).mean()
        tensor(1.)
    """

    def __init__(self, image_shape: Sequence[int], kernel: Tensor, threshold: float = 1e-3) -> None:
        super().__init__(image_shape, 1, kernel, threshold)


class DownsamplingValid(Iterative):
    """Convolution with a kernel where it lies wholly inside the image, then every ``factor``-th sample.

    A row of n pixels and a kernel of k give ``ceil((n - k + 1) / factor)`` samples. ``A_dagger`` is least squares by
    conjugate gradients; what ``iterations`` of them leave is measured and stated as ``dagger_error``.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``.
        factor: every how many-th sample is kept along each axis, >= 1.
        kernel: as for :class:`Downsampling`.
        iterations: of conjugate gradients, at most; fewer amplify noise less.

    Raises:
        InputError: a kernel that does not fit, or a factor or iterations below 1.

    Example:
        >>> DownsamplingValid((1, 9, 9), 2, gaussian_kernel(0.5)).measurement_shape
        (1, 3, 3)
    """

    per_sample = ("kernel",)
    kernel: Tensor

    def __init__(self, image_shape: Sequence[int], factor: int, kernel: Tensor, iterations: int = 100) -> None:
        channels, *space = (int(n) for n in image_shape)
        wide = wide_kernel(kernel, (channels, *space))
        if factor < 1 or iterations < 1:
            raise InputError(f"expected a factor and iterations of at least 1, but {factor} and {iterations} came")
        inside = [n - k + 1 for n, k in zip(space, wide.shape[2:], strict=True)]
        super().__init__(image_shape, (channels, *(-(-n // factor) for n in inside)))
        self.factor = factor
        self.iterations = iterations
        self.register_buffer("kernel", wide)

    def _window(self) -> tuple[slice, ...]:
        """Return where the kernel lies inside: from its later half on, to its earlier half before the end."""
        sides = zip(self.image_shape[1:], self.kernel.shape[2:], strict=True)
        return (slice(None), slice(None), *(slice(k - 1 - k // 2, n - k // 2, self.factor) for n, k in sides))

    def _measure(self, x: Image) -> Measurement:
        return around(x, transfer(self.kernel, self.image_shape))[self._window()]

    def _adjoint(self, y: Measurement) -> Image:
        whole = y.new_zeros(y.shape[0], *self.image_shape)
        whole[self._window()] = y
        return around(whole, transfer(self.kernel, self.image_shape).conj())


class BlurValid(DownsamplingValid):
    """Convolution with a kernel where it lies wholly inside the image, so that nothing is assumed beyond the border.

    Args:
        image_shape: ``(channels, height, width)`` or ``(channels, length)``.
        kernel: as for :class:`Downsampling`.
        iterations: of conjugate gradients in ``A_dagger``, at most.

    Example:
        >>> BlurValid((1, 9, 9), gaussian_kernel(0.5)).measurement_shape
        (1, 5, 5)
    """

    def __init__(self, image_shape: Sequence[int], kernel: Tensor, iterations: int = 100) -> None:
        super().__init__(image_shape, 1, kernel, iterations)


def wide_kernel(kernel: Tensor | None, image_shape: Sequence[int]) -> Tensor:
    """Return a kernel as ``(1 or batch, 1 or channels, *space)``; InputError where it does not fit the image."""
    channels, *space = image_shape
    wide = torch.ones([1] * (len(space) + 2)) if kernel is None else kernel
    while wide.ndim < len(space) + 2 and wide.ndim >= len(space):
        wide = wide[None]
    sides = list(wide.shape[2:])
    if wide.ndim != len(space) + 2 or wide.shape[1] not in (1, channels):
        raise InputError(
            f"expected a kernel with {len(space)} axes (in front of them {channels} channels, and a batch, at most), "
            f"but shape {tuple(wide.shape)} came for images {tuple(image_shape)}: reshape the kernel"
        )
    if any(k > n for k, n in zip(sides, space, strict=True)):
        raise InputError(f"expected a kernel no larger than {tuple(space)}, but {tuple(sides)} came: crop the kernel")
    if not (
        wide.is_floating_point() and bool(torch.isfinite(wide).all()) and bool((wide != 0).flatten(1).any(1).all())
    ):
        raise InputError("expected a floating-point kernel of finite values that are not all zero: correct the kernel")
    return wide


def transfer(kernel: Tensor, image_shape: Sequence[int]) -> Tensor:
    """Return the Fourier transform of ``(batch, channels, *space)`` kernels with their centre moved to the origin."""
    axes = tuple(range(2, kernel.ndim))
    padded = kernel.new_zeros(*kernel.shape[:2], *image_shape[1:])
    corner: tuple[slice, ...] = tuple(slice(0, k) for k in kernel.shape[2:])
    padded[(slice(None), slice(None), *corner)] = kernel
    moved = torch.roll(padded, [-(k // 2) for k in kernel.shape[2:]], axes)
    out: Tensor = torch.fft.fftn(moved, dim=axes)
    return out


def around(x: Tensor, transfer: Tensor) -> Tensor:
    """Return ``x`` multiplied by ``transfer`` in the Fourier domain (real part: the kernels are real)."""
    axes = tuple(range(2, x.ndim))
    out: Tensor = torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * transfer, dim=axes).real
    return out


def every(x: Tensor, factor: int) -> Tensor:
    """Return every ``factor``-th sample along each axis of space, the first one included."""
    return x[_grid(factor, x.ndim)]


def spread(y: Tensor, factor: int, image_shape: Sequence[int]) -> Tensor:
    """Return ``y`` with zeros between its samples, the transpose of :func:`every`."""
    x = y.new_zeros(y.shape[0], *image_shape)
    x[_grid(factor, y.ndim)] = y
    return x


def _grid(factor: int, ndim: int) -> tuple[slice, ...]:
    return (slice(None), slice(None), *[slice(None, None, factor)] * (ndim - 2))


def gaussian_kernel(width: float, *, axes: int = 2, reach: float = 3.0) -> Tensor:
    """Return a Gaussian kernel that sums to 1.

    Args:
        width: standard deviation in pixels, > 0.
        axes: 2 for images, 1 for signals.
        reach: the kernel ends at so many standard deviations from its centre (rounded up to whole pixels).

    Raises:
        InputError: a width, a reach or axes not above 0.

    Example:
        >>> gaussian_kernel(1.0, axes=1, reach=1)
        tensor([0.2741, 0.4519, 0.2741])
    """
    if not width > 0 or not reach > 0 or axes < 1:
        raise InputError(f"expected a width, a reach and axes above 0, but {width}, {reach} and {axes} came")
    half = int(-(-width * reach // 1))
    line = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) / width) ** 2)
    kernel = torch.ones(())
    for _ in range(axes):
        kernel = kernel[..., None] * line
    return (kernel / kernel.sum()).float()


def box_kernel(size: int, *, axes: int = 2) -> Tensor:
    """Return the mean over ``size`` pixels along each of ``axes`` axes as a kernel; InputError below 1.

    Example:
        >>> box_kernel(2, axes=1)
        tensor([0.5000, 0.5000])
    """
    if size < 1 or axes < 1:
        raise InputError(f"expected a size and axes of at least 1, but {size} and {axes} came")
    return torch.full((size,) * axes, 1.0 / size**axes)
