"""Smooth elastic deformations: a random field of displacements that leaves the border in place."""

import math

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.groups.base import Family
from nullsight.groups.boundaries import Reflected
from nullsight.groups.interpolation import Bicubic, Sampled
from nullsight.groups.warping import Warp, check_elements, places
from nullsight.types import Element, Image, InputError

_BICUBIC, _REFLECTED = Bicubic(), Reflected()


class Elastic(Family):
    """``(T_g x)(p) = x(p + d_g(p))`` with a smooth random displacement d; a family, not a group.

    ``d = sum_kl a_kl sin(pi k (r + 1) / 2) sin(pi l (c + 1) / 2)``, r and c running from -1 to 1 across the image, k
    and l from 1 to ``modes``: d vanishes on the border, so the image is mapped onto itself. The coefficients are
    normal with standard deviations ``1 / (k^2 + l^2)`` and then scaled: the largest stretch of an image, the norm of
    the derivative of d, is uniform from 0 to ``stretch``. Below 1 nothing folds. Where the image shrinks it is averaged
    first (see :class:`~nullsight.groups.warping.Warp`); across the border it is read by reflection. A family has no
    law; what ``action_error`` states is the error of one interpolation, that of rotations by the same kernel.
    ``T_g^T`` is the exact transpose.

    Args:
        stretch: largest stretch, 0 < stretch <= 0.5: neighbours move apart or together by that share at most.
        modes: half waves across the image, 1 to 16.
        interpolation: how images are read between samples.

    Raises:
        InputError: a stretch or modes outside these ranges.

    Example:
        >>> from nullsight.draws import Draws
        >>> family = Elastic(stretch=0.2)
        >>> g = family.sample(Draws(0, 0, (7, 8)).of("transform"))
        >>> family.act(g, torch.rand(2, 1, 16, 20)).shape
        torch.Size([2, 1, 16, 20])
    """

    def __init__(self, stretch: float = 0.2, modes: int = 4, interpolation: Sampled = _BICUBIC) -> None:
        if not 0 < stretch <= 0.5 or not 1 <= modes <= 16:
            raise InputError(f"expected 0 < stretch <= 0.5 and 1 to 16 modes, but {stretch} and {modes} came")
        self.stretch = stretch
        self.modes = modes
        self.interpolation = interpolation
        self.action_error = interpolation.action_error

    def sample(self, stream: Stream) -> Element:
        """Draw coefficients ``(batch, 2, modes, modes)`` in units of half the shorter side: rows, then columns."""
        k = torch.arange(1, self.modes + 1, dtype=torch.float64)
        shape = (2, self.modes, self.modes)
        smooth = stream.normal(shape) / (k[:, None] ** 2 + k**2)
        share = stream.uniform()
        line = torch.linspace(-1, 1, 8 * self.modes + 1, dtype=torch.float64)  # eight points a half wave: within 2 %
        # image by image: what is drawn does not depend on the batch, not even in the last bit
        return torch.stack([self._drawn(a, v, line) for a, v in zip(smooth, share, strict=True)])

    def displacement(self, g: Element, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return d in pixels, ``(batch, height, width, 2)``, and its derivative ``(batch, height, width, 2, 2)``."""
        half = torch.tensor([height / 2, width / 2], dtype=torch.float64)
        at = places(height, width, torch.device("cpu")) / half
        d, slope = self._field(g.double(), at[:, 0, 0], at[0, :, 1])
        unit = min(height, width) / 2
        return d * unit, slope * unit / half

    def act(self, g: Element, x: Image) -> Image:
        """Return every image under its own deformation."""
        return self._warp(g, x).apply(x)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose, which spreads every pixel over those it was read from."""
        return self._warp(g, x).apply_adjoint(x)

    def _warp(self, g: Element, x: Image) -> Warp:
        check_elements(type(self).__name__, (2, self.modes, self.modes), g, x)
        height, width = x.shape[2:]
        d, slope = self.displacement(g.cpu(), height, width)
        at = places(height, width, torch.device("cpu")) + d
        slope = slope + torch.eye(2, dtype=torch.float64)
        return Warp(at.to(x.device), slope.to(x.device), self.interpolation, _REFLECTED)

    def _drawn(self, a: Tensor, share: Tensor, line: Tensor) -> Tensor:
        _, slope = self._field(a[None], line, line)
        largest: Tensor = torch.linalg.matrix_norm(slope, 2).amax()
        return a * (share * self.stretch / largest)

    def _field(self, a: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return d and its derivative by (r, c) on a grid, for coefficients ``(batch, 2, modes, modes)``."""
        waves = math.pi / 2 * torch.arange(1, self.modes + 1, dtype=torch.float64)
        down, right = (waves[:, None] * (line + 1) for line in (rows, columns))
        wave = waves[:, None]
        parts = [
            (torch.sin(down), torch.sin(right)),
            (wave * torch.cos(down), torch.sin(right)),
            (torch.sin(down), wave * torch.cos(right)),
        ]
        d, by_row, by_column = (torch.einsum("bikl,kr,lc->brci", a, one, other) for one, other in parts)
        return d, torch.stack([by_row, by_column], -1)
