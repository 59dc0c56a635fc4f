"""Coil sensitivities from the fully sampled middle of k-space."""

import math

import torch
from torch import Tensor

from nullsight.physics.coils import as_complex, as_parts
from nullsight.types import InputError

_ROWS = 16  # of the image worked on at once: a few times 16 * width * coils^2 complex numbers in memory


def espirit(
    kspace: Tensor, calibration: int = 24, kernel: int = 6, threshold: float = 0.02, crop: float = 0.9
) -> Tensor:
    """Estimate coil sensitivities from the fully sampled middle of k-space.

    Patches of the calibration region span the space that all patches of k-space lie in. For k-space to stay as it is
    when its patches are projected on that space, the coils' values must be, pixel by pixel, an eigenvector to the
    eigenvalue 1 of a small matrix over coils: the sensitivities. Uecker et al., "ESPIRiT, an eigenvalue approach to
    autocalibrating parallel MRI", Magnetic Resonance in Medicine 2014; one set of maps. Computed in float64.

    Args:
        kspace: ``(coils, 2, height, width)`` (re, im), the zero frequency at ``(height // 2, width // 2)``; or several
            in a batch ``(1 or batch, coils, 2, height, width)``, each with maps of its own.
        calibration: side of the fully sampled square in the middle, in samples.
        kernel: side of the patches, in samples, below ``calibration``.
        threshold: singular values of the patches below this share of the largest are noise, 0 .. 1 (excluded).
        crop: pixels whose largest eigenvalue is below are outside the object and get sensitivities 0; 0 .. 1.

    Returns:
        Sensitivities of the shape of ``kspace`` with ``sum_c |S_c|^2 = 1`` inside the object and 0 outside. A phase
        that all coils share cannot be known: it makes the coils' first principal component real.

    Raises:
        InputError: k-space of another shape, or not finite; a calibration region that is larger than it, not larger
            than the kernel, or not fully sampled; a threshold or crop out of range.

    Example:
        >>> kspace = torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> espirit(kspace, calibration=12, kernel=3).shape
        torch.Size([2, 2, 16, 16])
    """
    several = kspace if kspace.ndim == 5 else kspace[None]
    _check(several, kspace, calibration, kernel, threshold, crop)
    maps = torch.stack([_maps(as_complex(one.double()), calibration, kernel, threshold, crop) for one in several])
    found = as_parts(maps).to(kspace.dtype if kspace.is_floating_point() else torch.get_default_dtype()).contiguous()
    return found if kspace.ndim == 5 else found[0]


def sampled_mask(kspace: Tensor) -> Tensor:
    """Return which frequencies of a zero-filled k-space are measured: those that are not 0 in every coil.

    Args:
        kspace: ``(coils, 2, height, width)`` or ``(batch, coils, 2, height, width)`` (re, im).

    Returns:
        Bool ``(height, width)`` or ``(batch, height, width)``.

    Raises:
        InputError: k-space of another shape.

    Example:
        >>> sampled_mask(torch.tensor([0.0, 1.0, 0.0, 0.0]).reshape(1, 2, 1, 2))
        tensor([[False,  True]])
    """
    if kspace.ndim not in (4, 5) or kspace.shape[-3] != 2:
        raise InputError(_other_shape(kspace))
    return (kspace != 0).any(-3).any(-3)


