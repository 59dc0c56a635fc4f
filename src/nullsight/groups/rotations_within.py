"""Turns up to an angle either way: for images that are upright but for a tilt."""

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.groups.base import Group
from nullsight.groups.ensembles import stated_action_error
from nullsight.groups.interpolation import FourierShears, Interpolation
from nullsight.groups.rotations import Rotations
from nullsight.types import Element, Image, InputError


class RotationsWithin(Group):
    """Turns by up to ``limit`` degrees either way, uniformly; square images.

    What is drawn is no group: two turns of 20 degrees make one of 40. So, as for changes of scale, the group is that
    of all turns by multiples of ``360 / n`` degrees, and only those within the limit are drawn: images need to look
    alike under these alone. Elements and action are those of :class:`~nullsight.groups.rotations.Rotations`.

    Args:
        limit: largest angle that is drawn, degrees, at least one step and at most 180 (all turns).
        n: the number of steps in a full turn, >= 3; 3600 are tenths of a degree.
        interpolation: how to turn by angles that are no multiple of 90 degrees.

    Raises:
        InputError: a limit outside one step to 180 degrees, or fewer than three steps in a turn.

    Example:
        >>> from nullsight.draws import Draws
        >>> group = RotationsWithin(20)
        >>> g = group.sample(Draws(0, 0, (7, 8)).of("transform"))
        >>> bool((group.degrees(g).abs() <= 20).all())
        True
    """

    def __init__(self, limit: float, n: int = 3600, interpolation: Interpolation = FourierShears()) -> None:  # noqa: B008 (a frozen value)
        if n < 3 or not 360 / n <= limit <= 180:
            raise InputError(
                f"expected at least 3 steps in a full turn and a limit from one step to 180 degrees, but n = {n} and "
                f"limit = {limit} came"
            )
        self.limit = limit
        self.n = n
        self.interpolation = interpolation
        self._turns = Rotations(n, interpolation)
        self._known: dict[str, float] = {}

    @property
    def action_error(self) -> float:  # type: ignore[override]
        """As :class:`~nullsight.groups.base.Family` defines it: measured on 96 pairs, with 40 % to spare."""
        if "action_error" not in self._known:
            self._known["action_error"] = stated_action_error(self)
        return self._known["action_error"]

    def sample(self, stream: Stream) -> Element:
        """Draw one turn per sample, uniformly among those within the limit."""
        most = int(self.limit * self.n / 360 + 1e-9)  # the limit itself is drawn where it is a whole step
        return (stream.integers(2 * most + 1) - most) % self.n

    def degrees(self, g: Element) -> Tensor:
        """Return the angles, from -180 to 180, float64 ``(batch,)``."""
        angle = self._turns.degrees(g)
        return torch.where(angle > 180, angle - 360, angle)

    def element(self, degrees: Tensor) -> Element:
        """Return the turns by the steps nearest to angles ``(batch,)``, whether within the limit or not."""
        return (degrees.double() * self.n / 360).round().long() % self.n

    def identity(self, batch: int) -> Element:
        """Return turns by nothing."""
        return self._turns.identity(batch)

    def compose(self, g: Element, h: Element) -> Element:
        """Return the turn by both angles, which may be beyond the limit."""
        return self._turns.compose(g, h)

    def inverse(self, g: Element) -> Element:
        """Return the turn back."""
        return self._turns.inverse(g)

    def act(self, g: Element, x: Image) -> Image:
        """Return every image turned by its own angle; InputError unless they are square."""
        return self._turns.act(g, x)

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose."""
        return self._turns.act_adjoint(g, x)
