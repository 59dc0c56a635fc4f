"""Magnetic resonance imaging along any path through k-space: spirals, spokes, with one coil or several."""

import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from nullsight.physics.base import Iterative
from nullsight.physics.coils import as_complex, as_parts, combine, complex_shape, sensitivities
from nullsight.types import Image, InputError, Measurement

_PRECISION = {torch.complex64: 1e-6, torch.complex128: 1e-12}
"""Relative error asked of the non-uniform transform, a few roundings."""


class NonCartesianMRI(Iterative):
    """Coils at any frequencies: ``(A x)_cj = 1/sqrt(h w) sum_n S_c(n) x(n) exp(-2 pi i (k_j1 n_1/h + k_j2 n_2/w))``.

    The pixels n count from ``(height // 2, width // 2)``, so that whole positions give the very values of
    :class:`~nullsight.physics.multicoil.MultiCoilMRI`. Complex values are two real channels (re, im). ``A_dagger`` is
    the least-norm least-squares image by conjugate gradients, without density compensation; what the iterations leave
    is stated (``dagger_error``), and they are differentiated as in :class:`MultiCoilMRI`. The transform is that of
    FINUFFT on the CPU (Barnett, Magland, af Klinteberg, "A parallel non-uniform fast Fourier transform library based on
    an exponential of semicircle kernel", SIAM Journal on Scientific Computing 2019), exact to 1e-6 in float32 and 1e-12
    in float64, its adjoint to rounding: ``pip install 'nullsight[mri]'``.

    Args:
        image_shape: ``(2, height, width)``.
        positions: in cycles per field of view, first along the height (row index), then along the width (column
            index), ``(samples, 2)`` or ``(1 or batch, samples, 2)``; within half the height and half the width.
        maps: coil sensitivities S, ``(coils, 2, height, width)`` or ``(1 or batch, coils, 2, height, width)``; None:
            one coil that sees all pixels alike.
        iterations: of conjugate gradients, at most so many, >= 1.

    Raises:
        InputError: an image that is not two channels, maps of another shape, positions of another shape, out of range
            or all about the zero frequency, fewer than 1 iteration; in use, where finufft is not installed.

    Example:
        >>> physics = NonCartesianMRI((2, 16, 16), radial_positions((16, 16), spokes=10, samples=32))
        >>> physics.measurement_shape
        (1, 2, 320)
    """

    per_sample = ("maps", "positions")
    maps: Tensor
    positions: Tensor

    def __init__(
        self, image_shape: Sequence[int], positions: Tensor, maps: Tensor | None = None, iterations: int = 20
    ) -> None:
        shape = complex_shape(image_shape)
        wide = sensitivities(_uniform(shape) if maps is None else maps, shape)
        paths = positions[None] if positions.ndim == 2 else positions
        _check_positions(paths, positions, shape)
        if iterations < 1:
            raise InputError(f"expected at least 1 iteration, but {iterations} came: 20 is a common start")
        super().__init__(shape, (wide.shape[1], 2, paths.shape[1]))
        self.iterations = iterations
        self.register_buffer("maps", wide)
        self.register_buffer("positions", paths if paths.is_floating_point() else paths.to(wide.dtype))

    def _measure(self, x: Image) -> Measurement:
        images = as_complex(self.maps) * as_complex(x)[:, None]
        parts = torch.split(images, 1) if len(self.positions) > 1 else [images]
        values = torch.cat([_samples(*pair) for pair in zip(self._radians(), parts, strict=True)])
        return torch.stack((values.real, values.imag), -2)

    def _adjoint(self, y: Measurement) -> Image:
        values = torch.complex(y[:, :, 0], y[:, :, 1])
        parts = torch.split(values, 1) if len(self.positions) > 1 else [values]
        size = self.image_shape[1:]
        images = torch.cat([_images(*pair, size) for pair in zip(self._radians(), parts, strict=True)])
        return as_parts(combine(as_complex(self.maps), images)).contiguous()

    def _radians(self) -> list[Tensor]:
        """Return each path in radians per pixel, float64 ``(2, samples)``."""
        size = torch.tensor(self.image_shape[1:], dtype=torch.float64, device=self.positions.device)
        return list((self.positions.double() * (2 * math.pi / size)).mT)


