"""Several families at once: each image is transformed by a member of one of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nullsight.draws import Draws, Stream
from nullsight.groups.base import Family, by_kind
from nullsight.types import Element, Image, InputError


class Mixture(Family):
    """One family drawn per image, then one of its elements; a family, not a group (products of its members leave it).

    An element is float64 ``(batch, 1 + k)``: the family's number and the parameters of that family's element, filled
    up with zeros.

    Args:
        families: what to draw from, at least one.
        weights: how often each is drawn, in proportion; None: equally often.

    Raises:
        InputError: no family, or weights that are negative, all zero or not one a family.

    Example:
        >>> from nullsight.groups import QuarterTurns, Reflections
        >>> group = Mixture([QuarterTurns(), Reflections()], weights=[3, 1])
        >>> group.sample(Draws(0, 0, (7, 8)).of("transform")).shape
        torch.Size([2, 2])
    """

    def __init__(self, families: Sequence[Family], weights: Sequence[float] | None = None) -> None:
        self.families = tuple(families)
        self.weights = None if weights is None else tuple(float(w) for w in weights)
        given = torch.tensor(self.weights or (1.0,) * len(self.families), dtype=torch.float64)
        if (
            not self.families
            or len(given) != len(self.families)
            or bool((given < 0).any())
            or not float(given.sum()) > 0
        ):
            raise InputError(
                f"expected families with a weight >= 0 each, not all 0, but {len(self.families)} families and weights "
                f"{weights} came"
            )
        self._edges = (given / given.sum()).cumsum(0)
        tried = [family.sample(Draws(0, 0, (0,)).of("form of an element")) for family in self.families]
        self._forms = tuple((one.dtype, tuple(one.shape[1:])) for one in tried)
        self._width = max(one[0].numel() for one in tried)
        self.action_error = max(family.action_error for family in self.families)
        self.region = min(family.region for family in self.families)
        self.linear = all(family.linear for family in self.families)

    def sample(self, stream: Stream) -> Element:
        """Draw a family and one of its elements per sample."""
        last = len(self.families) - 1
        which = torch.searchsorted(self._edges, stream.uniform(), right=True).clamp_max(last)
        drawn = torch.stack([self._wide(family.sample(stream)) for family in self.families])
        return torch.cat([which[:, None].double(), drawn[which, torch.arange(len(which))]], 1)

    def act(self, g: Element, x: Image) -> Image:
        """Return every image transformed by its own member of its own family."""
        self._check(g, x)
        return by_kind(
            g[:, 0].long(), x, lambda kind, rows, few: self.families[kind].act(self._own(kind, g[rows]), few)
        )

    def act_adjoint(self, g: Element, x: Image) -> Image:
        """Return the transpose, image by image."""
        self._check(g, x)
        return by_kind(
            g[:, 0].long(), x, lambda kind, rows, few: self.families[kind].act_adjoint(self._own(kind, g[rows]), few)
        )

    @property
    def inverse(self) -> Callable[[Element], Element] | None:
        """How elements are inverted, each in its own family; None where one of the families has no inverses.

        A mixture is no group all the same, but ``A T_g`` is inverted by ``T_g^-1`` where there is one.
        """
        return self._inverse if all(getattr(one, "inverse", None) for one in self.families) else None

    def _inverse(self, g: Element) -> Element:
        return by_kind(g[:, 0].long(), g, lambda kind, _, few: torch.cat([few[:, :1], self._back(kind, few)], 1))

    def _back(self, kind: int, g: Element) -> Tensor:
        inverse: Callable[[Element], Element] = getattr(self.families[kind], "inverse")  # noqa: B009 (a family may lack it)
        return self._wide(inverse(self._own(kind, g)))

    def _wide(self, element: Element) -> Tensor:
        flat = element.double().flatten(1) if element.ndim > 1 else element.double()[:, None]
        return torch.nn.functional.pad(flat, (0, self._width - flat.shape[1]))

    def _own(self, kind: int, g: Element) -> Element:
        dtype, shape = self._forms[kind]
        return g[:, 1 : 1 + torch.Size(shape).numel()].reshape(-1, *shape).to(dtype)

    def _check(self, g: Element, x: Image) -> None:
        if tuple(g.shape) != (x.shape[0], 1 + self._width):
            raise InputError(
                f"expected one element per image, shape ({x.shape[0]}, {1 + self._width}), but {tuple(g.shape)} came: "
                f"draw them with sample(stream), one stream a sample"
            )
