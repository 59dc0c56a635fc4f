"""Buffers that have their size only once a training has begun."""

from typing import Any, ClassVar

import torch
from torch import nn


class Growing(nn.Module):
    """A module that can be read back whatever size its growing buffers had, empty as they are before a training.

    Attributes:
        growing: the names of these buffers, which are registered here.
    """

    growing: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        for name in self.growing:
            self.register_buffer(name, torch.zeros(0))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self.growing:
            if (kept := state.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(kept.shape))
        super()._load_from_state_dict(state, prefix, *rest)
