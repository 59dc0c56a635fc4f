"""Everything that changes while a run goes on, in one place: what a checkpoint holds."""

import copy
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nullsight.losses.base import WeightedSum
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.averaging import Averaging
from nullsight.training.backend import Backend
from nullsight.training.checkpoint import AVERAGED, LOSS, STATE, WEIGHTS, Checkpoints, read_state, state_to_bytes
from nullsight.training.evidence import Mixed
from nullsight.training.guard import Guard
from nullsight.training.players import Opponents
from nullsight.training.settings import Settings
from nullsight.training.weights import load_state, read_weights, weights_to_bytes
from nullsight.types import InputError


class State:
    """Weights, their average, optimiser, opponents and counters. No generator is among them: every step seeds its own.

    Args:
        reconstructor: f, on the run's device already.
        loss: the objective, which may have buffers and opponents of its own.
        settings: of the run.
        backend: of the run.

    Attributes:
        step: how many are done.
        minutes: spent until now.
        best: the smallest number of the chooser so far; infinite before the first look.
        misses: looks since then.
        sums: of the values since the last line of metrics, by name, with the number of samples.
    """

    def __init__(self, reconstructor: Reconstructor, loss: WeightedSum, settings: Settings, backend: Backend) -> None:
        self.reconstructor, self.loss, self.backend = reconstructor, loss, backend
        self.f = Mixed(reconstructor, backend)
        if not any(p.requires_grad for p in reconstructor.parameters()):
            raise InputError(
                f"expected a reconstructor with weights to train, but {type(reconstructor).__name__} has none: use it "
                f"as it is"
            )
        self.optimiser = settings.optimiser.build(self.parameters())
        for group in self.optimiser.param_groups:
            group["initial_lr"] = group["lr"]
        self.opponents = Opponents(loss, backend)
        self.averaging = None if settings.averaging is None else Averaging(reconstructor, settings.averaging)
        self.smoothed = None if self.averaging is None else Mixed(self.averaging.module, backend)
        self.guard = Guard(settings.clip_spikes)
        self.step, self.minutes, self.best, self.misses = 0, 0.0, math.inf, 0
        self.sums: dict[str, list[float]] = {}

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights that are trained."""
        return [p for p in self.reconstructor.parameters() if p.requires_grad]

    @property
    def scale(self) -> float:
        """The data's intensity scale."""
        return float(self.reconstructor.scale)

    @property
    def shown(self) -> Mixed:
        """The reconstructor that is evaluated: the averaged one where the run averages."""
        return self.smoothed or self.f

    def rate(self, factor: float) -> None:
        """Set the learning rate to ``factor`` times that of the optimiser, for each of its groups."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def capture(self) -> dict[str, Any]:
        """Return all of it as plain values, sharing memory with the run."""
        return {
            "weights": self.reconstructor.state_dict(),
            "averaged": None if self.averaging is None else self.averaging.module.state_dict(),
            "loss": self.loss.state_dict(),
            "rest": {
                "step": self.step,
                "minutes": self.minutes,
                "best": self.best,
                "misses": self.misses,
                "sums": self.sums,
                "optimiser": self.optimiser.state_dict(),
                "opponents": self.opponents.state_dict(),
                "guard": self.guard.state_dict(),
                "scaler": self.backend.scaler_state(),
            },
        }

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of all of it that the run's going on does not change."""
        return copy.deepcopy(self.capture())

    def restore(self, captured: dict[str, Any], source: str) -> None:
        """Take all of it back; InputError where it belongs to other parts."""
        load_state(captured["weights"], self.reconstructor, source)
        if self.averaging is not None and captured["averaged"] is not None:
            load_state(captured["averaged"], self.averaging.module, source)
        rest = captured["rest"]
        try:
            self.optimiser.load_state_dict(rest["optimiser"])
            self.loss.load_state_dict(captured["loss"])
            self.opponents.load_state_dict(rest["opponents"])
            self.guard.load_state_dict(rest.get("guard", self.guard.state_dict()))  # none in runs from before it
            self.backend.load_scaler_state(rest["scaler"])
            self.step, self.minutes = int(rest["step"]), float(rest["minutes"])
            self.best, self.misses = float(rest["best"]), int(rest["misses"])
            self.sums = {name: list(values) for name, values in rest["sums"].items()}
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise InputError(
                f"expected the training state of this loss and optimiser in {source}, but it does not fit "
                f"({str(error).splitlines()[0][:120]}): resume with the run's own parts"
            ) from None

    def write(self, checkpoints: Checkpoints, *, best: bool) -> None:
        """Write a checkpoint."""
        captured = self.capture()
        files = {WEIGHTS: weights_to_bytes(captured["weights"]), STATE: state_to_bytes(captured["rest"])}
        if captured["averaged"] is not None:
            files[AVERAGED] = weights_to_bytes(captured["averaged"])
        if captured["loss"]:
            files[LOSS] = weights_to_bytes(captured["loss"])
        checkpoints.write(self.step, files, best=best)

    def read(self, folder: Path) -> None:
        """Take a checkpoint back; InputError where a file is cut off, of another kind or of other parts."""
        averaged = None if self.averaging is None else read_weights(folder / AVERAGED)
        rest = read_state(folder / STATE)
        kept = read_weights(folder / LOSS) if (folder / LOSS).exists() else {}
        captured = {"weights": read_weights(folder / WEIGHTS), "averaged": averaged, "loss": kept, "rest": rest}
        self.restore(captured, str(folder))

    def weights_to_use(self) -> dict[str, Tensor]:
        """Return a copy of the weights that are evaluated."""
        module = self.reconstructor if self.averaging is None else self.averaging.module
        return {name: value.detach().clone() for name, value in module.state_dict().items()}


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed torch's generators of this device (dropout and the like draw from them), inside a forked generator only."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
