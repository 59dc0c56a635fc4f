"""Changes of scale and shears of images about their centre."""

import math

import torch

from nullsight.draws import Stream
from nullsight.groups.boundaries import Boundary, Reflected
from nullsight.groups.interpolation import Bicubic, Sampled
from nullsight.groups.projective import Projective
from nullsight.types import Element, InputError

_BICUBIC, _REFLECTED = Bicubic(), Reflected()


class Scales(Projective):
    """Images enlarged about their centre by a factor, or shrunk where it is below 1; log-uniform, one an image.

    An image that is shrunk is averaged first, so that it does not alias, and continued by ``boundary``: by a factor of
    1/2, stripes of 0.42 cycles a pixel keep 10 % of their contrast (one reading a pixel would fold all of it over),
    those of 0.1 cycles 97 %. ``T_g^T`` is about ``factor^2`` times ``T_g^-1``. ``action_error`` is stated on the disk
    whose pixels come from the inside of the image under two factors (``region = low^2`` where ``low < 1``); what two
    changes of scale lose of the details is in it, more for a wider range.

    Args:
        low: smallest factor that is drawn, > 0.
        high: largest, finite.
        interpolation: how images are read between samples.
        boundary: what is outside the image.

    Raises:
        InputError: factors other than 0 < low <= high.

    Example:
        >>> group = Scales(0.5, 2.0)
        >>> twice = group.element(torch.tensor([2.0]))
        >>> group.act(twice, torch.ones(1, 1, 4, 6)).shape
        torch.Size([1, 1, 4, 6])
        >>> group.compose(twice, group.inverse(twice)).diagonal(dim1=1, dim2=2)
        tensor([[1., 1., 1.]], dtype=torch.float64)
    """

    def __init__(
        self,
        low: float = 0.8,
        high: float = 1.25,
        interpolation: Sampled = _BICUBIC,
        boundary: Boundary = _REFLECTED,
    ) -> None:
        super().__init__(interpolation, boundary)
        if not 0 < low <= high < math.inf:
            raise InputError(f"expected factors with 0 < low <= high, but {low} and {high} came")
        self.low = low
        self.high = high
        self.region = min(1.0, low) ** 2

    def element(self, factor: torch.Tensor) -> Element:
        """Return the elements that enlarge by factors ``(batch,)``."""
        factor = factor.double()
        return torch.diag_embed(torch.stack([factor, factor, torch.ones_like(factor)], 1))

    def sample(self, stream: Stream) -> Element:
        """Draw one factor per sample, log-uniformly."""
        low, high = math.log(self.low), math.log(self.high)
        return self.element((low + (high - low) * stream.uniform()).exp())


class Shears(Projective):
    """Images sheared about their centre: by an angle up to ``degrees`` either way, along a direction drawn uniformly.

    What lies at distance d from the centre line moves by ``d tan(angle)`` along it; areas stay. ``action_error`` is
    stated on the disk that two shears keep within the image (``region``).

    Args:
        degrees: largest angle, 0 < degrees <= 45; uniform from -degrees to degrees.
        interpolation: how images are read between samples.
        boundary: what is outside the image.

    Raises:
        InputError: an angle outside that range.

    Example:
        >>> group = Shears(10)
        >>> along_rows = group.element(torch.tensor([45.0]), torch.tensor([0.0]))
        >>> point = torch.zeros(1, 1, 5, 5)
        >>> point[0, 0, 0, 2] = 1
        >>> group.act(along_rows, point)[0, 0, 0].round().int()
        tensor([1, 0, 0, 0, 0], dtype=torch.int32)
    """

    def __init__(
        self, degrees: float = 15.0, interpolation: Sampled = _BICUBIC, boundary: Boundary = _REFLECTED
    ) -> None:
        super().__init__(interpolation, boundary)
        if not 0 < degrees <= 45:
            raise InputError(f"expected a largest angle above 0 and up to 45 degrees, but {degrees} came")
        self.degrees = degrees
        half = math.tan(math.radians(degrees)) / 2
        self.region = 1 / (half + math.sqrt(1 + half**2)) ** 2  # the largest stretch of a shear, twice

    def element(self, degrees: torch.Tensor, direction: torch.Tensor) -> Element:
        """Return shears by angles ``(batch,)`` along directions ``(batch,)`` from the rows to the columns, degrees."""
        slope = torch.tan(torch.deg2rad(degrees.double()))
        turn = torch.deg2rad(direction.double())
        down, right = torch.sin(turn), torch.cos(turn)
        g = torch.eye(3, dtype=torch.float64).repeat(len(slope), 1, 1)
        along, across = torch.stack([down, right], 1), torch.stack([right, -down], 1)
        g[:, :2, :2] += slope[:, None, None] * along[:, :, None] * across[:, None, :]
        return g

    def sample(self, stream: Stream) -> Element:
        """Draw one angle and one direction per sample."""
        drawn = stream.uniform((2,))
        return self.element(self.degrees * (2 * drawn[:, 0] - 1), 180 * drawn[:, 1])
