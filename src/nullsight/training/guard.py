"""A guard against single gradients that are far longer than those before them."""

import math
from dataclasses import dataclass

_MEMORY = 0.98  # of the mean over steps: it looks back about fifty of them
_LEARNS = 20  # steps in which nothing is shortened, as too few are known


@dataclass
class Guard:
    """Knows how long gradients usually are, and from which length on one is shortened.

    One bad sample can give a gradient a million times longer than others. Momentum keeps it for hundreds of steps, the
    mean squares of Adam for thousands, and a training that was nearly done begins anew. The usual norm is the geometric
    mean over about the last fifty steps; a shortened gradient counts with its shortened norm, so that it hardly moves
    the mean, while gradients that grow for good are let through after a while.

    Args:
        factor: how many times the usual norm a gradient may have, > 1; infinite: any.

    Attributes:
        steps: gradients seen.
        logarithm: weighted sum of the logarithms of their norms.
        shortened: how many were too long.

    Example:
        >>> guard = Guard(5.0)
        >>> for norm in [2.0] * 20 + [2e6]:
        ...     guard.see(norm)
        >>> guard.shortened, round(guard.longest, 6)
        (1, 10.975714)
    """

    factor: float
    steps: int = 0
    logarithm: float = 0.0
    shortened: int = 0

    @property
    def longest(self) -> float:
        """The largest norm of the next gradient; infinite as long as too few are known."""
        if self.steps < _LEARNS:
            return math.inf
        return self.factor * math.exp(self.logarithm / (1 - _MEMORY**self.steps))

    def see(self, norm: float) -> None:
        """Take note of the norm of a gradient, as it was before it was shortened."""
        if not 0 < norm < math.inf:  # nothing is learned from zeros, nor from a step that fp16 leaves out
            return
        longest = self.longest
        self.shortened += norm > longest
        self.logarithm = _MEMORY * self.logarithm + (1 - _MEMORY) * math.log(min(norm, longest))
        self.steps += 1

    def state_dict(self) -> dict[str, float]:
        """Return what a continuation must know."""
        return {"steps": self.steps, "logarithm": self.logarithm, "shortened": self.shortened}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take the state of :meth:`state_dict` back."""
        self.steps, self.logarithm = int(state["steps"]), float(state["logarithm"])
        self.shortened = int(state["shortened"])
