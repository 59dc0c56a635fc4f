"""Every part remembers how it was built: a constructor argument is kept as an attribute of the same name.

That one convention lets a run made from Python be written down as a recipe and be rebuilt from it.
"""

import inspect

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
    for name in inspect.signature(type(part)).parameters:
        if not hasattr(part, name):
            raise InputError(
                f"expected {type(part).__name__} to keep its constructor argument {name!r} as an attribute, but it has "
                f"none: set self.{name} in its constructor so that a run can be rebuilt"
            )
        found[name] = getattr(part, name)
    return found
