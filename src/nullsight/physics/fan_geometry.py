"""Rays from a point to a flat detector, turning around the image's centre together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.physics.geometry import Geometry, Rays, Samples, centred, direction


@dataclass(frozen=True)
class FanGeometry(Geometry):
    """A fan of rays in every view.

    In the view at angle ``a`` the source is at ``source_distance`` from the image's centre in the direction
    ``w = (-sin a, cos a)`` of (column, up), the detector beyond the centre, along ``n = (cos a, sin a)``. It is counted
    with as the virtual detector through the centre, which the rays meet at ``s``, the bin's place on the detector
    divided by :attr:`magnification`. The ray there is at ``gamma = atan(s / source_distance)`` to the central one: a
    parallel ray of angle ``a + gamma`` at the distance ``s cos(gamma)``.

    Attributes:
        source_distance: from the source to the image's centre, pixels, above half the image's diagonal.
        detector_distance: from the image's centre to the detector, pixels, >= 0.
    """

    source_distance: float
    detector_distance: float

    @property
    def turn(self) -> float:
        """360: the opposite view sees the same lines, but in other bins."""
        return 360.0

    @property
    def magnification(self) -> float:
        """How many times as large as in the image's centre things are on the detector."""
        return (self.source_distance + self.detector_distance) / self.source_distance

    @property
    def bin_width(self) -> float:
        """Distance of two bins of the virtual detector."""
        return self.spacing / self.magnification * self.pixel_size

    def slant(self, device: torch.device) -> Tensor:
        """Return ``cos(gamma)``."""
        return self._fan(device)[0].flatten()

    def lines(self, view: int, device: torch.device) -> list[Rays]:
        """Return the rays of the view, steep ones and others."""
        c, s = direction(self.angles[view])
        cos_fan, sin_fan = self._fan(device)
        cos, sin = c * cos_fan - s * sin_fan, s * cos_fan + c * sin_fan
        distance = self.source_distance * sin_fan
        steep = (cos.abs() >= sin.abs()).flatten()
        found = []
        for kind, chosen in ((True, steep), (False, ~steep)):
            bins = chosen.nonzero().flatten()
            if len(bins):
                found.append(Rays(bins, cos[bins], sin[bins], distance[bins], kind))
        return found

    def pixel_samples(self, view: int, device: torch.device) -> Samples:
        """Return where each pixel's ray meets the detector, and ``1 / U^2``.

        U is the pixel's distance from the source along the central ray, in units of ``source_distance``.
        """
        c, s = direction(self.angles[view])
        across, up = centred(self.width, device), -centred(self.height, device)[:, None]
        depth = 1 - (up * c - across * s) / self.source_distance
        place = (across * c + up * s) / depth * self.magnification
        where = (place - self.offset) / self.spacing + (self.detectors - 1) / 2
        weight = depth.reshape(-1, 1) ** -2
        return Samples(where.reshape(-1, 1), self.detectors, 1, self.detectors, weight, slice(None))

    def most_weights(self) -> int:
        """Return the bound, a third too high, or twice with a near source: not every ray crosses the whole image."""
        return len(self.angles) * 2 * (max(self.height, self.width) * self.detectors + self.pixels)

    def _fan(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of gamma, ``(detectors, 1)`` each."""
        tangent = self.places(device) / self.magnification / self.source_distance
        cosine = (1 + tangent**2).rsqrt()
        return cosine, tangent * cosine
