"""A running average of the weights."""

import copy

import torch
from torch import nn


class Averaging:
    """The exponential moving average of a module's weights; other buffers are taken over as they are.

    The decay is ``min(decay, (1 + step) / (10 + step))``, so that the first weights, which are noise, are soon
    forgotten.

    Args:
        module: whose weights are averaged; it is copied.
        decay: share of the old average that is kept at each step, in (0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, new in zip(self.module.parameters(), module.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
        for kept, now in zip(self.module.buffers(), module.buffers(), strict=True):
            kept.copy_(now)
