"""Every part remembers how it was built: a constructor argument is kept as an attribute of the same name.

That one convention lets a run made from Python be written down as a recipe and be rebuilt from it.
"""

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.types import InputError


def arguments(part: object) -> dict[str, object]:
    """Return the constructor arguments of ``part``, read from its attributes of the same names.

    Raises:
        InputError: an argument was not kept as an attribute.

    Example:
        >>> from dataclasses import dataclass
        >>> Pair = dataclass(type("Pair", (), {"__annotations__": {"a": int, "b": int}}))
        >>> arguments(Pair(1, 2))
        {'a': 1, 'b': 2}
    """
    found: dict[str, object] = {}
    for name, parameter in inspect.signature(type(part)).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):  # such as those of a plain nn.Module
            continue
        if not hasattr(part, name):
            raise InputError(
                f"expected {type(part).__name__} to keep its constructor argument {name!r} as an attribute, but it has "
                f"none: set self.{name} in its constructor so that a run can be rebuilt"
            )
        found[name] = getattr(part, name)
    return found


def differing(one: object, other: object, skip: Sequence[str] = ()) -> list[str]:
    """Return the names of the constructor arguments in which two parts of one class differ, except ``skip``."""
    theirs = arguments(other)
    mine = {name: value for name, value in arguments(one).items() if name not in skip}
    return [name for name, value in mine.items() if not _same(value, theirs[name])]


def _same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.layout != b.layout:
            return False
        dense = a.layout == torch.strided
        return torch.equal(a, b) if dense else torch.equal(a.to_dense(), b.to_dense())
    return a is b or bool(a == b)
