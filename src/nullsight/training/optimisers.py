"""Optimisers as values: what moves the weights. The loop builds them; a recipe writes them down."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from nullsight.types import InputError


class Optimiser(ABC):
    """How weights are moved along their gradients."""

    learning_rate: float

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return a fresh optimiser over ``parameters``."""


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam (Kingma and Ba, ICLR 2015); ``weight_decay`` is an L2 penalty on the weights.

    Args:
        learning_rate: step length before the schedule, > 0.
        betas: decay of the first and second moment, each in [0, 1).
        weight_decay: >= 0.

    Example:
        >>> Adam(1e-3).build([nn.Parameter(torch.zeros(2))]).param_groups[0]["lr"]
        0.001
    """

    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.betas, self.weight_decay)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return a fresh Adam."""
        return torch.optim.Adam(
            parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, foreach=False
        )


@dataclass(frozen=True)
class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    Args:
        learning_rate: step length before the schedule, > 0.
        betas: decay of the first and second moment, each in [0, 1).
        weight_decay: share by which weights shrink, times the learning rate, a step; >= 0.
    """

    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.betas, self.weight_decay)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return a fresh AdamW."""
        return torch.optim.AdamW(
            parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, foreach=False
        )


def _check(learning_rate: float, betas: tuple[float, float], weight_decay: float) -> None:
    if not learning_rate > 0:
        raise InputError(f"expected a learning rate above 0, but {learning_rate} came")
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise InputError(f"expected two betas in [0, 1), but {betas} came")
    if not weight_decay >= 0:
        raise InputError(f"expected a weight decay of at least 0, but {weight_decay} came")
