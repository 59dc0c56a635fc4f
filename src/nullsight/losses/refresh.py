"""When a bank's images are replaced by reconstructions of the moment: one value for each rule, none with truth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nullsight.losses.base import Loss
from nullsight.types import InputError


class Refresh(ABC):
    """A rule for replacing virtual images.

    Attributes:
        judge: the loss, free of truth, by which reconstructors are compared; None where none is needed.
        samples: how many of the training samples are judged.
    """

    judge: Loss | None = None
    samples: int = 0

    @abstractmethod
    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether images are replaced at this moment.

        Args:
            progress: the share of the planned steps that is done, 0 .. 1.
            now: the judge's mean for the reconstructor of the moment; None where it is not known yet.
            first: the judge's mean for what made the first images; None where it is not known.
        """


@dataclass(frozen=True)
class Never(Refresh):
    """The first images stay."""

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True)
class Always(Refresh):
    """Images are replaced from some moment on; for a bank that begins with f's own first reconstructions.

    Args:
        begin: the share of the planned steps before which nothing is replaced, 0 .. 1.

    Raises:
        InputError: a moment outside [0, 1].
    """

    begin: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.begin <= 1:
            raise InputError(f"expected a moment in [0, 1], but {self.begin} came: it is a share of the planned steps")

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether the moment has come."""
        return progress >= self.begin


@dataclass(frozen=True)
class WhileBetter(Refresh):
    """Images are replaced while f is better than what made them, as a loss that needs no truth judges both.

    A good judge hides measurements and has them predicted, ``Splitting(RandomLines(0.9, axis=1), WeighedSquare())`` for
    the views of a sinogram: a reconstructor that comes nearer to what it has not seen is better in the null space too,
    as far as other measurements of the same kind reach into it. Both are judged on the same samples and splits.

    Args:
        judge: the loss.
        samples: of the training set that are judged, spread evenly over it, >= 1.
        margin: replaced while f's mean is below ``margin`` times the other's, > 0.

    Raises:
        InputError: a judge that needs truth, no samples or a margin of 0 or less.
    """

    judge: Loss
    samples: int = 16
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.judge.needs_truth:
            raise InputError(f"expected a judge that needs no truth, but {type(self.judge).__name__} does")
        if self.samples < 1 or not self.margin > 0:
            raise InputError(
                f"expected at least 1 judged sample and a margin above 0, but {self.samples} and {self.margin} came"
            )

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether both are known and f is better."""
        return now is not None and first is not None and now < self.margin * first


REFRESHES: dict[str, type[Refresh]] = {"never": Never, "always": Always, "while_better": WhileBetter}
