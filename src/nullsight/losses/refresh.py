"""When a bank's images are renewed by reconstructions of the moment: one value for each rule, none with truth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from nullsight.losses.residuals import ENTRYWISE, Residual
from nullsight.physics.splits import Split
from nullsight.types import InputError


class Refresh(ABC):
    """A rule for renewing virtual images.

    Attributes:
        residual: how predicted and hidden measurements are compared, where the rule asks for errors.
        samples: how many of the training samples give a virtual problem for that estimate.
        renews: whether it ever allows anything.
    """

    renews: ClassVar[bool] = True
    residual: Residual = ENTRYWISE
    samples: int = 16

    @property
    def hidden(self) -> Split | None:
        """Which measurements are hidden to estimate the errors of the first images; None: the rule asks for none."""
        return None

    @abstractmethod
    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether one image is renewed at this moment.

        Args:
            progress: the share of the planned steps that is done, 0 .. 1.
            now: the estimated mean square of f's error on this sample; None where the rule does not ask for it.
            first: that of the first image; None likewise.
        """


@dataclass(frozen=True)
class Never(Refresh):
    """The first images stay."""

    renews: ClassVar[bool] = False

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True)
class Always(Refresh):
    """Images are renewed from some moment on; for a bank that begins with f's own first reconstructions.

    Args:
        begin: the share of the planned steps before which nothing is renewed, 0 .. 1.

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
    """An image is renewed while f seems about as good on its sample as what made it, judged without truth.

    What made the image is judged by hidden measurements: it reconstructs from a part of y and predicts the rest. How
    that error goes with the error of an image made from all of y is found on ``samples`` virtual problems, whose images
    are known. f, which may never have seen a part of a measurement, is judged on virtual problems alone: the sample's
    first image turned, measured and reconstructed, the same one in every pass. A weak f would drag a good bank down; a
    strong one raises it.

    Both estimates have errors of their own: that of one image is noisy, as few measurements are hidden; that of f is
    too low where f knows its training images by heart, and where they are simpler than real ones. A mean of both
    images bears that: it is better than the first one up to a margin well above 1, as their errors differ. With a share
    of 1 an image may get worse by the margin, not more with time, as f is compared with the first one each time.

    Args:
        split: which measurements are hidden, a tenth of them, say.
        residual: how predicted and hidden measurements are compared.
        samples: how many of the training samples give a virtual problem for the first estimate, >= 1.
        margin: an image is renewed while f's mean squared error is below ``margin`` times its own, > 0.

    Raises:
        InputError: no samples, or a margin of 0 or less.

    Example:
        >>> from nullsight.physics import RandomLines
        >>> WhileBetter(RandomLines(0.9, axis=1)).allows(0.5, now=0.7, first=1.0)
        True
    """

    split: Split
    residual: Residual = ENTRYWISE
    samples: int = 16
    margin: float = 1.2

    def __post_init__(self) -> None:
        if self.samples < 1 or not self.margin > 0:
            raise InputError(
                f"expected at least 1 sample and a margin above 0, but {self.samples} and {self.margin} came"
            )

    @property
    def hidden(self) -> Split | None:
        """The split."""
        return self.split

    def allows(self, progress: float, now: float | None, first: float | None) -> bool:
        """Return whether both are known and f is good enough."""
        return now is not None and first is not None and now < self.margin * first


REFRESHES: dict[str, type[Refresh]] = {"never": Never, "always": Always, "while_better": WhileBetter}
