"""A part written down: its name and its constructor's arguments, tensors aside."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nullsight.assemble.own_parts import reference_to
from nullsight.catalogue import TABLES
from nullsight.parts import arguments
from nullsight.types import InputError

_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def describe(part: object, arrays: dict[str, Tensor], where: str) -> dict[str, Any]:
    """Write a part down.

    Args:
        part: whose constructor's arguments are kept as attributes of the same names.
        arrays: takes its tensors, under keys that begin with ``where``.
        where: what the part is called.

    Raises:
        InputError: a part that cannot be built again from what it says of itself.
    """
    kind = type(part)
    weights = isinstance(part, nn.Module) and any(True for _ in part.parameters())
    if (weights and kind.__module__.startswith("torch.")) or _collects(kind):
        raise InputError(
            f"expected parts that a run can be rebuilt from, but {where} holds a {kind.__name__}: put it into a class "
            f"of your own whose constructor names its arguments and keeps them as attributes"
        )
    parameters = inspect.signature(kind).parameters
    written: dict[str, Any] = {"name": _name_of(kind)}
    for key, value in arguments(part).items():
        if value is not None:
            written[key] = _write(value, arrays, f"{where}.{key}")
        elif parameters[key].default is not None:
            written[key] = {"none": True}
    return written


def _write(value: object, arrays: dict[str, Tensor], where: str) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if value is None:
        return {"none": True}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor) and value.layout is torch.sparse_csr:
        pieces = {"rows": value.crow_indices(), "columns": value.col_indices(), "values": value.values()}
        arrays.update({f"{where}.{name}": piece.detach().clone() for name, piece in pieces.items()})
        return {"sparse": where, "shape": list(value.shape)}
    if isinstance(value, Tensor | np.ndarray):
        arrays[where] = torch.as_tensor(value).detach().cpu().clone().contiguous()
        return {"array": where}
    if isinstance(value, Path | torch.Size):
        return str(value) if isinstance(value, Path) else list(value)
    if isinstance(value, Mapping):
        return {str(key): _write(item, arrays, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence | nn.ModuleList):
        return [_write(item, arrays, f"{where}.{i}") for i, item in enumerate(value)]
    if inspect.isroutine(value) or inspect.isclass(value):
        return reference_to(value)
    return describe(value, arrays, where)


def _collects(kind: type) -> bool:
    """Return whether a constructor takes arguments without names, or does not say what it takes."""
    if inspect.getattr_static(kind, "__init__") is nn.Module.__init__:  # it has none of its own, so it takes nothing
        return False
    try:
        return any(one.kind in _COLLECTING for one in inspect.signature(kind).parameters.values())
    except ValueError:
        return True


def _name_of(kind: type) -> str:
    for table in TABLES:
        for name, known in table.items():
            if known is kind:
                return name
    return reference_to(kind)
