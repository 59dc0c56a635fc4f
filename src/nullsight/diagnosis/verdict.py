"""From numbers to one of four verdicts, never to "identifiable"."""

from dataclasses import dataclass
from enum import Enum

SLACK = 0.005  # a share of directions that is not worth a word; twice the error of an estimate comes on top
FLOOR = 1e-4  # of the largest eigenvalue: below it noise and errors of the model grow a hundredfold


class Verdict(Enum):
    """What can be said of an operator and a group before any training, with the exit code of the command."""

    HOLDS = ("necessary condition holds", 0)
    PARTLY = ("partly", 3)
    NOTHING = ("nothing gained", 4)
    IMPOSSIBLE = ("impossible", 4)

    @property
    def words(self) -> str:
        """The verdict as it is printed."""
        return self.value[0]

    @property
    def code(self) -> int:
        """The exit code."""
        return self.value[1]


@dataclass(frozen=True)
class Sight:
    """What is seen, as shares of all directions (0 .. 1).

    Attributes:
        single: by one operator A.
        alone: by all operators A, where there is another one for each sample; else as ``single``.
        visible: by all A T_g.
        overlap: how much of what the operators A T_g see is seen by more than one of them (see :func:`overlapping`).
        pixels: dimension n of the space of images.
        measured: entries m that one measurement has.
        own: different operators A.
        distinct: different operators among the A T_g.
        error: standard error of the shares.
    """

    single: float
    alone: float
    visible: float
    overlap: float
    pixels: int
    measured: int
    own: int
    distinct: int
    error: float = 0.0

    @property
    def slack(self) -> float:
        """What counts as no difference."""
        return SLACK + 2 * self.error

    @property
    def count(self) -> int:
        """All measurements that the different operators would make of one image."""
        return self.distinct * self.measured


def overlapping(distinct: int, single: float, visible: float) -> float:
    """Return how much of what so many operators see is seen by more than one of them, 0 .. 1.

    At 0 their ranges are independent. Then what one sees says nothing of what another sees: images whose parts in
    those ranges are drawn independently of each other give the same measurements and are invariant as well.

    Args:
        distinct: different operators.
        single: what one of them sees, a share of directions or, better, a rank.
        visible: what all of them see, likewise.

    Example:
        >>> overlapping(4, 0.25, 1.0), overlapping(8, 0.25, 1.0)
        (0.0, 0.5)
    """
    total = distinct * single
    return 0.0 if total <= 0 else max(0.0, 1 - visible / total)


def judge(sight: Sight) -> Verdict:
    """Return the verdict.

    Necessary are: ``distinct m >= n`` (Corollary 1 of the equivariant imaging paper, with operators counted once), all
    directions visible (its Theorem 1), and, for anything to be gained, a range that moves (its Section 3.2), be it by
    the group or from sample to sample, and ranges that overlap.
    """
    if sight.single >= 1 - sight.slack:
        return Verdict.HOLDS
    if sight.visible - sight.single <= sight.slack:
        return Verdict.NOTHING
    if sight.count < sight.pixels:
        return Verdict.IMPOSSIBLE
    if sight.overlap <= sight.slack:
        return Verdict.NOTHING
    return Verdict.HOLDS if sight.visible >= 1 - sight.slack else Verdict.PARTLY
