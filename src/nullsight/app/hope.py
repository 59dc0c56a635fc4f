"""One sentence before a training that cannot teach what it is meant to."""

from nullsight.diagnosis import hopeless
from nullsight.losses.base import Loss
from nullsight.physics.base import Physics
from nullsight.types import InputError


class NothingToLearn(UserWarning):
    """The transformations of a loss can teach nothing about what the operator does not see."""


def nothing_to_learn(loss: Loss, physics: Physics) -> str | None:
    """Return a sentence where none of the transformations of a loss can teach anything, None elsewhere.

    A loss without transformations, and one that is given the truth, are not judged.
    """
    families = {id(one): one for _, term in loss.terms() for one in term.families}
    if loss.needs_truth or not families:
        return None
    try:
        found = [hopeless(physics, one) for one in families.values()]
    except InputError:  # what does not fit is refused by the training, which knows better why
        return None
    said = [one for one in found if one is not None]
    if len(said) < len(found):
        return None
    return f"{said[0]} See nullsight diagnose, or nullsight.diagnose(physics, group)."
