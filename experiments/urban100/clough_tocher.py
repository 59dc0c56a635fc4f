"""Interpolation between the seen pixels: a reconstructor of one's own, named by the recipe beside this file."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CloughTocher2DInterpolator, NearestNDInterpolator

from nullsight.draws import Draws
from nullsight.physics import Inpainting
from nullsight.physics.base import Physics
from nullsight.reconstructors import Reconstructor
from nullsight.types import Image, InputError, Measurement


class CloughTocher(Reconstructor):
    """A smooth piecewise cubic surface through the seen pixels, on their Delaunay triangles; nearest outside the hull.

    Alfeld, "A trivariate Clough-Tocher scheme for tetrahedral data", Computer Aided Geometric Design 1984, and Renka,
    Cline, "A triangle-based C1 interpolation method", Rocky Mountain Journal of Mathematics 1984, as SciPy has it.
    Masks are those of :class:`Inpainting`, one for all channels.
    """

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        if not isinstance(physics, Inpainting) or physics.mask.shape[1] != 1 or len(physics.image_shape) != 3:
            raise InputError("expected inpainting of 2-D images with one mask for all channels: name another one")
        masks = physics.mask[:, 0].expand(len(y), -1, -1).cpu().numpy()
        images = y.detach().double().cpu().numpy()
        filled = np.stack([_fill(image, mask) for image, mask in zip(images, masks, strict=True)])
        return torch.from_numpy(filled).to(y)


def _fill(image: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``(channels, height, width)`` with the missing pixels interpolated."""
    seen, missing = np.argwhere(mask), np.argwhere(~mask)
    if len(missing) == 0:
        return image
    values = image[:, mask].T
    found = CloughTocher2DInterpolator(seen, values)(missing)
    outside = np.isnan(found).any(1)
    if outside.any():
        found[outside] = NearestNDInterpolator(seen, values)(missing[outside])
    out = image.copy()
    out[:, ~mask] = found.T
    return out
