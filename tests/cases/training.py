"""A small world to train in: a masking operator, cyclic shifts, a few networks and losses, all from seeds."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.draws import Draws
from nullsight.groups.base import FiniteGroup
from nullsight.losses.base import Evidence, LabelledEvidence, Loss, Player
from nullsight.noise import Noiseless
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.training import Adam, Run, Settings, Silent, train

SIZE = 6


class ToyMask(LinearPhysics):
    """Some pixels are seen."""

    per_sample = ("mask",)

    def __init__(self, mask: Tensor) -> None:
        wide = mask if mask.ndim == 4 else mask[None]
        super().__init__(wide.shape[1:], wide.shape[1:])
        self.register_buffer("mask", wide.bool())
        self.mask: Tensor

    @property
    def measured(self) -> Tensor:
        return self.mask

    def _measure(self, x: Tensor) -> Tensor:
        return x * self.mask

    def _adjoint(self, y: Tensor) -> Tensor:
        return y * self.mask

    def _invert(self, y: Tensor) -> Tensor:
        return y * self.mask


class ToyShifts(FiniteGroup):
    """Cyclic shifts along the last axis."""

    order = SIZE

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        return (g + h) % SIZE

    def inverse(self, g: Tensor) -> Tensor:
        return -g % SIZE

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return torch.stack([one.roll(int(k), -1) for k, one in zip(g, x, strict=True)])

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return self.act(self.inverse(g), x)


class Toy(Reconstructor):
    """A network after ``A_dagger y``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def _reconstruct(self, y: Tensor, physics: Physics, start: Tensor | None, draws: Draws | None) -> Tensor:
        x = physics.A_dagger(y) if start is None else start
        return x + self.scale * self.network(x / self.scale)


def _seeded(seed: int, make: type, *args: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made: nn.Module = make(*args)
    return made


class ToyNetwork(nn.Sequential):
    """Two convolutions."""

    def __init__(self, middle: nn.Module | None = None) -> None:
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), middle or nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))


def toy(middle: nn.Module | None = None, seed: int = 0) -> Toy:
    return Toy(_seeded(seed, ToyNetwork, middle))


class ToyConsistency(Loss):
    def forward(self, evidence: Evidence) -> Tensor:
        return ((evidence.physics.A(evidence.x1) - evidence.y) / evidence.scale).square().mean()


class ToyEquivariance(Loss):
    def __init__(self) -> None:
        super().__init__()
        self.group = ToyShifts()

    def forward(self, evidence: Evidence) -> Tensor:
        virtual = evidence.virtual(self.group, Noiseless())
        return ((virtual.x3 - virtual.x2) / evidence.scale).square().mean()


class ToySupervised(Loss):
    needs_truth: ClassVar[bool] = True

    def forward(self, evidence: Evidence) -> Tensor:
        assert isinstance(evidence, LabelledEvidence)
        return ((evidence.x1 - evidence.x) / evidence.scale).square().mean()


class ToyAdversarial(Loss):
    """A least-squares game between x1 and x2."""

    def __init__(self) -> None:
        super().__init__()
        self.group = ToyShifts()
        self.critic = nn.Sequential(nn.Flatten(), _seeded(5, nn.Linear, SIZE * SIZE, 1))

    def forward(self, evidence: Evidence) -> Tensor:
        fake = evidence.virtual(self.group, Noiseless()).x2
        return (self.critic(fake) - 1).square().mean()

    def players(self) -> tuple[Player, ...]:
        return (Player(self.critic, self._objective, 1e-2),)

    def _objective(self, evidence: Evidence) -> Tensor:
        real, fake = evidence.x1.detach(), evidence.virtual(self.group, Noiseless()).x2.detach()
        return (self.critic(real) - 1).square().mean() + self.critic(fake).square().mean()


def toy_loss() -> Loss:
    return ToyConsistency() + 0.5 * ToyEquivariance()


@dataclass(frozen=True)
class World:
    data: MeasurementSet
    truth: TruthSet
    held_out: MeasurementSet


def world(samples: int = 7, *, many: bool = False) -> World:
    """Return measurements of smooth images, through one mask or one mask a sample."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(samples + 3, 1, SIZE, SIZE, generator=generator).cumsum(-1)
    masks = torch.rand(samples + 3 if many else 1, 1, SIZE, SIZE, generator=generator) > 0.3
    physics = ToyMask(masks)
    everything = MeasurementSet(physics.A(x), physics)
    rows = range(samples)
    return World(everything.take(rows), TruthSet(x[:samples]), everything.take(range(samples, samples + 3)))


FAST = Adam(1e-2)


def go(settings: Settings, **more: Any) -> Run:
    w = world(many=more.pop("many", False))
    f = more.pop("f", None) or toy()
    return train(f, w.data, more.pop("loss", None) or toy_loss(), settings, display=Silent(), **more)
