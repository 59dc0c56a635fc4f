"""The recipe as typed, torch-free models: what may be written in a TOML file, checked before anything heavy is loaded.

A part (physics, noise, group, network, reconstructor, loss, optimiser, schedule, chooser) is a table with its ``name``
(from the package's table, or ``"module:Class"`` for a part of your own) and its constructor's arguments; those are
checked against the constructor when the part is built. All other sections are checked here.
"""

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nullsight.errors import InputError

_BUDGETS = ("minutes", "epochs", "steps")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Part(BaseModel):
    """A part by its name and constructor arguments."""

    model_config = ConfigDict(extra="allow")
    name: str

    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments as written."""
        return dict(self.model_extra or {})


class RampSpec(_Strict):
    """A weight that changes linearly with the training's progress (0 .. 1)."""

    start: float
    stop: float
    begin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    end: Annotated[float, Field(gt=0, le=1)] = 1.0


class LossPart(Part):
    """A term of the objective with its weight."""

    weight: float | RampSpec = 1.0


class DataSection(_Strict):
    """Where measurements are: containers (.h5), arrays (.npy, .npz) or folders of images; paths beside the recipe."""

    measurements: str | None = None
    truth: str | None = None
    test_measurements: str | None = None
    test_truth: str | None = None
    axes: str | None = None
    key: str | None = None
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    groups: str | None = None


class SimulateSection(_Strict):
    """Images to make measurements from with ``nullsight simulate``; ``train`` and ``test`` are [first, end).

    ``shrink = 2`` takes the means of 2 x 2 pixels. ``noise`` is what the measurements get, where that is another than
    the [noise] to be reckoned with. ``phase`` makes complex images of magnitudes: the standard deviation of a smooth
    phase of each one's own, in degrees.
    """

    images: str
    axes: str | None = None
    key: str | None = None
    train: tuple[int, int] | None = None
    test: tuple[int, int] | None = None
    shrink: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0
    noise: Part | None = None
    phase: Annotated[float, Field(ge=0)] | None = None


class TrainingSection(_Strict):
    """How long and how; see ``nullsight.training.Settings``. Exactly one of minutes, epochs, steps."""

    minutes: Annotated[float, Field(gt=0)] | None = None
    epochs: Annotated[int, Field(gt=0)] | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] = 2
    optimiser: Part = Part(name="adam")
    schedule: Part = Part(name="cosine")
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    clip_spikes: Annotated[float, Field(gt=1)] = 5.0
    precision: str = "32-true"
    channels_last: bool = False
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = None
    keep_dagger: bool = True
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5.0
    checkpoint_steps: Annotated[int, Field(gt=0)] | None = None
    evaluate_every: Annotated[int, Field(gt=0)] | None = None
    chooser: Part = Part(name="held_out_total")
    patience: Annotated[int, Field(gt=0)] | None = None
    log_every: Annotated[int, Field(gt=0)] | None = None
    threads: Annotated[int, Field(gt=0)] | None = None
    accelerator: str = "auto"
    processes: Annotated[int, Field(gt=0)] = 1

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainingSection":
        given = [n for n in _BUDGETS if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"expected one of minutes, epochs and steps, but {' and '.join(given)} came: keep one")
        return self


class Recipe(_Strict):
    """A whole experiment; helpers stand around the trained reconstructor at test time, and only where asked for."""

    title: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataSection = DataSection()
    simulate: SimulateSection | None = None
    physics: Part | None = None
    noise: Part | None = None
    group: Part | None = None
    network: Part | None = None
    reconstructor: Part | None = None
    loss: list[LossPart] = []
    helper: list[Part] = []
    training: TrainingSection = TrainingSection()


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply ``section.key=value`` overrides (TOML values; a bare word is a string).

    ``base = "common.toml"`` takes another recipe's values where this one has none; sections are merged key by key,
    except that a part with another ``name`` and the list of losses stand for themselves. Of several bases in a list the
    later ones come first.

    Raises:
        InputError: no such file, no TOML, an unknown key (the valid ones are named) or a value that does not fit.
    """
    content = _with_base(path, ())
    for override in overrides:
        apply_override(content, override)
    return parse_recipe(content, str(path))


def _with_base(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    content = _read_toml(path)
    named = content.pop("base", [])
    merged: dict[str, Any] = {}
    for base in named if isinstance(named, list) else [named]:
        below = (path.parent / str(base)).resolve()
        if below in (*above, path.resolve()):
            raise InputError(f"expected a base recipe that is not based on itself, but {path} leads back to {below}")
        merged = _merged(merged, _with_base(below, (*above, path.resolve())))
    return _merged(merged, content)


def _merged(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in content.items():
        old = merged.get(key)
        same = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("name", old.get("name")) == old.get("name")
        )
        merged[key] = _merged(old, value) if same and isinstance(old, dict) else value
    return merged


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected a recipe at {path}, but it cannot be read ({error.strerror}): check the path"
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"expected {path} to be a TOML text, but it is not UTF-8: is it another kind of file?"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"expected {path} to be TOML, but it is not: {error}") from None


def parse_recipe(content: dict[str, Any], source: str) -> Recipe:
    """Check a recipe's content; InputError with one sentence about its first mistake."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{source}: {_sentence(error.errors()[0])}") from None


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set one value of a recipe's content in place, from ``section.key=value`` (``loss.0.weight=10`` for lists)."""
    path, separator, text = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        raise InputError(f"expected an override such as training.minutes=5, but {override!r} came")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    place: Any = content
    for key in keys[:-1]:
        place = _step(place, key, override)
    last = keys[-1]
    if (
        keys[:-1] == ["training"] and last in _BUDGETS and isinstance(place, dict)
    ):  # one budget stands in place of another
        for other in _BUDGETS:
            place.pop(other, None)
    if isinstance(place, list):
        _step(place, last, override)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"expected a section before {last!r} in {override!r}, but a single value is there")


def _step(place: Any, key: str, override: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(key, {})
    if isinstance(place, list) and key.isdigit() and int(key) < len(place):
        return place[int(key)]
    raise InputError(f"expected {key!r} to name a section or an entry of a list in the override {override!r}")


def unknown_key(key: str, valid: Iterable[str], where: str) -> str:
    """Return the sentence for a key that does not exist, with the valid ones and the nearest."""
    names = sorted(valid)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown key {key!r} in {where}: the valid ones are {', '.join(names) or 'none'}{hint}"


def unknown_name(name: str, valid: Iterable[str], where: str) -> str:
    """Return the sentence for a name that does not exist, with the nearest ones; all of them where none is near."""
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the valid ones are {', '.join(names)}"
    return f"unknown name {name!r} in {where}: {hint}"


_MODELS: dict[str, type[BaseModel]] = {
    "": Recipe,
    "data": DataSection,
    "simulate": SimulateSection,
    "training": TrainingSection,
    "weight": RampSpec,
}


def _sentence(error: Any) -> str:
    places = [str(p) for p in error["loc"]]
    where = ".".join(p for p in places if not p.endswith("Spec") and p != "float")
    if error["type"] == "extra_forbidden":
        section = next((p for p in reversed(places[:-1]) if p in _MODELS), "")
        return unknown_key(places[-1], _MODELS[section].model_fields, f"[{section}]" if section else "the recipe")
    if error["type"] == "missing":
        return f"expected {where}, but it is not given: add it"
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return (
        f"expected another value for {where}, but {error['input']!r} came: {error['msg'][0].lower()}{error['msg'][1:]}"
    )
