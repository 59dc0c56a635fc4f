"""Parts of the user's own: classes and functions named ``"module:name"``, found beside the recipe or installed."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from nullsight.types import InputError

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_INSTALLED = ("site-packages", "dist-packages")


def is_reference(value: object) -> bool:
    """Return whether a value has the form ``"module:name"``."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def load(name: str, where: str, root: Path) -> Callable[..., Any]:
    """Return the class or function that ``"module:name"`` means; a file ``module.py`` in ``root`` goes first.

    Raises:
        InputError: no such module, one that cannot be imported, nothing of that name in it, or no class or function.
    """
    if not is_reference(name):
        raise InputError(f'expected "module:Class" in {where}, but {name!r} came: name a module and a class in it')
    module, _, attribute = name.partition(":")
    try:
        found = attrgetter(attribute)(_module(module, root.resolve()))
    except Exception as error:  # the user's file is run, and anything may be wrong in it
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"expected {name!r} in {where} to be a class in a module, but it failed with {reason}"
        ) from error
    if not callable(found):
        raise InputError(f"expected {name!r} in {where} to be a class or a function, but it is {type(found).__name__}")
    return cast(Callable[..., Any], found)


def reference_to(value: Any) -> str:
    """Return ``"module:name"`` of a class or function.

    Raises:
        InputError: it cannot be imported again from there: it is defined in a script or a function, or is a lambda.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", type(value).__name__)
    found = None
    if module is not None and module != "__main__" and "<" not in name:
        try:
            found = attrgetter(name)(sys.modules[module])
        except (AttributeError, KeyError):
            found = None
    if found is not value:
        raise InputError(
            f"expected parts that a run can be rebuilt from, but {name} of {module} cannot be imported again: define "
            f"it by name in a module of its own (not in the script that is run, nor in a function)"
        )
    return f"{module}:{name}"


def own_files(content: Any) -> dict[str, Path]:
    """Return the files of the user's own single-file modules that a written form refers to, by module name."""
    found: dict[str, Path] = {}
    for name in _references(content):
        module = name.partition(":")[0]
        file = _file_of(sys.modules.get(module))
        if file is not None and "." not in module:
            found[module] = file
    return found


def _module(name: str, root: Path) -> ModuleType:
    beside = root / f"{name}.py"
    known = sys.modules.get(name)
    if not beside.is_file() or (known is not None and _file_of(known) is None):
        return importlib.import_module(name)
    if known is not None and _same_text(_file_of(known), beside):
        return known
    spec = importlib.util.spec_from_file_location(name, beside)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(root) not in sys.path:  # for what it imports itself, and for the other processes of a run
        sys.path.append(str(root))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _file_of(module: ModuleType | None) -> Path | None:
    """Return the file of a module that is neither installed nor of the standard library nor part of a package."""
    file = None if module is None else getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return None
    path = Path(file)
    installed = any(part in _INSTALLED for part in path.parts)
    return None if installed or hasattr(module, "__path__") or not path.is_file() else path


def _same_text(one: Path | None, other: Path) -> bool:
    return one is not None and one.read_bytes() == other.read_bytes()


def _references(content: Any) -> list[str]:
    if isinstance(content, Mapping):
        return [name for value in content.values() for name in _references(value)]
    if isinstance(content, list | tuple):
        return [name for value in content for name in _references(value)]
    return [content] if is_reference(content) else []
