"""When a bank's images are replaced by reconstructions of the moment: one value for each rule, none with truth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nullsight.types import InputError


class Refresh(ABC):
    """A rule for replacing virtual images.

    Attributes:
        samples: how many of the training samples give a problem with a known answer, on which f and what made the first
            images are compared; 0 where the rule does not compare them.
    """

    samples: int = 0

    @abstractmethod
    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether images are replaced at this moment.

        Args:
            progress: the share of the planned steps that is done, 0 .. 1.
            now: the mean error of f on those problems; None where it is not known yet.
            first: that of what made the first images.
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
    """Images are replaced while f beats what made the first ones, on problems whose answer is known.

    The problems are virtual: some of the first images, turned, measured (with noise) and reconstructed by both. A weak
    f would drag a good bank down; a strong one raises it. The comparison is made without truth, so it is not exact:
    what the first images lack is in no problem (which favours what made them), and f is trained on problems of this
    kind (which favours f). Hence the margin.

    Args:
        samples: of the training set that give a problem, spread evenly over it, >= 1.
        margin: replaced while f's mean error is below ``margin`` times the other's, > 0.

    Raises:
        InputError: no samples, or a margin of 0 or less.

    Example:
        >>> WhileBetter(margin=0.9).allows(0.5, now=0.8, first=1.0)
        True
    """

    samples: int = 16
    margin: float = 0.9

    def __post_init__(self) -> None:
        if self.samples < 1 or not self.margin > 0:
            raise InputError(
                f"expected at least 1 sample and a margin above 0, but {self.samples} and {self.margin} came"
            )

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether both are known and f is better."""
        return now is not None and first is not None and now < self.margin * first


REFRESHES: dict[str, type[Refresh]] = {"never": Never, "always": Always, "while_better": WhileBetter}