def radial_positions(shape: Sequence[int], spokes: int, samples: int) -> Tensor:
    """Return positions along straight lines through the zero frequency, float32 ``(spokes * samples, 2)``.

    The lines' angles are equispaced over 180 degrees; each begins at the edge of k-space, in cycles per field of view.

    Args:
        shape: of the image, ``(height, width)``.
        spokes: lines, >= 1; about ``1.6 * width`` of them measure as much as a full grid.
        samples: a line, >= 1; with ``2 * width`` they lie half a cycle apart.

    Raises:
        InputError: no line or no sample.

    Example:
        >>> radial_positions((8, 8), spokes=3, samples=4)[:4, 1]
        tensor([-4., -2.,  0.,  2.])
    """
    if spokes < 1 or samples < 1:
        raise InputError(f"expected at least 1 spoke and 1 sample, but {spokes} and {samples} came: correct them")
    angle = torch.arange(spokes, dtype=torch.float64) * (math.pi / spokes)
    along = (torch.arange(samples, dtype=torch.float64) - samples // 2) / samples
    height, width = (int(n) for n in shape)
    places = [height * angle.sin()[:, None] * along, width * angle.cos()[:, None] * along]
    return torch.stack(places, -1).reshape(-1, 2).float()


def _samples(path: Tensor, images: Tensor) -> Tensor:
    """Return the spectrum of complex ``(batch, coils, height, width)`` along a path: ``(batch, coils, samples)``."""
    grids = images.detach().flatten(0, 1).cpu().contiguous().numpy()
    precision, threads = _PRECISION[images.dtype], torch.get_num_threads()
    found = _finufft().nufft2d2(*_points(path, images), grids, eps=precision, isign=-1, nthreads=threads)
    values = torch.from_numpy(found).to(images.device).reshape(*images.shape[:2], -1)
    return values.div_(math.sqrt(math.prod(images.shape[-2:])))


def _images(path: Tensor, values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the conjugate transpose of :func:`_samples`: complex ``(batch, coils, height, width)``."""
    rows = values.detach().flatten(0, 1).cpu().contiguous().numpy()
    precision, threads = _PRECISION[values.dtype], torch.get_num_threads()
    found = _finufft().nufft2d1(*_points(path, values), rows, size, eps=precision, isign=1, nthreads=threads)
    images = torch.from_numpy(found).to(values.device).reshape(*values.shape[:2], *size)
    return images.div_(math.sqrt(math.prod(size)))


def _points(path: Tensor, like: Tensor) -> list[np.ndarray]:
    """Return both coordinates of a path in the precision of the values, radians per pixel."""
    return [axis.detach().cpu().to(like.real.dtype).contiguous().numpy() for axis in path]


def _finufft() -> ModuleType:
    try:
        import finufft
    except ImportError:
        raise InputError(
            "expected the package finufft for frequencies that are not on a grid, but it is not installed: install it "
            "with pip install 'nullsight[mri]'"
        ) from None
    found: ModuleType = finufft
    return found


def _uniform(shape: tuple[int, int, int]) -> Tensor:
    """Return the sensitivity of one coil that sees all pixels alike."""
    return torch.stack([torch.ones(shape[1:]), torch.zeros(shape[1:])])[None]


def _check_positions(paths: Tensor, positions: Tensor, shape: tuple[int, int, int]) -> None:
    if paths.ndim != 3 or paths.shape[2] != 2 or 0 in paths.shape:
        raise InputError(
            f"expected positions of shape (samples, 2), along height and width, with or without a batch axis in front, "
            f"but {tuple(positions.shape)} came: give two numbers for every sample"
        )
    half = torch.tensor(shape[1:], device=paths.device) / 2
    reach = paths.abs().flatten(0, 1).amax(0)
    if not bool((reach <= half * (1 + 1e-6)).all()):  # NaN is refused, too
        raise InputError(
            f"expected positions in cycles per field of view, at most {shape[1] / 2:g} along the height and "
            f"{shape[2] / 2:g} along the width, but they reach {reach[0]:g} and {reach[1]:g}: scale them"
        )
    if paths.shape[1] > 1 and bool((reach <= 0.5).all()):  # what is counted per pixel ends here, and would pass unseen
        raise InputError(
            f"expected positions in cycles per field of view, but all are within half a cycle: if they are in cycles "
            f"per pixel, multiply them by {shape[1:]}"
        )
