"""Parts from their written form and back: the one place where strings become classes.

Written, a part is ``{"name": ..., <constructor arguments>}``; an argument may be another part (``copies = 5`` makes a
list of networks, each with the next seed), ``{"make": function, ...}`` for a tensor made by a function (a random mask),
``{"file": path}`` for one in a file, or ``{"array": key}`` for one kept beside a run or in a container.
"""

import importlib
import inspect
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from torch import Tensor, nn

from nullsight.catalogue import MAKERS, NETWORKS, TABLES
from nullsight.data import read_array
from nullsight.groups.base import Family
from nullsight.networks import copies
from nullsight.noise import Noise
from nullsight.parts import arguments
from nullsight.schema import unknown_key
from nullsight.types import InputError


@dataclass(frozen=True)
class Context:
    """What the parts of one recipe share.

    Attributes:
        root: the folder that file names are relative to.
        arrays: kept tensors by key.
        group: goes where a part needs a group or family and none is written.
        noise: goes where a part takes a noise and none is written.
        network: goes where a part needs a ``network`` and none is written.
        image_shape: goes where a part needs one; its first number where one needs ``channels``, the rest where one
            needs a ``shape``.
    """

    root: Path = Path()
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    group: Family | None = None
    noise: Noise | None = None
    network: nn.Module | None = None
    image_shape: tuple[int, ...] | None = None


def build(written: Mapping[str, Any], kind: type, where: str, context: Context) -> Any:
    """Build the part that is written, which must be a ``kind``; ``where`` names it in errors.

    Raises:
        InputError: an unknown name or argument (the valid ones are named), a value that does not fit, or another kind.
    """
    content = dict(written)
    if not isinstance(content.get("name"), str):
        raise InputError(f"expected {where} to have a name, but it has none: add name = ...")
    maker = _find(content.pop("name"), (kind,), where, context)
    return _call(maker, content, where, context)


def describe(part: object, arrays: dict[str, Tensor], where: str) -> dict[str, Any]:
    """Write a part down; its tensors go into ``arrays`` under keys that begin with ``where``."""
    written = {"name": _name_of(type(part))}
    for key, value in arguments(part).items():
        plain = _write(value, arrays, f"{where}.{key}")
        if plain is not None:
            written[key] = plain
    return written


def _write(value: object, arrays: dict[str, Tensor], where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor) and value.layout is torch.sparse_csr:
        pieces = {"rows": value.crow_indices(), "columns": value.col_indices(), "values": value.values()}
        arrays.update({f"{where}.{name}": piece.detach().clone() for name, piece in pieces.items()})
        return {"sparse": where, "shape": list(value.shape)}
    if isinstance(value, Tensor | np.ndarray):
        arrays[where] = torch.as_tensor(value).detach().clone().contiguous()
        return {"array": where}
    if isinstance(value, Path | torch.Size):
        return str(value) if isinstance(value, Path) else list(value)
    if isinstance(value, Mapping):
        return {str(key): _write(item, arrays, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence | nn.ModuleList):
        return [_write(item, arrays, f"{where}.{i}") for i, item in enumerate(value)]
    if inspect.isfunction(value):
        return f"{value.__module__}:{value.__qualname__}"
    return describe(value, arrays, where)


def _name_of(kind: type) -> str:
    for table in TABLES:
        for name, known in table.items():
            if known is kind:
                return name
    return f"{kind.__module__}:{kind.__qualname__}"


def _find(name: str, kinds: tuple[type, ...], where: str, context: Context) -> Callable[..., Any]:
    if ":" in name:
        return _load(name, where, context)
    valid = [known for table in TABLES for known, kind in table.items() if _fits(kind, kinds)]
    for table in TABLES:
        if name in table and _fits(table[name], kinds):
            return table[name]
    raise InputError(unknown_key(name, valid, where) + '; a class of your own is written as "module:Class"')


def _load(name: str, where: str, context: Context) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    folder = str(context.root.resolve())
    if folder not in sys.path:  # a user's own parts lie beside the recipe
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"expected {name!r} in {where} to be a module and a class in it, but {error}") from None
    if not callable(found):
        raise InputError(f"expected {name!r} in {where} to be a class or a function, but it is {type(found).__name__}")
    return typing.cast(Callable[..., Any], found)


