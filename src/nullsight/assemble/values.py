"""Values from their written form: plain ones by their type hint, and tensors."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from torch import Tensor

from nullsight.assemble.context import Context
from nullsight.assemble.places import place
from nullsight.data import read_array
from nullsight.types import InputError


def plain(value: Any, hint: Any, where: str) -> Any:
    """Return a plain value as its type hint has it; InputError for one that does not fit."""
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError):
        adapter = TypeAdapter(hint)
    try:  # strict, so that "8" or true is no number; through JSON, so that a list may stand for a tuple
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"expected another value for {where}, but {value!r} came: {reason.lower()}") from None
    except (TypeError, ValueError) as error:  # dates, which TOML has and JSON has not
        raise InputError(f"expected another value for {where}, but {value!r} came: {error}") from None


def tensor(value: list[Any], where: str) -> Tensor:
    """Return the tensor that is written out as a list."""
    try:
        return torch.tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"expected numbers in rows of one length for {where}, but {error}: correct them") from None


def array(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Tensor:
    """Return the kept tensor of ``{"array": key}``."""
    return _kept(value.pop("array"), where, context, value)


def sparse(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Tensor:
    """Return the kept matrix of ``{"sparse": key, "shape": [rows, columns]}``."""
    key, shape = value.pop("sparse"), value.pop("shape", None)
    rows, columns, values = (_kept(f"{key}.{name}", where, context, value) for name in ("rows", "columns", "values"))
    try:
        return torch.sparse_csr_tensor(rows, columns, values, size=tuple(shape), check_invariants=True)
    except (TypeError, RuntimeError) as error:
        raise InputError(f"expected a whole sparse matrix for {where}, but {error}: is the file damaged?") from None


def _kept(key: Any, where: str, context: Context, rest: Mapping[str, Any]) -> Tensor:
    _nothing_else(rest, where)
    if key not in context.arrays:
        raise InputError(f"expected the array {key!r} of {where} beside the recipe, but it is missing: is a file lost?")
    return context.arrays[key]


def file(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Tensor:
    """Return the tensor of ``{"file": path}``; ``key`` names one of several."""
    name, key = value.pop("file"), value.pop("key", None)
    _nothing_else(value, where)
    if not isinstance(name, str) or not isinstance(key, str | None):
        raise InputError(f"expected the path of a file for {where}, but {name!r} came: correct it")
    return read_array(place(name, context.root), key).values


def _nothing_else(rest: Mapping[str, Any], where: str) -> None:
    if rest:
        raise InputError(f"expected nothing else beside the tensor of {where}, but {', '.join(rest)} came: remove it")
