"""What a loss may look at: measurements, their physics and the reconstructor; truth lives in another type."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.types import Element, Image, InputError, Measurement, Scalar

Kept = TypeVar("Kept")


@runtime_checkable
class Reconstruct(Protocol):
    """A reconstructor as losses see it: something to call."""

    def __call__(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Image:
        """Return ``f(y)``."""
        ...


@runtime_checkable
class Begins(Protocol):
    """What knows a part of its work that does not depend on weights, as every ``Reconstructor`` does."""

    def begin(self, y: Tensor, physics: Physics) -> Image:
        """Return what the work on ``y`` begins with; handed in again as ``start``."""
        ...


@runtime_checkable
class Solver(Reconstruct, Begins, Protocol):
    """A reconstructor as a part of a loss: something to call that knows what it begins with, unlike a network."""


def begun(f: Reconstruct, y: Measurement, physics: Physics) -> Image:
    """Return what ``f`` begins with, ``(batch, *image_shape)``; ``A_dagger y`` where f does not know."""
    return f.begin(y, physics) if isinstance(f, Begins) else physics.A_dagger(y)


@dataclass(frozen=True)
class Turned:
    """Drawn elements and the images they make: ``x2 = T_g x1``; with k transforms the batch is tiled k times.

    Attributes:
        g: one element per image of ``x2``.
        x2: ``(transforms * batch, *image_shape)``, copy after copy.
        group: the family they were drawn from.
    """

    g: Element
    x2: Image
    group: Family


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
        start: what ``reconstruct`` begins from (``A_dagger y`` for most), kept from before, ``(batch, *image_shape)``.
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
    # not an argument: a changed copy (dataclasses.replace) starts with nothing kept
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def x1(self) -> Image:
        """``f(y)``, computed once and only if a term asks."""
        return self.once("x1", lambda: self.reconstruct(self.y, self.physics, start=self.start, draws=self.draws))

    @property
    def measured_again(self) -> Measurement:
        """``A f(y)``, computed once and only if a term asks."""
        return self.once("measured again", lambda: self.physics.A(self.x1))

    def turned(self, group: Family, transforms: int = 1) -> Turned:
        """Return ``(g, x2)``, shared by every term that asks for the same group and count."""

        def turn() -> Turned:
            g = group.sample(self.draws.repeat(transforms).of(f"transform {type(group).__name__}"))
            x2 = group.act(g, self.x1.repeat(transforms, *[1] * (self.x1.ndim - 1)))
            return Turned(g, x2, group)  # the group is kept: ids are of living objects

        return self.once(("turned", id(group), transforms), turn)

    def virtual(self, group: Family, noise: Noise, transforms: int = 1) -> Virtual:
        """Return ``(g, x2, y2, x3)``, shared by every term that asks for the same group, noise and count."""

        def see() -> tuple[Virtual, Noise]:
            turned = self.turned(group, transforms)
            physics = self.physics.repeat(transforms)
            stream = self.draws.repeat(transforms).of("virtual noise")
            y2 = noise.observe(physics.A(turned.x2), physics.measured, stream)
            x3 = self.reconstruct(y2, physics, draws=self.draws.later(transforms))
            return Virtual(turned.g, turned.x2, y2, x3), noise  # noise is kept: ids are of living objects

        same = noise if isinstance(noise, Hashable) else id(noise)
        return self.once(("virtual", id(group), same, transforms), see)[0]

    def once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what ``make`` returns, computed the first time that something asks for ``key``."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept

    def nothing(self) -> Scalar:
        """Return a zero that depends on the reconstructor: its gradient is zero, not missing."""
        return self.x1[:0].sum()

    def unlabelled(self) -> "Evidence":
        """Return this evidence without truth, sharing everything that is computed."""
        return self

    def take(self, rows: Sequence[int]) -> "Evidence":
        """Return the evidence of some samples of the batch; their draws stay what they are."""
        return type(self)(**self._taken(list(rows)))

    def _taken(self, rows: list[int]) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        values["physics"], values["draws"] = self.physics.take(rows), self.draws.take(rows)
        for name in self._rowwise():
            values[name] = None if values[name] is None else values[name][rows]
        return values

    def _rowwise(self) -> tuple[str, ...]:
        return ("y", "ids", "start")


@dataclass(frozen=True)
class LabelledEvidence(Evidence):
    """Evidence with truth; only a loss that says ``needs_truth`` ever receives it.

    Attributes:
        x: ground truth, ``(batch, *image_shape)``; anything where there is none.
        has_x: which samples carry truth, bool ``(batch,)``.

    Raises:
        InputError: not one ``x`` and one ``has_x`` for each measurement.
    """

    x: Image = field(default_factory=lambda: torch.zeros(0, 1, 1))
    has_x: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))

    def __post_init__(self) -> None:
        if not self.y.shape[0] == self.x.shape[0] == self.has_x.shape[0]:
            raise InputError(
                f"expected one ground truth and one has_x for each of {self.y.shape[0]} measurements, but "
                f"{self.x.shape[0]} and {self.has_x.shape[0]} came: use zeros and False where there is no truth"
            )

    @property
    def labelled_rows(self) -> list[int]:
        """The samples of the batch that carry truth."""
        rows: list[int] = self.has_x.nonzero().flatten().tolist()
        return rows

    def unlabelled(self) -> Evidence:
        """Return this evidence without truth, sharing everything that is computed."""
        plain = Evidence(**{one.name: getattr(self, one.name) for one in fields(Evidence) if one.init})
        object.__setattr__(plain, "_kept", self._kept)
        return plain

    def _rowwise(self) -> tuple[str, ...]:
        return (*super()._rowwise(), "x", "has_x")


def labelled(evidence: Evidence, who: str) -> LabelledEvidence:
    """Return the evidence as one with truth; InputError naming the loss ``who`` where there is none."""
    if not isinstance(evidence, LabelledEvidence):
        raise InputError(f"expected evidence with ground truth for {who}, but it has none: pass truth= to fit")
    return evidence
