"""Homographies: what a camera sees of a plane from somewhere else."""

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.groups.boundaries import Boundary, Reflected
from nullsight.groups.interpolation import Bicubic, Sampled
from nullsight.groups.projective import Projective
from nullsight.types import Element, InputError

_BICUBIC, _REFLECTED = Bicubic(), Reflected()
_SQUARE = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)


class Homographies(Projective):
    """Projective maps, drawn by where they carry the corners of the central square: each moves on its own.

    Every corner moves by up to ``corners`` along rows and along columns, uniformly; the four places make the map
    (Hartley, Zisserman, "Multiple View Geometry in Computer Vision", 2004, section 4.1). The limit keeps the depth of
    all pixels of a square image near that of the centre, so that none goes to infinity; wide images see more of the
    perspective, and are refused beyond a tenth of that depth. ``action_error`` is stated on the disk of radius
    ``region = 1 - 4 corners``, which two maps keep within the image.

    Args:
        corners: largest shift of a corner in units of half the shorter side, 0 < corners <= 0.2.
        interpolation: how images are read between samples.
        boundary: what is outside the image.

    Raises:
        InputError: a shift outside that range.

    Example:
        >>> from nullsight.draws import Draws
        >>> group = Homographies(0.1)
        >>> g = group.sample(Draws(0, 0, (7, 8)).of("transform"))
        >>> group.act(g, torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(
        self, corners: float = 0.1, interpolation: Sampled = _BICUBIC, boundary: Boundary = _REFLECTED
    ) -> None:
        super().__init__(interpolation, boundary)
        if not 0 < corners <= 0.2:
            raise InputError(f"expected corners to move by more than 0 and up to 0.2 half sides, but {corners} came")
        self.corners = corners
        self.region = 1 - 4 * corners

    def sample(self, stream: Stream) -> Element:
        """Draw four corners per sample."""
        return self.element(_SQUARE + self.corners * (2 * stream.uniform((4, 2)) - 1))

    def element(self, corners: Tensor) -> Element:
        """Return the maps that carry the corners of the square to ``(batch, 4, 2)``.

        In order top left, top right, bottom right, bottom left, as (row, column) in units of half the shorter side.
        """
        # for each corner (r, c) -> (r', c'): h00 r + h01 c + h02 - r' (h20 r + h21 c) = r', and the same for c'
        known = torch.cat([_SQUARE, torch.ones(4, 1, dtype=torch.float64)], 1).expand(len(corners), 4, 3)
        none = torch.zeros_like(known)
        goal = corners.double()
        rows = torch.cat([known, none, -goal[..., :1] * known[..., :2]], 2)
        columns = torch.cat([none, known, -goal[..., 1:] * known[..., :2]], 2)
        h = torch.linalg.solve(torch.cat([rows, columns], 1), torch.cat([goal[..., 0], goal[..., 1]], 1))
        return torch.cat([h, torch.ones_like(h[:, :1])], 1).reshape(-1, 3, 3)
