"""What a loss is, sums of losses, and weights that change over training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from nullsight.groups.base import Family
from nullsight.losses.evidence import Evidence, LabelledEvidence, Reconstruct, Turned, Virtual, begun
from nullsight.noise import UnknownNoise
from nullsight.types import InputError, Scalar

__all__ = [
    "Evidence", "LabelledEvidence", "Loss", "Player", "Ramp", "Reconstruct", "Turned", "Virtual", "Weight",
    "WeightedSum", "begun", "check_levels",
]  # fmt: skip


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
    """A term of the objective: a mean over entries. ``a + b`` and ``100 * a`` make a :class:`WeightedSum`.

    Example:
        >>> class Brightness(Loss):
        ...     def forward(self, evidence):
        ...         return evidence.x1.mean() ** 2
        >>> (Brightness() + Ramp(0, 10) * Brightness()).names
        ['Brightness1', 'Brightness2']
    """

    needs_truth: ClassVar[bool] = False
    chooses: ClassVar[bool] = True  # whether its value on held-out measurements says which weights are better

    @abstractmethod
    def forward(self, evidence: Evidence) -> Scalar:
        """Return the loss of one batch."""

    def players(self) -> tuple[Player, ...]:
        """Return the opponents this term brings; none for most."""
        return ()

    def prepare(self, blocks: Iterable[Evidence]) -> None:
        """Get ready for a training, once, before its first step; what it fills must be buffers, which are kept.

        Args:
            blocks: the whole training set in order, without gradients; may be gone through more than once.
        """

    def update(self, evidence: Evidence) -> None:
        """Look at a step that was taken and change buffers of its own; ``forward`` never changes any."""

    @property
    def detail(self) -> str:
        """What tells this term from others of its class in logs; ``""`` where nothing does."""
        return ""

    @property
    def families(self) -> tuple[Family, ...]:
        """The transformations that this term learns from: its ``group``, where it has one."""
        group = getattr(self, "group", None)
        return (group,) if isinstance(group, Family) else ()

    @property
    def learned(self) -> dict[str, float]:
        """What this term learns beside f, in numbers to be logged: a noise level that is unknown."""
        return {}

    def terms(self) -> "list[tuple[Weight, Loss]]":
        """Return the terms with their weights."""
        return [(1.0, self)]

    def __add__(self, other: "Loss") -> "WeightedSum":
        return WeightedSum([*self.terms(), *other.terms()])

    def __rmul__(self, weight: Weight) -> "WeightedSum":
        return WeightedSum([(_product(weight, w), loss) for w, loss in self.terms()])


class WeightedSum(Loss):
    """Weighted terms, each logged by its name; a weight may be a function of progress (see :class:`Ramp`).

    A term that does not need truth receives evidence without truth, whatever the others need.

    Args:
        weighted: weights with their terms, at least one.

    Raises:
        InputError: no term.
    """

    def __init__(self, weighted: list[tuple[Weight, Loss]]) -> None:
        super().__init__()
        if not weighted:
            raise InputError("expected at least one term in a loss, but none came: add one")
        self.weights = [weight for weight, _ in weighted]
        self.losses = nn.ModuleList(loss for _, loss in weighted)
        self.names = _names([loss for _, loss in weighted])

    @property
    def weighted(self) -> list[tuple[Weight, Loss]]:
        """The terms with their weights."""
        return [(w, loss) for w, loss in zip(self.weights, self.losses, strict=True) if isinstance(loss, Loss)]

    @property
    def needs_truth(self) -> bool:  # type: ignore[override]
        """Whether any term needs truth."""
        return any(bool(loss.needs_truth) for _, loss in self.weighted)

    @property
    def chooses(self) -> bool:  # type: ignore[override]
        """Whether every term's held-out value says which weights are better."""
        return all(bool(loss.chooses) for _, loss in self.weighted)

    def terms(self) -> list[tuple[Weight, Loss]]:
        """Return the terms with their weights."""
        return self.weighted

    @property
    def learned(self) -> dict[str, float]:
        """What its terms learn beside f, by their names."""
        named = zip(self.names, self.weighted, strict=True)
        return {f"{name} {what}": value for name, (_, loss) in named for what, value in loss.learned.items()}

    def values(self, evidence: Evidence) -> dict[str, Tensor]:
        """Return every term's own value, unweighted, by name; a term whose weight is zero now is not computed."""
        blind = evidence.unlabelled()
        now = [(name, _at(w, evidence), loss) for name, (w, loss) in zip(self.names, self.weighted, strict=True)]
        return {name: loss(evidence if loss.needs_truth else blind) for name, weight, loss in now if weight != 0}

    def total(self, values: dict[str, Tensor], evidence: Evidence) -> Scalar:
        """Return the weighted sum of :meth:`values`; zero, with a gradient, where every weight is zero now."""
        weighted = [_at(w, evidence) * values[n] for n, w in zip(self.names, self.weights, strict=True) if n in values]
        return torch.stack(weighted).sum() if weighted else evidence.unlabelled().nothing()

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the weighted sum."""
        return self.total(self.values(evidence), evidence)

    def prepare(self, blocks: Iterable[Evidence]) -> None:
        """Prepare every term; those that do not need truth see none."""
        for _, loss in self.weighted:
            loss.prepare(blocks if loss.needs_truth else _BlindBlocks(blocks))

    def update(self, evidence: Evidence) -> None:
        """Update every term; those that do not need truth see none."""
        for _, loss in self.weighted:
            loss.update(evidence if loss.needs_truth else evidence.unlabelled())

    def players(self) -> tuple[Player, ...]:
        """Return the opponents of all terms; those of a term that does not need truth see none."""
        return tuple(
            player if loss.needs_truth else replace(player, objective=_Blind(player.objective))
            for _, loss in self.weighted
            for player in loss.players()
        )


@dataclass(frozen=True)
class Ramp:
    """A weight that goes linearly from ``start`` to ``stop`` while progress goes from ``begin`` to ``end`` (0 .. 1).

    ``Ramp(0, 100, end=0.2) * Equivariance(group)`` raises the weight over the first fifth of the training.

    Raises:
        InputError: not 0 <= begin < end <= 1.

    Example:
        >>> Ramp(0, 100, end=0.2)(0.1)
        50.0
    """

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


def check_levels(loss: Loss) -> None:
    """Raise an :class:`InputError` where a term measures with an unknown noise level that no term learns."""
    learned = {id(player.module) for player in loss.players()}
    if any(isinstance(one, UnknownNoise) and id(one) not in learned for one in loss.modules()):
        raise InputError(
            "expected a term that learns the unknown noise level, but none does: add "
            "SURE(noise) with the same object, or take noise of a known level"
        )


@dataclass(frozen=True)
class _Blind:
    objective: Callable[[Evidence], Scalar]

    def __call__(self, evidence: Evidence) -> Scalar:
        return self.objective(evidence.unlabelled())


@dataclass(frozen=True)
class _BlindBlocks:
    blocks: Iterable[Evidence]

    def __iter__(self) -> Iterator[Evidence]:
        return (evidence.unlabelled() for evidence in self.blocks)


@dataclass(frozen=True)
class _Scaled:
    factor: float
    weight: Callable[[float], float]

    def __call__(self, progress: float) -> float:
        return self.factor * self.weight(progress)


def _names(losses: list[Loss]) -> list[str]:
    """Return the class names, with their detail where a name alone is not unique, and numbered where that is not."""
    plain = [type(loss).__name__ for loss in losses]
    full = [f"{name}({loss.detail})" if loss.detail else name for name, loss in zip(plain, losses, strict=True)]
    named = [p if plain.count(p) == 1 else f for p, f in zip(plain, full, strict=True)]
    taken: list[str] = []
    for i, name in enumerate(named):
        number = named[:i].count(name) + 1
        unique = name if named.count(name) == 1 else f"{name}{number}"
        while unique in taken or (unique != name and unique in named):  # a class may be called Equivariance2
            number += 1
            unique = f"{name}{number}"
        taken.append(unique)
    return taken


def _product(a: Weight, b: Weight) -> Weight:
    if isinstance(b, Ramp) and isinstance(a, int | float):
        return replace(b, start=a * b.start, stop=a * b.stop)  # still a ramp, which can be written down
    if isinstance(a, int | float):
        return a * b if isinstance(b, int | float) else _Scaled(a, b)
    if isinstance(b, int | float):
        return _product(b, a)
    raise InputError("expected at most one ramp on a term, but two came: multiply the term by one ramp alone")


def _at(weight: Weight, evidence: Evidence) -> float:
    return float(weight) if isinstance(weight, int | float) else weight(evidence.progress)
