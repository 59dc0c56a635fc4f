"""Parallel-beam computed tomography: line integrals of an image along parallel rays, view by view."""

from collections.abc import Sequence
from math import ceil, hypot
from typing import Self

from torch import Tensor

from nullsight.physics.ct import MEMORY, RAMP, ComputedTomography, check_angles, check_grid
from nullsight.physics.ct import equispaced as equispaced
from nullsight.physics.filters import Window
from nullsight.physics.geometry import ParallelGeometry


class ParallelBeamCT(ComputedTomography):
    """Line integrals along parallel rays, with filtered back-projection as approximate inverse.

    The view at angle ``a`` has the rays ``column cos(a) + up sin(a) = s``, coordinates from the centre of the image and
    ``up`` against the row index: at 0 degrees a bin sums a column, at 90 degrees a row. Interpolation along rays
    after Joseph (1982). ``y`` is in image value times length, ``(channels, views, detectors)``; every channel is
    projected by itself. ``A_dagger`` filters each view with the ramp, weighs it by the angle it stands for (half the
    gap to its neighbours) and sums what each pixel reads off each view by linear interpolation.

    The weights are kept as sparse matrices with their transposes. Where those would exceed ``memory_limit``, they are
    computed again at every use, view by view: slower, in little memory. :attr:`storage` says which.

    Args:
        image_shape: ``(channels, height, width)``, any rectangle of square pixels.
        angles: of the views in degrees, in any order; a number V stands for V equispaced ones over 180 degrees.
        detectors: bins of a view; None: as many as cover the diagonal, ``ceil(hypot(height, width) / spacing)``.
        spacing: distance of two bins, in pixels, > 0.
        offset: of the detector's centre from the projection of the image's centre, in pixels.
        pixel_size: edge of a pixel, > 0, in the length unit of ``y`` (mm, say; then images are in 1/mm).
        window: multiplies the ramp filter.
        keep: which measurements there are, bool ``measurement_shape`` or ``(1 or batch, *measurement_shape)``; None:
            all. The others are zero in ``y`` and the views kept are weighted by the gaps between them.
        memory_limit: bytes that the operator may take for its weights.

    Raises:
        InputError: an argument out of range, or an operator that exceeds ``memory_limit`` either way.

    The stated ``dagger_error`` is measured when first asked for, on the images of
    :func:`~nullsight.physics.ensembles.blobs`, with 30 % to spare.

    Example:
        >>> import torch
        >>> physics = ParallelBeamCT(image_shape=(1, 32, 32), angles=equispaced(24))
        >>> x = torch.zeros(1, 1, 32, 32)
        >>> x[:, :, 8:24, 12:20] = 1
        >>> y = physics.A(x)
        >>> tuple(y.shape), round(float(y[0, 0, 0].sum() / x.sum()), 3)
        ((1, 1, 24, 46), 1.0)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        angles: int | Sequence[float] | Tensor,
        *,
        detectors: int | None = None,
        spacing: float = 1.0,
        offset: float = 0.0,
        pixel_size: float = 1.0,
        window: Window = RAMP,
        keep: Tensor | None = None,
        memory_limit: int = MEMORY,
    ) -> None:
        lengths = {"spacing": spacing, "pixel_size": pixel_size, "detectors": detectors}
        channels, height, width = check_grid(image_shape, lengths)
        listed = check_angles(angles, 180.0, offset)
        bins = detectors if detectors is not None else ceil(hypot(height, width) / spacing)
        geometry = ParallelGeometry(height, width, listed, bins, spacing, offset, pixel_size)
        super().__init__(channels, geometry, window, keep, memory_limit)

    def _with(self, angles: Sequence[float], memory_limit: int) -> Self:
        return type(self)(
            self.image_shape, angles, detectors=self.detectors, spacing=self.spacing, offset=self.offset,
            pixel_size=self.pixel_size, window=self.window, memory_limit=memory_limit,
        )  # fmt: skip
