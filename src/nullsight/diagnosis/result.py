"""What a diagnosis found: numbers, a verdict and words, as text and as JSON."""

import math
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from torch import Tensor

from nullsight.diagnosis.irreps import Bounds
from nullsight.diagnosis.threshold import Threshold
from nullsight.diagnosis.verdict import Sight, Verdict
from nullsight.diagnosis.words import percent


@dataclass(frozen=True)
class Point:
    """Shares of directions (0 .. 1) with an eigenvalue above ``threshold`` times the largest."""

    threshold: float
    alone: float
    visible: float


@dataclass(frozen=True)
class Gain:
    """How much more noise than the best direction the worst of the ``share`` most visible ones gets; inf: unseen."""

    share: float
    noise: float


@dataclass(frozen=True)
class Candidate:
    """Another group, and what share of directions it would make visible."""

    group: str
    visible: float
    verdict: Verdict


@dataclass(frozen=True)
class Diagnosis:
    """What an operator and a group of transformations can ever teach, before any training.

    All of it is necessary, none of it sufficient: learning also needs images that are invariant, and enough of them.

    Attributes:
        verdict: impossible, nothing gained, partly, or necessary condition holds.
        summary: the verdict in a sentence.
        physics: class of the operator.
        group: the transformations.
        order: of the group; None: not finite.
        operators: how many operators A there are, one for each sample; 1 where one serves all.
        sight: shares of directions, dimensions, the number of different operators.
        threshold: from which eigenvalue on a direction counts as visible.
        rank_alone: rank of A, where all eigenvalues are known.
        rank_visible: rank of all A T_g one below the other (Theorem 1), likewise.
        curve: the shares over the threshold; a bare rank misleads.
        moved: share of what A sees that a random transformation moves out of its sight.
        gains: noise gain of the most to the least visible directions.
        bounds: of the sensing theorems, for generic A alone.
        why: sentences that explain the verdict.
        advice: sentences about what to do.
        candidates: other groups, the best first.
        how: how N was computed.
        residuals: ``|N v| / |v|`` of each invisible direction v that is drawn, relative to the largest eigenvalue.
        invisible: pictures of invisible directions, ``(count, *image_shape)``; of a smaller grid where ``how`` says so.
    """

    verdict: Verdict
    summary: str
    physics: str
    group: str
    order: int | None
    operators: int
    sight: Sight
    threshold: Threshold
    rank_alone: int | None
    rank_visible: int | None
    curve: tuple[Point, ...]
    moved: float
    gains: tuple[Gain, ...]
    bounds: Bounds | None
    why: tuple[str, ...]
    advice: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    how: str
    residuals: tuple[float, ...]
    invisible: Tensor

    @property
    def code(self) -> int:
        """The command's exit code: 0 necessary condition holds, 3 partly, 4 nothing gained or impossible."""
        return self.verdict.code

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, without the pictures; what is infinite is None."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return {**plain, "code": self.code, "count": self.sight.count}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the diagnosis as lines of text."""
        s = self.sight
        error = f", +- {100 * s.error:.1f} %" if s.error else ""
        lines = [
            f"{self.physics} and {self.group}: {self.verdict.words}",
            self.summary,
            f"  directions above {self.threshold.value:.1e} of the most visible one ({self.threshold.reason}{error}):",
            f"    A alone {percent(s.alone)}, with the group {percent(s.visible)}",
            "  above       " + "".join(f"{one.threshold:>9.0e}" for one in self.curve),
            "    A alone   " + "".join(f"{percent(one.alone):>9}" for one in self.curve),
            "    with group" + "".join(f"{percent(one.visible):>9}" for one in self.curve),
            f"  count: {s.distinct} different operators ({self._made}) x {s.measured} measurements = {s.count} "
            f"{'>=' if s.count >= s.pixels else '<'} {s.pixels} = dimension of the images",
            f"  a transformation moves {percent(self.moved)} of what A sees out of its sight; "
            f"{percent(s.overlap)} of what the operators see is seen by several",
            "  noise gain of the best "
            + ", ".join(f"{100 * one.share:g} % of directions {_gain(one.noise)}" for one in self.gains),
        ]
        if self.rank_alone is not None and self.rank_visible is not None:
            lines.append(f"  ranks: A {self.rank_alone}, all A T_g {self.rank_visible} of {s.pixels}")
        if self.residuals:
            least = ", ".join(f"{one:.1e}" for one in self.residuals)
            lines.append(f"  invisible directions v that are drawn: |N v| / |v| = {least} of the largest")
        if self.bounds is not None:
            lines.append("  " + _bounds(self.bounds, s.measured, self.order))
        lines += [f"why: {one}" for one in self.why]
        lines += [f"what to do: {one}" for one in self.advice]
        if self.candidates:
            tried = ", ".join(f"{c.group} {percent(c.visible)} ({c.verdict.words})" for c in self.candidates)
            lines.append(f"other groups, if the images are invariant to them: {tried}")
        return [*lines, f"computed: {self.how}"]

    @property
    def _made(self) -> str:
        """What the operators are made of: samples and elements, of which several may make the same."""
        samples = "" if self.operators == 1 else f"{self.operators} samples, "
        return f"{samples}{'no finite group' if self.order is None else f'|G| = {self.order}'}"


def _bounds(of: Bounds, measured: int, order: int | None) -> str:
    said = f"sensing theorems: any A needs m >= {'' if of.exact else 'about '}{of.necessary}"
    if of.sufficient is not None:
        said += f", and m >= {of.sufficient} is enough for a generic A and images of dimension {of.dimension}"
        if of.cyclic is not None and of.cyclic != order:
            said += f" (it is proven for cyclic groups; by the subgroup of order {of.cyclic})"
    return f"{said}; m = {measured} (generic A is drawn at random; masks, views and blurs are not)"


def _gain(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "infinite"


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.words
    if is_dataclass(value) and not isinstance(value, type | Enum):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "invisible"}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
