"""Toy losses, and the toy world they are checked in: signals of six samples, seen through a 4 x 6 matrix."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nullsight.draws import Draws, Stream
from nullsight.groups.base import FiniteGroup
from nullsight.losses import (
    L1,
    SURE,
    AdversarialEquivariance,
    AffineContrast,
    AsPublished,
    AugmentedSupervised,
    BankEquivariance,
    ChangedOperator,
    CountShifts,
    Equivariance,
    EquivariantSplitting,
    Evidence,
    ExactProduct,
    Gamma,
    GroupAction,
    Huber,
    IntensityGradient,
    LabelledEvidence,
    Loss,
    MeasurementConsistency,
    PerturbedOperator,
    PreconditionedConsistency,
    Recorrupted,
    Splitting,
    Supervised,
    ThroughDagger,
    WeightedSURE,
)
from nullsight.losses.bank import NOISELESS
from nullsight.losses.errors import MEAN_SQUARE, Error
from nullsight.noise import Gaussian, GaussianPair, Noise, Poisson, PoissonGaussian, UnknownNoise
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.splits import RandomEntries

N, M, BATCH = 6, 4, 4


class ToyMatrix(LinearPhysics):
    """``y = M x``, one matrix for all or one a sample, with or without unmeasured entries."""

    per_sample = ("matrix", "seen")
    matrix: Tensor
    seen: Tensor

    def __init__(self, matrix: Tensor, seen: Tensor | None = None) -> None:
        wide = matrix if matrix.ndim == 3 else matrix[None]
        super().__init__((1, wide.shape[2]), (wide.shape[1],))
        self.register_buffer("matrix", wide)
        self.register_buffer("seen", torch.ones(1, wide.shape[1], dtype=torch.bool) if seen is None else seen)

    @property
    def measured(self) -> Tensor:
        return self.seen

    def _measure(self, x: Tensor) -> Tensor:
        return (self.matrix @ x.mT)[..., 0] * self.seen

    def _adjoint(self, y: Tensor) -> Tensor:
        return (self.matrix.mT @ (y * self.seen)[..., None]).mT

    def _invert(self, y: Tensor) -> Tensor:
        return (torch.linalg.pinv(self.matrix * self.seen[..., None].to(y)) @ y[..., None]).mT


class Roll(FiniteGroup):
    """Cyclic shifts of signals."""

    def __init__(self, order: int = N) -> None:
        self.order = order

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        return (g + h) % self.order

    def inverse(self, g: Tensor) -> Tensor:
        return -g % self.order

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return torch.stack([row.roll(int(k), -1) for k, row in zip(g, x, strict=True)])

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return self.act(self.inverse(g), x)


class LinearF(nn.Module):
    """``f(y) = W y``; counts how often it is called."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.calls = nn.Parameter(weight), 0

    def begin(self, y: Tensor, physics: Physics) -> Tensor:
        return physics.A_dagger(y)

    def forward(
        self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None
    ) -> Tensor:
        self.calls += 1
        return (y @ self.weight.T)[:, None]