def _maps(values: Tensor, calibration: int, kernel: int, threshold: float, crop: float) -> Tensor:
    """Return complex sensitivities ``(coils, height, width)`` of one complex k-space of that shape."""
    height, width = values.shape[1:]
    top, left = height // 2 - calibration // 2, width // 2 - calibration // 2
    middle = values[:, top : top + calibration, left : left + calibration]
    if bool((middle == 0).all(0).any()):
        raise InputError(
            f"expected the {calibration} x {calibration} samples in the middle of k-space to be measured, but some are "
            f"zero in every coil: give a smaller calibration region"
        )
    lags = _lags(middle, kernel, threshold)
    reference = _principal(middle.flatten(1))
    down, across = _waves(height, kernel, values), _waves(width, kernel, values)
    rows = []
    for some in torch.split(down, _ROWS):
        eigenvalues, eigenvectors = torch.linalg.eigh(torch.einsum("hp,cdpq,wq->hwcd", some, lags, across))
        maps = eigenvectors[..., -1]  # the largest eigenvalue comes last
        turn = maps @ reference.conj()
        maps = maps * torch.polar(torch.ones_like(turn.real), -turn.angle())[..., None]
        rows.append(torch.where(eigenvalues[..., -1:] >= crop, maps, torch.zeros_like(maps)))
    return torch.cat(rows).permute(2, 0, 1)


def _lags(middle: Tensor, kernel: int, threshold: float) -> Tensor:
    """Return the operator that projects patches as the kernels it convolves k-space with, one for two coils.

    Complex ``(coils, coils, 2 kernel - 1, 2 kernel - 1)``, the zero lag in the middle. Each patch is laid over k-space
    at every place, and every sample lies in ``kernel^2`` of them: hence the mean.
    """
    coils = len(middle)
    patches = middle.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (coils, places, places, kernel, kernel)
    rows = patches.permute(1, 2, 0, 3, 4).reshape(-1, coils * kernel**2)
    _, sizes, vectors = torch.linalg.svd(rows, full_matrices=False)
    basis = vectors[sizes > threshold * sizes[0]].reshape(-1, coils, kernel, kernel)  # patches are sums of these rows
    spectra = torch.fft.fft2(basis, s=(2 * kernel - 1, 2 * kernel - 1))  # zeros behind: no lag wraps around
    products = torch.einsum("kcpq,kdpq->cdpq", spectra, spectra.conj())
    lags: Tensor = torch.fft.fftshift(torch.fft.ifft2(products), dim=(-2, -1)) / kernel**2
    return lags


def _waves(size: int, kernel: int, like: Tensor) -> Tensor:
    """Return what a lag in k-space multiplies the pixels of one axis by, complex ``(size, 2 kernel - 1)``."""
    pixels = torch.arange(size, device=like.device, dtype=torch.float64) - size // 2
    lags = torch.arange(1 - kernel, kernel, device=like.device, dtype=torch.float64)
    turns = 2 * math.pi / size * pixels[:, None] * lags
    return torch.polar(torch.ones_like(turns), turns)


def _principal(values: Tensor) -> Tensor:
    """Return the first principal component over coils of ``(coils, samples)``, its largest entry real, ``(coils,)``."""
    main: Tensor = torch.linalg.eigh(values @ values.mH)[1][:, -1]
    largest = main[main.abs().argmax()]
    turned: Tensor = main * (largest.conj() / largest.abs())
    return turned


def _other_shape(kspace: Tensor) -> str:
    return (
        f"expected k-space of shape (coils, 2, height, width) with real and imaginary part, but {tuple(kspace.shape)} "
        f"came: stack the two parts behind the coils"
    )


def _check(several: Tensor, kspace: Tensor, calibration: int, kernel: int, threshold: float, crop: float) -> None:
    if several.ndim != 5 or several.shape[2] != 2 or 0 in several.shape:
        raise InputError(_other_shape(kspace))
    if not bool(torch.isfinite(several).all()):
        raise InputError("expected finite k-space, but NaN or infinite values came: remove them")
    height, width = several.shape[-2:]
    if not 1 <= kernel < calibration <= min(height, width):
        raise InputError(
            f"expected a calibration region larger than the kernel and within {height} x {width} samples, but "
            f"{calibration} came for a kernel of {kernel}: correct them"
        )
    if not (0 <= threshold < 1 and 0 <= crop <= 1):
        raise InputError(
            f"expected a threshold from 0 to below 1 and a crop from 0 to 1, but {threshold} and {crop} came: correct "
            f"them"
        )
