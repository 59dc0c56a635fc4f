"""What the linter cannot see in docstrings: examples, every argument by name, every refusal."""

import importlib
import inspect

import pytest

from tests import rules
from tests.rules import Module, modules
from tests.test_layers import ROOMS_WITH_TABLES

ROOMS = [*ROOMS_WITH_TABLES, "diagnosis", "data", "training", "evaluation", "trust", "report", "contracts", "metrics"]
FILES = [one for name, one in modules().items() if name]


def _parts(room: str) -> dict[str, type]:
    return dict(importlib.import_module(f"nullsight.{room}").TABLE)


@pytest.mark.parametrize("room", ROOMS_WITH_TABLES)
def test_every_part_shows_an_example_and_explains_its_arguments(room: str) -> None:
    wrong = []
    for part in _parts(room).values():
        told = (inspect.getdoc(part) or "") + (inspect.getdoc(part.__init__) or "")
        wrong += [f"{part.__name__} has no example"] * (">>>" not in told)
        wrong += [f"{part.__name__}({name})" for name in rules.unexplained([*inspect.signature(part).parameters], told)]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_explain_their_arguments(room: str) -> None:
    package = importlib.import_module(f"nullsight.{room}")
    wrong = []
    for public in getattr(package, "__all__", ()):
        function = getattr(package, public)
        if inspect.isfunction(function):
            names = list(inspect.signature(function).parameters)
            # one argument, or two, may be explained by the sentence itself
            wrong += [f"{public}({n})" for n in rules.unexplained(names, inspect.getdoc(function) or "")] * (
                len(names) > 2
            )
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_refusals_are_documented(room: str) -> None:
    package = importlib.import_module(f"nullsight.{room}")
    exported = set(getattr(package, "__all__", vars(package)))
    silent = [hit for one in FILES if one.room == room for hit in rules.silent_raises(one)]
    assert [hit for hit in silent if hit.split()[-1] in exported] == []


def test_the_rules_see_bad_docstrings() -> None:
    assert rules.unexplained(["start", "end"], "start: where it begins; ended") == ["end"]
    function = 'def f(x):\n    """Do."""\n    raise InputError("no")\n'
    assert rules.silent_raises(Module("a", function)) != []
    assert rules.silent_raises(Module("a", function.replace("Do.", "Do; InputError if not."))) == []
    part = 'class A:\n    """Be."""\n\n    def __post_init__(self):\n        raise InputError("no")\n'
    assert rules.silent_raises(Module("a", part)) != []
    assert rules.silent_raises(Module("a", part.replace("class A", "class _A"))) == []