class ToyScore(nn.Module):
    """One score a signal."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(N, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def randn(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def toy_matrix(dtype: torch.dtype = torch.float64) -> Tensor:
    return randn(M, N, seed=1, dtype=dtype)


def waves(dtype: torch.dtype = torch.float64) -> Tensor:
    """Return a basis ``(N, 2)`` of a space of signals that shifts map to itself."""
    angle = 2 * torch.pi * torch.arange(N, dtype=torch.float64) / N
    return torch.stack([angle.cos(), angle.sin()], 1).to(dtype)


def perfect(matrix: Tensor) -> LinearF:
    """Return the f that recovers every wave."""
    basis = waves(matrix.dtype)
    return LinearF(basis @ torch.linalg.pinv(matrix @ basis))


def draws(batch: int = BATCH, seed: int = 0) -> Draws:
    return Draws(seed, 0, tuple(range(batch)))


def evidence(
    dtype: torch.dtype = torch.float64,
    *,
    f: nn.Module | None = None,
    physics: Physics | None = None,
    scale: float = 2.0,
) -> Evidence:
    """Return evidence without truth: waves through the toy matrix (or another operator)."""
    operator = ToyMatrix(toy_matrix(dtype)) if physics is None else physics
    x = (randn(BATCH, 2, seed=2, dtype=dtype) @ waves(dtype).T)[:, None]
    g = LinearF(randn(N, M, seed=3, dtype=dtype)) if f is None else f
    return Evidence(operator.A(x), operator, torch.arange(BATCH), draws(), 0.5, g, scale=scale)


def labelled_evidence(
    dtype: torch.dtype = torch.float64, *, f: nn.Module | None = None, has: tuple[bool, ...] = (True, True, False, True)
) -> LabelledEvidence:
    """Return the same with truth where ``has`` says so."""
    plain = evidence(dtype, f=f)
    x = (randn(BATCH, 2, seed=2, dtype=dtype) @ waves(dtype).T)[:, None]
    has_x = torch.tensor(has)
    x = torch.where(has_x[:, None, None], x, torch.full_like(x, 99.0))
    rest = (plain.y, plain.physics, plain.ids, plain.draws, plain.progress, plain.reconstruct)
    return LabelledEvidence(*rest, scale=plain.scale, x=x, has_x=has_x)


def gains(physics: Physics, stream: Stream) -> Physics:
    """Perturb an operator: one gain a sample, within 10 %."""
    assert isinstance(physics, ToyMatrix)
    gain = 0.9 + 0.2 * stream.uniform().to(physics.matrix)
    return ToyMatrix(physics.matrix * gain[:, None, None], physics.seen)


def filled_bank(noise: Noise = NOISELESS, error: Error = MEAN_SQUARE) -> BankEquivariance:
    """Return the loss with other waves than the truth in its bank."""
    start = (randn(BATCH, 2, seed=7) @ waves().T)[:, None]
    loss = BankEquivariance(Roll(), start, noise=noise, error=error).double()
    loss.prepare([evidence()])
    return loss


@dataclass(frozen=True)
class Case:
    """A loss at toy size; ``zero``: it is zero for a perfect reconstructor of an invariant set."""

    name: str
    build: Callable[[], Loss]
    zero: bool = True


LOSSES: list[Case] = [
    Case("measurement_consistency", MeasurementConsistency),
    Case("consistency as published", lambda: MeasurementConsistency(scaling=AsPublished())),
    Case("consistency l1", lambda: MeasurementConsistency(L1())),
    Case("preconditioned_consistency", PreconditionedConsistency),
    Case("equivariance", lambda: Equivariance(Roll())),
    Case("equivariance 3 huber", lambda: Equivariance(Roll(), transforms=3, error=Huber(0.5))),
    Case("bank_equivariance", lambda: filled_bank()),
    Case("bank gaussian l1", lambda: filled_bank(noise=Gaussian(0.1), error=L1()), zero=False),
    Case("equivariance gaussian", lambda: Equivariance(Roll(), Gaussian(0.1), 2), zero=False),
    Case("equivariance poisson", lambda: Equivariance(Roll(), Poisson(0.1)), zero=False),
    # f ignores which entries it is shown, so none of these is zero
    Case("splitting", lambda: Splitting(RandomEntries(0.6)), zero=False),
    Case("splitting, dagger", lambda: Splitting(RandomEntries(0.6), ThroughDagger(), kept=0.5), zero=False),
    Case("equivariant_splitting", lambda: EquivariantSplitting(Roll(), RandomEntries(0.6)), zero=False),
    Case("sure", lambda: SURE(Gaussian(0.1)), zero=False),
    Case("sure, exact, two kinds of noise", lambda: SURE(PoissonGaussian(0.1, 0.2), ExactProduct(2)), zero=False),
    Case("sure, shifts by one count", lambda: SURE(Gaussian(0.1), CountShifts(0.1)), zero=False),
    Case("sure, level unknown", lambda: SURE(UnknownNoise(0.1, 0.1)), zero=False),
    Case("weighted_sure", lambda: WeightedSURE(PoissonGaussian(0.1, 0.2)), zero=False),
    Case("weighted_sure, exact", lambda: WeightedSURE(Gaussian(0.1), ExactProduct()), zero=False),
    Case("recorrupted", lambda: Recorrupted(GaussianPair(0.1)), zero=False),
    Case("supervised", Supervised),
    Case("supervised + ei", lambda: Supervised() + 10 * Equivariance(Roll())),
    Case("semi-supervised", lambda: Supervised() + MeasurementConsistency() + 10 * Equivariance(Roll())),
    Case("adversarial_equivariance", lambda: AdversarialEquivariance(Roll(), ToyScore(), 2), zero=False),
    Case("augmented_supervised", lambda: AugmentedSupervised([GroupAction(Roll()), AffineContrast(0.3)])),
    Case("known operator", lambda: AugmentedSupervised([GroupAction(Roll()), ChangedOperator(gains)]), zero=False),
    Case(
        "augmented, all",
        lambda: AugmentedSupervised(
            [IntensityGradient(0.3), Gamma(0.7, 1.4), AffineContrast(0.2, 0.1), PerturbedOperator(gains)], Gaussian(0.1)
        ),
        zero=False,
    ),
]


def filled(loss: BankEquivariance, given: Evidence) -> BankEquivariance:
    """Return the bank, filled from one batch."""
    with torch.no_grad():
        loss.double().prepare([given])
    return loss
