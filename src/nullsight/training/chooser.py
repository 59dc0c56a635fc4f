"""Which of the weights that a run passes through are kept: those of the best look, by measurements alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from nullsight.data.datasets import MeasurementSet
from nullsight.losses.base import Loss
from nullsight.training.held_out import See
from nullsight.types import InputError

TOTAL = "held_out/total"  # what a look calls the loss on held-out measurements

Looking = Callable[[See], dict[str, float]]


class Chooser(ABC):
    """Says at every look how good the weights of the moment are, without ground truth, by a number: smaller is better.

    The weights of the smallest number are a run's ``best`` checkpoint, and patience counts the looks since then. The
    smallest number so far is in every checkpoint, so a chooser has to find the same number for the same weights.
    """

    @property
    @abstractmethod
    def words(self) -> str:
        """What the weights that were kept have the smallest of, in words."""

    @abstractmethod
    def key(self, loss: Loss) -> str | None:
        """Return the name of the number among a look's scores; None where nothing says which weights are better."""

    @abstractmethod
    def begin(self, data: MeasurementSet, held_out: MeasurementSet | None) -> Looking:
        """Get ready for a run and return what is asked at every look: from how f reconstructs to scores by name.

        Args:
            data: what is trained on, on the run's device.
            held_out: measurements that are not trained on, where there are some.
        """

    @abstractmethod
    def check_patience(self, loss: Loss, held_out: MeasurementSet | None) -> None:
        """Raise an :class:`InputError` where no look can say when to stop early."""


@dataclass(frozen=True)
class HeldOutTotal(Chooser):
    """The loss on held-out measurements, where there are some and all of its terms can tell (``Loss.chooses``).

    Example:
        >>> from nullsight.losses import MeasurementConsistency
        >>> HeldOutTotal().key(MeasurementConsistency())
        'held_out/total'
    """

    @property
    def words(self) -> str:
        """The held-out total."""
        return "held-out total of the loss"

    def key(self, loss: Loss) -> str | None:
        """Return the name of the total; None where a term's value says nothing of how good f is."""
        return TOTAL if loss.chooses else None

    def begin(self, data: MeasurementSet, held_out: MeasurementSet | None) -> Looking:
        """Return what adds nothing: the loss on held-out measurements is looked at in any case."""
        return nothing

    def check_patience(self, loss: Loss, held_out: MeasurementSet | None) -> None:
        """Raise an :class:`InputError` without held-out measurements, or where a term of the loss cannot choose."""
        if held_out is None:
            raise InputError(
                "expected held-out measurements for early stopping, but none came: pass them or no patience"
            )
        if not loss.chooses:
            raise InputError(
                "expected a loss whose held-out value says when to stop early, but that of a bank only says how "
                "consistent f is with itself, and that of an unknown noise level moves with the level: leave patience "
                "out, or choose by trust.PredictedError"
            )


def nothing(see: See) -> dict[str, float]:
    """Return no scores."""
    return {}
