"""Verdicts in words: what was found, why, and what to do."""

from nullsight.diagnosis.average import Average
from nullsight.diagnosis.verdict import Sight, Verdict
from nullsight.groups.base import Family, FiniteGroup, Trivial


def summary(verdict: Verdict, sight: Sight) -> str:
    """Return the verdict as a sentence that says what it means for training."""
    single, visible = percent(sight.single), percent(sight.visible)
    seen = f"A alone sees {single} of all directions"
    if sight.own > 1:
        seen = f"one operator sees {single} of all directions, the {sight.own} different ones {percent(sight.alone)}"
    if verdict is Verdict.HOLDS and sight.single >= 1 - sight.slack:
        return f"A alone sees {single} of all directions: no symmetry is needed."
    if verdict is Verdict.HOLDS:
        return (
            f"Every direction comes into view ({seen}): the necessary condition holds, which does not say that the "
            f"measurements are enough."
        )
    if verdict is Verdict.PARTLY:
        return (
            f"{_sentence(seen)}, with the group {visible} come into view; the rest stays invisible and can only be "
            f"guessed by the network."
        )
    if verdict is Verdict.IMPOSSIBLE:
        return (
            f"{sight.distinct} different operators with {sight.measured} measurements each are fewer than the "
            f"{sight.pixels} dimensions of the images: no training can fill in everything ({seen}, with the group "
            f"{visible})."
        )
    return f"The group teaches nothing about what A does not see ({seen}): training with it cannot fill in the rest."


def why(verdict: Verdict, sight: Sight, group: Family, average: Average) -> tuple[str, ...]:
    """Return sentences that explain the verdict."""
    found = list(average.notes)
    order = group.order if isinstance(group, FiniteGroup) else None
    nothing = verdict is Verdict.NOTHING
    if nothing and isinstance(group, Trivial) and sight.own == 1:
        found.append("the identity is the only transformation, so what A does not see is never seen")
    elif nothing and sight.distinct == 1 and not found:
        found.append(f"all {order} transformations leave A^T A as it is: what A does not see turns into itself")
    elif nothing and sight.overlap <= sight.slack and sight.visible - sight.single > sight.slack:
        found.append(
            f"the {sight.distinct} different operators together see {100 * sight.visible:.0f} %, but each its own part "
            f"and no two the same direction, so nothing links what one measurement sees to what it does not: images "
            f"with those parts drawn independently would give the same measurements"
        )
    elif order is not None and sight.distinct < order and not found:
        found.append(f"of {order} transformations only {sight.distinct} make a different operator of A")
    if sight.own > 1 and not nothing and sight.visible - sight.alone <= sight.slack:
        found.append("the operators differ from sample to sample and see this much without the group, which adds none")
    if not average.whole:
        found.append("only some of the transformations were averaged over: all of them may bring more into view")
    return tuple(found)


def percent(share: float) -> str:
    """Return a share as it is printed."""
    return f"{100 * share:.1f} %"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
