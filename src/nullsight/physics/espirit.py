"""Coil sensitivities from the fully sampled middle of k-space."""

import torch
from torch import Tensor

from nullsight.physics.mri import inverse_fourier
from nullsight.types import InputError, Measurement

_CHUNK = 16  # kernels transformed at once


def espirit(
    kspace: Measurement, calibration: int = 24, kernel: int = 6, threshold: float = 0.02, crop: float = 0.9
) -> Tensor:
    """Estimate coil sensitivities from one k-space.

    Patches of the calibration region span a space that all patches of k-space lie in; to leave it as it is, an image
    must be, pixel by pixel, an eigenvector to the eigenvalue 1 of a small matrix over coils: that is the sensitivity.
    Uecker et al., "ESPIRiT, an eigenvalue approach to autocalibrating parallel MRI", Magnetic Resonance in Medicine
    2014; one set of maps (the "soft SENSE" sets beyond the first are not kept).

    Args:
        kspace: ``(coils, 2, height, width)`` (re, im), the zero frequency at ``(height // 2, width // 2)``.
        calibration: side of the fully sampled square in the middle, in samples.
        kernel: side of the patches, < calibration.
        threshold: singular values below this share of the largest are noise.
        crop: pixels whose largest eigenvalue is below are outside the object: their sensitivities are 0.

    Returns:
        Sensitivities ``(coils, 2, height, width)`` with ``sum_c |S_c|^2 = 1`` inside the object and 0 outside; their
        phase is relative to the coils' first principal component in the calibration region.

    Raises:
        InputError: k-space of another shape, a calibration region that is larger than it, smaller than the kernel or
            not fully sampled.
    """
    if kspace.ndim != 4 or kspace.shape[1] != 2:
        raise InputError(f"expected k-space of shape (coils, 2, height, width), but {tuple(kspace.shape)} came")
    coils, _, height, width = kspace.shape
    if not 1 <= kernel < calibration <= min(height, width):
        raise InputError(
            f"expected a kernel smaller than the calibration region and that within {height} x {width} samples, but "
            f"{kernel} and {calibration} came"
        )
    top, left = height // 2 - calibration // 2, width // 2 - calibration // 2
    middle = kspace[:, :, top : top + calibration, left : left + calibration].double()
    values = torch.complex(middle[:, 0], middle[:, 1])
    if bool((values.abs().sum(0) == 0).any()):
        raise InputError(
            f"expected the {calibration} x {calibration} samples in the middle of k-space to be measured, but some are "
            f"zero in every coil: give a smaller calibration region"
        )
    patches = values.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (coils, places, places, kernel, kernel)
    rows = patches.permute(1, 2, 0, 3, 4).reshape(-1, coils * kernel**2)
    _, sizes, vectors = torch.linalg.svd(rows, full_matrices=False)
    kept = vectors[sizes > threshold * sizes[0]].reshape(-1, coils, kernel, kernel)
    matrix = torch.zeros(height, width, coils, coils, dtype=torch.complex128)
    for some in kept.split(_CHUNK):
        images = _images(some, height, width)  # (kernels, coils, height, width)
        matrix += torch.einsum("kchw,kdhw->hwcd", images, images.conj())
    eigenvalues, eigenvectors = torch.linalg.eigh(matrix * (height * width / kernel**2))
    maps, largest = eigenvectors[..., -1], eigenvalues[..., -1]
    _, main = torch.linalg.eigh(values.reshape(coils, -1) @ values.reshape(coils, -1).mH)
    reference = maps @ main[:, -1].conj()
    maps = maps * (reference.conj() / reference.abs().clamp_min(1e-12))[..., None]
    maps = torch.where(largest[..., None] > crop, maps, torch.zeros_like(maps)).permute(2, 0, 1)
    return torch.stack([maps.real, maps.imag], 1).to(kspace)


def _images(kernels: Tensor, height: int, width: int) -> Tensor:
    """Return what kernels in k-space multiply images by, up to a phase that all coils share, complex."""
    side = kernels.shape[-1]
    top, left = height // 2 - side // 2, width // 2 - side // 2
    # a row of the calibration matrix is correlated with k-space, so its kernel is convolved turned around, conjugated
    wide = torch.zeros(*kernels.shape[:2], height, width, dtype=kernels.dtype)
    wide[..., top : top + side, left : left + side] = kernels.conj().flip((-2, -1))
    parts = inverse_fourier(torch.stack([wide.real, wide.imag], -3))
    return torch.complex(parts[..., 0, :, :], parts[..., 1, :, :])
