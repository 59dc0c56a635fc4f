"""What a loss may look at (Evidence), what a loss is, and sums of losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.types import Element, Image, InputError, Measurement, Scalar


@runtime_checkable
class Reconstruct(Protocol):
    """A reconstructor as losses see it: something to call."""

    def __call__(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Image:
        """Return ``f(y)``."""
        ...


@dataclass(frozen=True)
class Virtual:
    """A virtual image and what became of it: ``x2 = T_g x1``, ``y2 = A x2 (+ noise)``, ``x3 = f(y2)``.

    With k transforms a step the batch is tiled k times, copy after copy.
    """

    g: Element
    x2: Image
    y2: Measurement
    x3: Image


@dataclass(frozen=True)
class Evidence:
    """All that a self-supervised loss may look at; there is no way to ground truth in it.

    Attributes:
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: their operator, one for all or one a sample.
        ids: the samples' numbers in the data set, ``(batch,)`` int64.
        draws: the batch's randomness.
        progress: the share of the planned steps that is done, 0 .. 1.
        reconstruct: the reconstructor being trained.
        smoothed: the reconstructor with averaged (EMA) weights, where the run keeps one.
        start: ``A_dagger y`` kept from before, ``(batch, *image_shape)``.
        scale: the data's intensity scale; error functions see images divided by it.
    """

    y: Measurement
    physics: Physics
    ids: Tensor
    draws: Draws
    progress: float
    reconstruct: Reconstruct
    smoothed: Reconstruct | None = None
    start: Image | None = None
    scale: float = 1.0
    _virtual: dict[Any, Virtual] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def x1(self) -> Image:
        """``f(y)``, computed once and only if a term asks."""
        return self.reconstruct(self.y, self.physics, start=self.start, draws=self.draws)

    def virtual(self, group: Family, noise: Noise, transforms: int = 1) -> Virtual:
        """Return ``(g, x2, y2, x3)``, shared by every term that asks for the same group, noise and count."""
        key = (id(group), noise, transforms)
        if key not in self._virtual:
            draws, physics = self.draws.repeat(transforms), self.physics.repeat(transforms)
            g = group.sample(draws.of("transform"))
            x2 = group.act(g, self.x1.repeat(transforms, *[1] * (self.x1.ndim - 1)))
            y2 = noise.observe(physics.A(x2), physics.measured, draws.of("virtual noise"))
            self._virtual[key] = Virtual(g, x2, y2, self.reconstruct(y2, physics, draws=draws))
        return self._virtual[key]


@dataclass(frozen=True)
class LabelledEvidence(Evidence):
    """Evidence with truth; only a loss that says ``needs_truth`` ever receives it.

    Attributes:
        x: ground truth, ``(batch, *image_shape)``; zeros where there is none.
        has_x: which samples carry truth, bool ``(batch,)``.
    """

    x: Image = field(default_factory=lambda: torch.zeros(0, 1, 1))
    has_x: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))


@dataclass(frozen=True)
class Player:
    """An opponent in the loss (a discriminator, an unknown noise level): the loop steps, reduces and checkpoints it.

    Attributes:
        module: whose parameters are stepped and saved.
        objective: minimised over them, given the evidence of the step (detached from f).
        learning_rate: of its own Adam.
    """

    module: nn.Module
    objective: Callable[[Evidence], Scalar]
    learning_rate: float


Weight = float | Callable[[float], float]


class Loss(nn.Module, ABC):
    """A term of the objective: a mean over entries. ``a + b`` and ``100 * a`` make a :class:`WeightedSum`."""

    needs_truth: ClassVar[bool] = False

    @abstractmethod
    def forward(self, evidence: Evidence) -> Scalar:
        """Return the loss of one batch."""

    def players(self) -> tuple[Player, ...]:
        """Return the opponents this term brings; none for most."""
        return ()

    def terms(self) -> "list[tuple[Weight, Loss]]":
        """Return the terms with their weights."""
        return [(1.0, self)]

    def __add__(self, other: "Loss") -> "WeightedSum":
        return WeightedSum([*self.terms(), *other.terms()])

    def __rmul__(self, weight: Weight) -> "WeightedSum":
        return WeightedSum([(_product(weight, w), loss) for w, loss in self.terms()])


class WeightedSum(Loss):
    """Weighted terms, each logged by its name; a weight may be a function of progress (see :class:`Ramp`)."""

    def __init__(self, weighted: list[tuple[Weight, Loss]]) -> None:
        super().__init__()
        self.weights = [weight for weight, _ in weighted]
        self.losses = nn.ModuleList(loss for _, loss in weighted)
        names = [type(loss).__name__ for _, loss in weighted]
        self.names = [n if names.count(n) == 1 else f"{n}{names[:i].count(n) + 1}" for i, n in enumerate(names)]

    @property
    def needs_truth(self) -> bool:  # type: ignore[override]
        """Whether any term needs truth."""
        return any(bool(loss.needs_truth) for _, loss in self.terms())

    def terms(self) -> list[tuple[Weight, Loss]]:
        """Return the terms with their weights."""
        return [(w, loss) for w, loss in zip(self.weights, self.losses, strict=True) if isinstance(loss, Loss)]

    def values(self, evidence: Evidence) -> dict[str, Tensor]:
        """Return every term's own value, unweighted, by name; a term whose weight is zero now is not computed."""
        now = [(name, _at(w, evidence), loss) for name, (w, loss) in zip(self.names, self.terms(), strict=True)]
        return {name: loss(evidence) for name, weight, loss in now if weight != 0}

    def total(self, values: dict[str, Tensor], evidence: Evidence) -> Scalar:
        """Return the weighted sum of :meth:`values`."""
        weighted = [_at(w, evidence) * values[n] for n, w in zip(self.names, self.weights, strict=True) if n in values]
        return torch.stack(weighted).sum()

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the weighted sum."""
        return self.total(self.values(evidence), evidence)

    def players(self) -> tuple[Player, ...]:
        """Return the opponents of all terms."""
        return tuple(player for _, loss in self.terms() for player in loss.players())


@dataclass(frozen=True)
class Ramp:
    """A weight that goes linearly from ``start`` to ``stop`` while progress goes from ``begin`` to ``end`` (0 .. 1)."""

    start: float
    stop: float
    begin: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= 1:
            raise InputError(f"expected a ramp with 0 <= begin < end <= 1, but {self.begin} and {self.end} came")

    def __call__(self, progress: float) -> float:
        """Return the weight at ``progress``."""
        share = (progress - self.begin) / (self.end - self.begin)
        return self.start + (self.stop - self.start) * min(max(share, 0.0), 1.0)

    def __mul__(self, loss: Loss) -> WeightedSum:
        return loss.__rmul__(self)


@dataclass(frozen=True)
class _Scaled:
    factor: float
    weight: Callable[[float], float]

    def __call__(self, progress: float) -> float:
        return self.factor * self.weight(progress)


def _product(a: Weight, b: Weight) -> Weight:
    if isinstance(a, int | float):
        return a * b if isinstance(b, int | float) else _Scaled(a, b)
    if isinstance(b, int | float):
        return _Scaled(b, a)
    raise InputError("expected at most one ramp on a term, but two came: multiply the term by one ramp alone")


def _at(weight: Weight, evidence: Evidence) -> float:
    return float(weight) if isinstance(weight, int | float) else weight(evidence.progress)
