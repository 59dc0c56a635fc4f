"""A part built from its written form."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nullsight.assemble.context import Context
from nullsight.assemble.describing import describe
from nullsight.assemble.own_parts import is_reference, load
from nullsight.assemble.values import array, file, plain, sparse, tensor
from nullsight.catalogue import MAKERS, NETWORKS, TABLES
from nullsight.groups.base import Family
from nullsight.networks import copies
from nullsight.networks.layers import Network
from nullsight.noise import Noise
from nullsight.schema import unknown_key, unknown_name
from nullsight.types import InputError

_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def build(written: Mapping[str, Any], kind: type, where: str, context: Context) -> Any:
    """Build the part that is written, which must be a ``kind``; ``where`` names it in errors.

    Raises:
        InputError: an unknown name (the nearest are given) or argument (the valid ones are), a value that does not
            fit, or another kind.
    """
    content = dict(written)
    if not isinstance(content.get("name"), str):
        raise InputError(f"expected {where} to have a name, but it has none: add name = ...")
    return _part(content, (kind,), where, context)


def _part(content: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Any:
    name = content.pop("name")
    if not isinstance(name, str):
        raise InputError(f"expected the name of {where} to be a text, but {name!r} came: correct it")
    part = _call(_find(name, kinds, where, context), content, where, context)
    _check_kind(part, kinds, name, where)
    return _known(part, context) if isinstance(part, Family | Noise) else part


def _find(name: str, kinds: tuple[type, ...], where: str, context: Context) -> Callable[..., Any]:
    if ":" in name:
        return load(name, where, context.root)
    for table in TABLES:
        if name in table and _fits(table[name], kinds):
            return table[name]
    valid = [known for table in TABLES for known, kind in table.items() if _fits(kind, kinds)]
    raise InputError(unknown_name(name, valid, where) + ' (a class of your own is written as "module:Class")')


def _known(part: Any, context: Context) -> Any:
    """Return the equal part that was built before, if there is one: families and noises are values.

    A noise of unknown level is learned by all terms together, so it must be one object.
    """
    mine: dict[str, Tensor] = {}
    written = describe(part, mine, "part")
    for other in context.shared:
        theirs: dict[str, Tensor] = {}
        if describe(other, theirs, "part") == written and all(torch.equal(mine[k], theirs[k]) for k in mine):
            return other
    context.shared.append(part)
    return part


def _call(maker: Callable[..., Any], content: dict[str, Any], where: str, context: Context) -> Any:
    try:
        signature = inspect.signature(maker).parameters
    except ValueError:
        raise InputError(f"expected a class that says its arguments in {where}, but {maker} does not") from None
    parameters = {k: p for k, p in signature.items() if p.kind not in _COLLECTING}
    for key in content:
        if key not in parameters:
            raise InputError(unknown_key(key, parameters, where))
    hints = _hints(maker)
    ready: dict[str, Any] = {}
    for key, parameter in parameters.items():
        hint = hints.get(key, Any)
        if key in content:
            ready[key] = _convert(content[key], hint, f"{where}.{key}", context)
        else:
            needed = parameter.default is inspect.Parameter.empty
            shared = _shared(key, hint, context, needed=needed)
            if shared is not None:
                ready[key] = shared
            elif needed:
                raise InputError(f"expected {where} to have {key!r}, but it is not given: add it")
    try:
        return maker(**ready)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # constructors, the user's own among them, refuse values in words of many classes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"expected values that {where} can be built from, but it failed: {reason}") from error


def _hints(maker: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
    except NameError:  # a class of the user's own may name types that are only there for a type checker
        return {}


def _shared(key: str, hint: Any, context: Context, *, needed: bool) -> Any:
    kinds = _kinds(hint)
    families = tuple(kind for kind in kinds if issubclass(kind, Family))
    if families:  # one that may be left out means something of its own where it is
        return context.group if needed and isinstance(context.group, families) else None
    if Noise in kinds:
        return context.noise
    by_name: dict[str, Any] = {"network": context.network, "image_shape": context.image_shape, "seed": context.seed}
    by_name["f"] = context.reconstructor
    if context.image_shape is not None:
        by_name |= {"channels": context.image_shape[0], "shape": context.image_shape[1:]}
    return by_name.get(key)


def _convert(value: Any, hint: Any, where: str, context: Context) -> Any:
    kinds = _kinds(hint)
    if isinstance(value, Mapping):
        for key, reader in _SPECIAL.items():
            if key in value:
                return reader(dict(value), kinds, where, context)
    if isinstance(value, str) and str not in kinds:
        if is_reference(value) and not set(kinds) & {Tensor, Path}:
            return load(value, where, context.root)
        if Tensor in kinds:
            return file({"file": value}, kinds, where, context)
    if isinstance(value, list) and any(
        _is_special(item) or (is_reference(item) and str not in kinds) for item in value
    ):
        inner = next((a for a in typing.get_args(hint) if a is not type(None)), Any)
        return [_convert(item, inner, f"{where}.{i}", context) for i, item in enumerate(value)]
    if isinstance(value, list) and set(kinds) - {type(None)} == {Tensor}:
        return tensor(value, where)
    return plain(value, hint, where)


def _is_special(value: object) -> bool:
    return isinstance(value, Mapping) and any(key in value for key in _SPECIAL)


def _made(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Any:
    name = value.pop("make")
    if not isinstance(name, str) or name not in MAKERS:
        raise InputError(unknown_name(str(name), MAKERS, f"{where}.make"))
    return _call(MAKERS[name], value, where, replace(context, seed=None))  # a run's seed draws no mask


def _nested(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> Any:
    count = value.pop("copies", None)
    part = _part(value, kinds, where, context)
    if count is None:
        return part
    if not isinstance(count, int) or count < 1 or not isinstance(part, Network):
        raise InputError(f"expected copies = 1 or more of a network for {where}, but {count!r} came: correct it")
    return copies(part, count)


def _none(value: dict[str, Any], kinds: tuple[type, ...], where: str, context: Context) -> None:
    return None


_SPECIAL: dict[str, Callable[[dict[str, Any], tuple[type, ...], str, Context], Any]] = {
    "array": array,
    "file": file,
    "make": _made,
    "name": _nested,
    "none": _none,
    "sparse": sparse,
}
"""What a table may stand for, by the key that tells it."""


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return all classes in a type hint, unions and sequences opened; those a function takes are not its own."""
    if typing.get_origin(hint) is Callable:
        return ()
    inner = typing.get_args(hint)
    if inner:
        return tuple(kind for one in inner for kind in _kinds(one))
    return (hint,) if isinstance(hint, type) else ()


def _fits(kind: type, kinds: tuple[type, ...]) -> bool:
    if not kinds:  # an argument of the user's own class without a hint takes anything
        return True
    if nn.Module in kinds and kind in NETWORKS.values():  # reconstructors and losses are modules too, but not networks
        return True
    try:
        return issubclass(kind, tuple(k for k in kinds if k is not nn.Module))
    except TypeError:  # a protocol with data members cannot be asked
        return True


def _check_kind(part: object, kinds: tuple[type, ...], name: str, where: str) -> None:
    try:
        fits = not kinds or isinstance(part, kinds)
    except TypeError:  # a protocol that cannot be asked
        fits = True
    if not fits:
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise InputError(f"expected {where} to be a {wanted}, but {name!r} is a {type(part).__name__}: name another")