def _call(maker: Callable[..., Any], content: dict[str, Any], where: str, context: Context) -> Any:
    parameters = inspect.signature(maker).parameters
    for key in content:
        if key not in parameters:
            raise InputError(unknown_key(key, parameters, where))
    hints = typing.get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
    ready: dict[str, Any] = {}
    for key, parameter in parameters.items():
        hint = hints.get(key, Any)
        if key in content:
            ready[key] = _convert(content[key], hint, f"{where}.{key}", context)
        else:
            shared = _shared(key, hint, context)
            if shared is not None:
                ready[key] = shared
            elif parameter.default is inspect.Parameter.empty:
                raise InputError(f"expected {where} to have {key!r}, but it is not given: add it")
    try:
        return maker(**ready)
    except TypeError as error:
        raise InputError(f"expected values that {where} can take, but {error}") from error


def _shared(key: str, hint: Any, context: Context) -> Any:
    kinds = _kinds(hint)
    if any(_fits(kind, (Family,)) for kind in kinds):
        return context.group
    if Noise in kinds:
        return context.noise
    by_name: dict[str, Any] = {"network": context.network, "image_shape": context.image_shape}
    if context.image_shape is not None:
        by_name |= {"channels": context.image_shape[0], "shape": context.image_shape[1:]}
    return by_name.get(key)


def _convert(value: Any, hint: Any, where: str, context: Context) -> Any:
    kinds = _kinds(hint)
    if isinstance(value, Mapping):
        if "array" in value:
            return _array(value["array"], where, context)
        if "file" in value:
            return _file(value["file"], where, context)
        if "make" in value:
            content = dict(value)
            name = content.pop("make")
            if name not in MAKERS:
                raise InputError(unknown_key(str(name), MAKERS, f"{where}.make"))
            return _call(MAKERS[name], content, where, context)
        if "sparse" in value:
            return _sparse(value, where, context)
        if "name" in value:
            content = dict(value)
            count = content.pop("copies", None)
            part = _call(_find(content.pop("name"), kinds, where, context), content, where, context)
            return part if count is None else copies(part, int(count))
    if isinstance(value, str) and Tensor in kinds and str not in kinds:
        return _file(value, where, context)
    if isinstance(value, str) and ":" in value and str not in kinds:
        return _load(value, where, context)
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        inner = next((a for a in typing.get_args(hint) if a is not type(None)), Any)
        return [_convert(item, inner, f"{where}.{i}", context) for i, item in enumerate(value)]
    if isinstance(value, list) and kinds == (Tensor,):
        return torch.tensor(value)
    return _plain(value, hint, where)


def _plain(value: Any, hint: Any, where: str) -> Any:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError):
        adapter = TypeAdapter(hint)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"expected another value for {where}, but {value!r} came: {reason.lower()}") from None


def _array(key: str, where: str, context: Context) -> Tensor:
    if key not in context.arrays:
        raise InputError(f"expected the array {key!r} of {where} beside the recipe, but it is missing: is a file lost?")
    return context.arrays[key]


def place(name: str, root: Path) -> Path:
    """Return the path that a recipe means: environment variables and ``~`` filled in, relative to the recipe.

    Raises:
        InputError: a variable that is not set.
    """
    text = os.path.expandvars(name)
    missing = re.search(r"\$\{?(\w+)", text)
    if missing:
        raise InputError(
            f"expected the environment variable {missing[1]} for {name!r}, but it is not set: point it to the folder "
            f"of the data"
        )
    path = Path(text).expanduser()
    return path if path.is_absolute() else root / path


def _sparse(value: Mapping[str, Any], where: str, context: Context) -> Tensor:
    rows, columns, values = (
        _array(f"{value['sparse']}.{name}", where, context) for name in ("rows", "columns", "values")
    )
    return torch.sparse_csr_tensor(rows, columns, values, size=tuple(value["shape"]))


def _file(name: str, where: str, context: Context) -> Tensor:
    return read_array(place(name, context.root)).values


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return all classes in a type hint, unions and sequences opened."""
    inner = typing.get_args(hint)
    if inner:
        return tuple(kind for one in inner for kind in _kinds(one))
    return (hint,) if isinstance(hint, type) else ()


def _fits(kind: Any, kinds: tuple[type, ...]) -> bool:
    if nn.Module in kinds and kind in NETWORKS.values():  # reconstructors and losses are modules too, but not networks
        return True
    try:
        return isinstance(kind, type) and issubclass(kind, tuple(k for k in kinds if k is not nn.Module))
    except TypeError:  # a protocol with data members cannot be asked
        return True
