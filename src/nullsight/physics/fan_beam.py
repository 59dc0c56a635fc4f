"""Fan-beam computed tomography: line integrals along rays from a point to a flat detector, view by view."""

from collections.abc import Sequence
from math import ceil, hypot, isfinite, sqrt
from typing import Self

from torch import Tensor

from nullsight.physics.ct import MEMORY, RAMP, ComputedTomography, check_angles, check_grid
from nullsight.physics.fan_geometry import FanGeometry
from nullsight.physics.filters import Window
from nullsight.types import InputError


class FanBeamCT(ComputedTomography):
    """Line integrals along a fan of rays, with filtered back-projection as approximate inverse.

    At 0 degrees the source is above the image and the detector below, bins from left to right; both turn
    counter-clockwise as displayed. Far away the rays are those of :class:`~nullsight.physics.ParallelBeamCT`, bin by
    bin. Interpolation along rays after Joseph (1982). ``y`` is in image value times length, ``(channels, views,
    detectors)``. ``A_dagger`` is that of equispaced detectors (Kak and Slaney, "Principles of Computerized Tomographic
    Imaging", section 3.4.2): every ray is weighed by the cosine of its angle to the central one and by the angle its
    view stands for, views are filtered with the ramp as seen in the image's centre, and each pixel sums ``1 / U^2``
    of what it reads off each view, U its distance from the source along the central ray over that of the centre.
    Every line counts half, as a whole turn sees it twice. Over less than a turn that is wrong where lines are seen
    once: take :class:`~nullsight.physics.WeightedLeastSquares` around the operator there.

    Weights are kept as in :class:`~nullsight.physics.ParallelBeamCT`; :attr:`storage` says how.

    Args:
        image_shape: ``(channels, height, width)``, any rectangle of square pixels.
        angles: of the views in degrees, in any order; a number V stands for V equispaced ones over 360 degrees.
        source_distance: from the source to the image's centre, in pixels, above half the image's diagonal.
        detector_distance: from the image's centre to the detector, in pixels, >= 0; 0: a detector through the centre.
        detectors: bins of a view; None: as many as the rays through the image meet.
        spacing: distance of two bins on the detector, in pixels, > 0.
        offset: of the detector's middle from the foot of the central ray, in pixels on the detector.
        pixel_size: edge of a pixel, > 0, in the length unit of ``y`` (mm, say; then images are in 1/mm).
        window: multiplies the ramp filter.
        keep: which measurements there are, bool ``measurement_shape`` or ``(1 or batch, *measurement_shape)``; None:
            all. The others are zero in ``y`` and the views kept are weighted by the gaps between them.
        memory_limit: bytes that the operator may take for its weights.

    Raises:
        InputError: an argument out of range, a source within the image, or an operator that exceeds ``memory_limit``.

    The stated ``dagger_error`` is measured when first asked for, on the images of
    :func:`~nullsight.physics.ensembles.blobs`, with 30 % to spare.

    Example:
        >>> import torch
        >>> physics = FanBeamCT(image_shape=(1, 32, 32), angles=48, source_distance=64.0, detector_distance=32.0)
        >>> x = torch.zeros(1, 1, 32, 32)
        >>> x[:, :, 12:20, 12:20] = 1
        >>> y = physics.A(x)
        >>> tuple(y.shape), bool((physics.A_dagger(y)[0, 0, 15, 15] - 1).abs() < 0.05)
        ((1, 1, 48, 73), True)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        angles: int | Sequence[float] | Tensor,
        source_distance: float,
        *,
        detector_distance: float = 0.0,
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
        listed = check_angles(angles, 360.0, offset)
        radius = hypot(height, width) / 2
        if not (isfinite(source_distance) and source_distance > radius):
            raise InputError(
                f"expected a source outside of the image, more than half the diagonal = {radius:.4g} pixels from its "
                f"centre, but source_distance = {source_distance} came: give it in pixels, not in mm"
            )
        if not (isfinite(detector_distance) and detector_distance >= 0):
            raise InputError(
                f"expected detector_distance of at least 0, but {detector_distance} came: count it from the image's "
                f"centre, in pixels"
            )
        # the outermost rays touch the circle around the image
        reach = radius / sqrt(1 - (radius / source_distance) ** 2) * (1 + detector_distance / source_distance)
        bins = detectors if detectors is not None else ceil(2 * reach / spacing)
        geometry = FanGeometry(
            height, width, listed, bins, spacing, offset, pixel_size, source_distance, detector_distance
        )
        super().__init__(channels, geometry, window, keep, memory_limit)
        self.source_distance, self.detector_distance = source_distance, detector_distance

    def _with(self, angles: Sequence[float], memory_limit: int) -> Self:
        return type(self)(
            self.image_shape, angles, self.source_distance, detector_distance=self.detector_distance,
            detectors=self.detectors, spacing=self.spacing, offset=self.offset, pixel_size=self.pixel_size,
            window=self.window, memory_limit=memory_limit,
        )  # fmt: skip
