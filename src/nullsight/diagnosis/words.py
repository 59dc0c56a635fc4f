"""Verdicts in words: what was found, why, and what to do."""

from nullsight.diagnosis.average import Average
from nullsight.diagnosis.verdict import Sight, Verdict
from nullsight.groups.base import Family, FiniteGroup, Trivial


def summary(verdict: Verdict, sight: Sight) -> str:
    """Return the verdict as a sentence that says what it means for training."""
    alone, visible = f"{100 * sight.alone:.1f} %", f"{100 * sight.visible:.1f} %"
    if verdict is Verdict.HOLDS and sight.alone >= 1 - sight.slack:
        return f"A alone sees {alone} of all directions: no symmetry is needed."
    if verdict is Verdict.HOLDS:
        return (
            f"Every direction comes into view ({alone} without the group): the necessary condition holds, which does "
            f"not say that the measurements are enough."
        )
    if verdict is Verdict.PARTLY:
        return (
            f"A alone sees {alone} of all directions, the group brings {visible} into view; the rest stays invisible "
            f"and can only be guessed by the network."
        )
    if verdict is Verdict.IMPOSSIBLE:
        return (
            f"{sight.distinct} different operators with {sight.measured} measurements each are fewer than the "
            f"{sight.pixels} dimensions of the images: no training can fill in everything ({alone} seen alone, "
            f"{visible} with the group)."
        )
    return (
        f"The group teaches nothing about what A does not see (A sees {alone} of all directions): training with it "
        f"cannot fill in the rest."
    )


def why(verdict: Verdict, sight: Sight, group: Family, average: Average) -> tuple[str, ...]:
    """Return sentences that explain the verdict."""
    found = list(average.notes)
    order = group.order if isinstance(group, FiniteGroup) else None
    nothing = verdict is Verdict.NOTHING
    if nothing and isinstance(group, Trivial):
        found.append("the identity is the only transformation, so what A does not see is never seen")
    elif nothing and sight.distinct == 1 and not found:
        found.append(f"all {order} transformations leave A^T A as it is: what A does not see turns into itself")
    elif nothing and sight.overlap <= sight.slack and sight.visible - sight.alone > sight.slack:
        found.append(
            f"the {sight.distinct} different operators together see {100 * sight.visible:.0f} %, but each its own part "
            f"and no two the same direction, so nothing links what one measurement sees to what it does not: images "
            f"with those parts drawn independently would give the same measurements"
        )
    elif order is not None and sight.distinct < order and not found:
        found.append(f"of {order} transformations only {sight.distinct} make a different operator of A")
    return tuple(found)
