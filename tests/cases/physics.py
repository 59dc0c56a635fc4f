"""Toy operators: every contract runs through all of them in float32 and float64."""

from collections.abc import Callable
from dataclasses import dataclass

from nullsight.physics.base import Physics


@dataclass(frozen=True)
class Case:
    """One operator at toy size, built anew at every call."""

    name: str
    build: Callable[[], Physics]


PHYSICS: list[Case] = []
