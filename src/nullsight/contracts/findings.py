"""What a check found: one line a claim."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isinf


@dataclass(frozen=True)
class Finding:
    """One claim of a part and what was measured.

    Attributes:
        name: of the claim.
        stated: the bound that the part states or the contract sets; inf where there is none.
        measured: the number found; NaN where the check could not run.
        passed: whether the claim holds.
        message: what is wrong, "" where nothing is.
    """

    name: str
    stated: float
    measured: float
    passed: bool
    message: str = ""

    def __str__(self) -> str:
        bound = "no bound is stated" if isinf(self.stated) else f"should be <= {self.stated:.1e}"
        return f"{'ok  ' if self.passed else 'FAIL'} {self.name}: {bound}, is {self.measured:.1e}"


class ContractError(AssertionError):
    """A claim that does not hold; an AssertionError, so that test runners show it as a failed test."""

    def __init__(self, name: str, stated: float, measured: float, *, least: float = 0.0) -> None:
        bound = (
            f"should be <= {stated:.1e}" if measured > stated or measured != measured else f"should be >= {least:.1e}"
        )
        super().__init__(f"{name}: {bound}, is {measured:.1e}")
        self.name, self.stated, self.measured = name, stated, measured


def require(name: str, measured: float, stated: float, *, least: float = 0.0) -> float:
    """Return ``measured`` if it is from ``least`` to ``stated``; else raise a :class:`ContractError`."""
    if not least <= measured <= stated:
        raise ContractError(name, stated, measured, least=least)
    return measured


def find(name: str, stated: float, check: Callable[[], float]) -> Finding:
    """Run one check and return what it found; never raises."""
    try:
        return Finding(name, stated, check(), True)
    except ContractError as error:
        return Finding(name, error.stated, error.measured, False, str(error))
    except Exception as error:  # a foreign part may fail in any way: that is a finding too
        return Finding(name, stated, float("nan"), False, f"{type(error).__name__}: {error}")
