"""Opponents in the loss: each has its own Adam and minimises its own objective, once a step."""

from typing import Any

import torch

from nullsight.losses.base import Evidence, Loss, Player
from nullsight.training.backend import Backend


class Opponents:
    """All players of a loss with their optimisers.

    Args:
        loss: whose players they are.
        backend: how gradients are computed and averaged.
    """

    def __init__(self, loss: Loss, backend: Backend) -> None:
        self.backend = backend
        self.players: tuple[Player, ...] = tuple(loss.players())
        self.optimisers = [
            torch.optim.Adam(player.module.parameters(), lr=player.learning_rate, foreach=False)
            for player in self.players
        ]

    def step(self, evidence: Evidence | None, share: float) -> None:
        """Move every opponent once; ``evidence`` is None in a process that has no sample of this batch."""
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            optimiser.zero_grad()  # f's own loss left gradients here
            if evidence is not None:
                self.backend.backward(player.objective(evidence))
            self.backend.average_gradients(player.module.parameters(), share)
            self.backend.step(optimiser)

    def state_dict(self) -> dict[str, Any]:
        """Return the players' weights and their optimisers' states."""
        return {
            "modules": [player.module.state_dict() for player in self.players],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`state_dict` back."""
        for player, module in zip(self.players, state["modules"], strict=True):
            player.module.load_state_dict(module)
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
