"""What the parts of one recipe share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from nullsight.groups.base import Family
from nullsight.noise import Noise


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
        reconstructor: goes where a part takes another reconstructor ``f`` and none is written.
        seed: goes where a part takes a ``seed`` and none is written.
        shared: all families and noises that were built so far; equal ones become one object, so that losses share
            what they compute, and what they learn of a noise.
    """

    root: Path = Path()
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    group: Family | None = None
    noise: Noise | None = None
    network: nn.Module | None = None
    image_shape: tuple[int, ...] | None = None
    reconstructor: nn.Module | None = None
    seed: int | None = None
    shared: list[Family | Noise] = field(default_factory=list)
