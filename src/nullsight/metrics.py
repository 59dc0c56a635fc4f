"""How far a reconstruction is from its reference; one number an image, the data range always stated."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.types import InputError

__all__ = ["has_windows", "magnitude", "nmse", "paper_psnr", "psnr", "reference_peak", "ssim"]


def reference_peak(reference: Tensor) -> Tensor:
    """Return the largest value of each reference image, ``(batch,)``: the papers' data range.

    Example:
        >>> reference_peak(torch.tensor([[[0.0, 2.0]], [[1.0, 0.5]]]))
        tensor([2., 1.])
    """
    return reference.flatten(1).amax(1)


def psnr(x: Tensor, reference: Tensor, *, data_range: float | Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, ``(batch,)``; infinite where the images are equal.

    ``10 log10(data_range^2 / mean (x - reference)^2)``, the mean over all entries of an image, channels included.

    Args:
        x: images, ``(batch, channels, *space)``.
        reference: of the same shape.
        data_range: of the reference, > 0: one number or one an image, ``(batch,)`` (see :func:`reference_peak`).

    Example:
        >>> psnr(torch.full((1, 1, 2, 2), 0.9), torch.ones(1, 1, 2, 2), data_range=1.0)
        tensor([20.0000])
    """
    _check(x, reference)
    error = (x - reference).flatten(1).square().mean(1)
    return 10 * torch.log10(_range(data_range, x).square() / error)


def paper_psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Return the PSNR in the unit of the Equivariant Imaging papers, dB, ``(batch,)``.

    ``20 log10(max(reference) sqrt(height width) / |x - reference|)``: the norm sums over the channels, the root does
    not, so with C channels it is ``10 log10(C)`` dB below :func:`psnr` with the peak as data range.
    """
    _check(x, reference)
    pixels = int(torch.Size(x.shape[2:]).numel())
    distance = (x - reference).flatten(1).norm(dim=1)
    return 20 * torch.log10(reference_peak(reference) * pixels**0.5 / distance)


def nmse(x: Tensor, reference: Tensor) -> Tensor:
    """Return the normalised mean squared error ``|x - reference|^2 / |reference|^2``, ``(batch,)``.

    Example:
        >>> nmse(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
        tensor([1.])
    """
    _check(x, reference)
    return (x - reference).flatten(1).square().sum(1) / reference.flatten(1).square().sum(1)


def ssim(x: Tensor, reference: Tensor, *, data_range: float | Tensor) -> Tensor:
    """Return the structural similarity of 2-D images, ``(batch,)``, the mean over channels.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE Trans. Image
    Processing 2004: Gaussian window of 11x11 pixels and standard deviation 1.5, K1 = 0.01, K2 = 0.03, population
    covariances, averaged over the pixels whose window lies inside the image.

    Args:
        x: images, ``(batch, channels, height, width)``, at least 11x11.
        reference: of the same shape.
        data_range: of the reference, > 0: one number or one an image, ``(batch,)``.

    Raises:
        InputError: images smaller than the window, other shapes, or a data range not above 0.

    Example:
        >>> picture = torch.rand(1, 3, 16, 16)
        >>> ssim(picture, picture, data_range=1.0)
        tensor([1.])
    """
    _check(x, reference)
    if not has_windows(x):
        raise InputError(
            f"expected images (batch, channels, height, width) of at least 11x11, but {tuple(x.shape)} came: the "
            f"window of the structural similarity does not fit"
        )
    a, b = x.double(), reference.double()  # variances as differences of large numbers
    top = _range(data_range, a).reshape(-1, 1, 1, 1)
    c1, c2 = (0.01 * top) ** 2, (0.03 * top) ** 2
    mean_a, mean_b = _window(a), _window(b)
    var_a, var_b = _window(a * a) - mean_a**2, _window(b * b) - mean_b**2
    both = _window(a * b) - mean_a * mean_b
    top_part = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    value = top_part / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return value.flatten(1).mean(1).to(x.dtype)


def has_windows(x: Tensor) -> bool:
    """Return whether the window of :func:`ssim` fits into images ``(batch, channels, *space)``.

    Example:
        >>> has_windows(torch.zeros(1, 1, 32))
        False
    """
    return x.ndim == 4 and min(x.shape[2:]) >= 11


def magnitude(x: Tensor) -> Tensor:
    """Return the magnitude of complex images ``(batch, 2, *space)`` (re, im): ``(batch, 1, *space)``.

    Raises:
        InputError: images that do not have two channels.

    Example:
        >>> magnitude(torch.tensor([[[3.0], [4.0]]]))
        tensor([[[5.]]])
    """
    if x.ndim < 3 or x.shape[1] != 2:
        raise InputError(f"expected complex images (batch, 2, ...) with channels re and im, but {tuple(x.shape)} came")
    out: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return out


def _window(x: Tensor) -> Tensor:
    line = torch.exp(-0.5 * (torch.arange(-5, 6, dtype=x.dtype, device=x.device) / 1.5) ** 2)
    line = line / line.sum()
    for axis in (2, 3):
        x = x.unfold(axis, 11, 1) @ line
    return x


def _range(data_range: float | Tensor, x: Tensor) -> Tensor:
    value = torch.as_tensor(data_range, dtype=x.dtype, device=x.device)
    if not bool((value > 0).all()) or value.shape not in ((), x.shape[:1]):
        raise InputError(
            f"expected a data range above 0, one number or one for each of {x.shape[0]} images, but "
            f"{_short(value.flatten().tolist())} came: give the range of the reference, for example its maximum"
        )
    return value


def _short(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:4]) + (" ..." if len(values) > 4 else "")


def _check(x: Tensor, reference: Tensor) -> None:
    if x.shape != reference.shape or x.ndim < 3:
        raise InputError(
            f"expected images and references of one shape (batch, channels, ...), but {tuple(x.shape)} and "
            f"{tuple(reference.shape)} came: bring them to one grid before they are compared"
        )
