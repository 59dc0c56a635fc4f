"""Saturating detectors: what the cut leaves, who works with it, and what equivariant imaging learns beyond it."""

import pytest
import torch
from torch import Tensor, nn

from nullsight.draws import Draws, Stream
from nullsight.groups import Shifts
from nullsight.groups.base import Family
from nullsight.losses import Equivariance, Evidence, Loss, MeasurementConsistency
from nullsight.physics import Blur, Inpainting, MatrixOperator, Saturation, gaussian_kernel, gaussian_matrix
from nullsight.reconstructors import ConjugateGradients, TotalVariation, Unweighed
from nullsight.types import InputError
from tests.cases.sinograms import relative


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_are_cut_and_nothing_else() -> None:
    inner = MatrixOperator((1, 4, 5), gaussian_matrix(15, 20, seed=2)).double()
    physics, x = Saturation(inner, 0.5, low=-1.0), 2 * rand(3, 1, 4, 5) - 1
    y = physics.A(x)
    assert torch.equal(y, inner.A(x).clamp(-1.0, 0.5))
    assert torch.equal(physics.A_dagger(y), inner.A_dagger(y))
    assert physics.norm() == inner.norm() and physics.dagger_gain() == inner.dagger_gain()
    assert physics.measured is None
    seen = Saturation(Inpainting((1, 2), torch.tensor([1, 0])), 3.0, low=1.0)
    assert torch.equal(seen.A(torch.zeros(1, 1, 2)), torch.tensor([[[1.0, 0.0]]]))


def test_saturated_values_have_no_weight_and_no_slope() -> None:
    physics = Saturation(Inpainting((1, 5), torch.tensor([1, 1, 1, 1, 0])).double(), 1.0, low=-1.0, margin=0.25)
    x = torch.tensor([[[0.5, 0.9, 3.0, -2.0, 0.1]]], dtype=torch.float64).requires_grad_()
    y = physics.A(x)
    assert physics.linearize(y).weights.flatten().tolist() == [1, 0, 0, 0, 0]
    assert torch.autograd.grad(y.sum(), x)[0].flatten().tolist() == [1, 1, 0, 0, 0]


def test_solvers_leave_saturated_values_out() -> None:
    blur = Blur((1, 12, 12), gaussian_kernel(0.6)).double()
    x = torch.zeros(2, 1, 12, 12, dtype=torch.float64)
    x[0, :, 3:9, 4:8], x[1, :, 2:7, 2:10] = 1.0, 1.5
    x[:, :, 5, 5] = 3.0
    physics = Saturation(blur, 1.6)
    y = physics.A(x)
    assert 0 < int((y == 1.6).sum()) < 8
    step = ConjugateGradients(300, Unweighed())
    found = x - step.direction(x, y, physics)
    torch.testing.assert_close(found, x)  # the image solves its linear problem, though not the one with the cut values
    assert float((blur.A(x) - y).abs().max()) > 0.1
    smooth = TotalVariation(iterations=200)
    assert relative(smooth(y, physics), x) < 0.7 * relative(smooth(y, blur), x)


class Gains(Family):
    """Brighter and darker images are images too."""

    def sample(self, stream: Stream) -> Tensor:
        return torch.exp(0.8 * stream.uniform((1,)) - 0.2)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return x * g.to(x).reshape(-1, *[1] * (x.ndim - 1))

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return self.act(g, x)


class Residual(nn.Module):
    """``f(y) = y + G(y)``."""

    def __init__(self, size: int, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, size)
            )

    def forward(self, y: Tensor, physics: object, *, start: Tensor | None = None, draws: Draws | None = None) -> Tensor:
        return y + self.layers(y)


def trained(loss: Loss, y: Tensor, physics: Saturation, seed: int, steps: int = 1500) -> Residual:
    f = Residual(y.shape[-1], seed)
    optimizer = torch.optim.Adam(f.parameters(), 3e-3)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    ids = torch.arange(len(y))
    for epoch in range(steps):
        rows = (epoch * 64 + torch.arange(64)) % len(y)
        evidence = Evidence(y[rows], physics, ids[rows], Draws(0, epoch, tuple(rows.tolist())), 0.5, f)
        optimizer.zero_grad()
        loss(evidence).backward()
        optimizer.step()
        slower.step()
    return f


def test_equivariant_imaging_learns_what_is_beyond_the_range() -> None:
    """Waves of any strength, cut at 1: gains show weak ones as strong ones; consistency alone says nothing there.

    When this was written, errors were 0.40 of the wave as it came, 0.39 with consistency alone and 0.23 with gains;
    the same network trained with truth had 0.04.
    """
    length = 12
    t = torch.arange(length, dtype=torch.float64) / length * 2 * torch.pi
    waves = torch.stack([torch.cos(t), torch.sin(t)], 1)
    x = 2 * (rand(1088, 2) - 0.5) @ waves.T
    x = (x * torch.exp(1.5 * rand(1088, 1, seed=1) - 0.5))[:, None].float()
    physics = Saturation(Inpainting((1, length), torch.ones(length)), 1.0, low=-1.0)
    y = physics.A(x)
    test, cut = x[1024:], y[1024:]
    assert 0.1 < float((cut.abs() == 1).float().mean()) < 0.4
    alone = trained(MeasurementConsistency(), y[:1024], physics, 0)
    both = trained(MeasurementConsistency() + Equivariance(Gains()), y[:1024], physics, 0)
    with torch.no_grad():
        errors = [relative(f(cut, physics), test) for f in (alone, both)]
    assert errors[1] < 0.75 * errors[0]
    assert errors[1] < 0.75 * relative(cut, test)


class More(nn.Module):
    """``f(y) = y + m``, the same m for all."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.more = nn.Parameter(torch.full((size,), 0.01))

    def forward(self, y: Tensor, physics: object, *, start: Tensor | None = None, draws: Draws | None = None) -> Tensor:
        return y + self.more


def test_shifts_pull_at_what_a_mask_hides_through_a_cut_and_consistency_does_not() -> None:
    mask = torch.tensor([1.0, 1, 0, 1, 1, 1, 0, 1])
    physics = Saturation(Inpainting((1, 8), mask), 0.8)
    x = 0.5 * rand(4, 1, 8).float()
    x[..., 0] = 3.0
    y, hidden = physics.A(x), mask == 0
    slopes = []
    for loss in (MeasurementConsistency(), Equivariance(Shifts((8,)))):
        f = More(8)
        loss(Evidence(y, physics, torch.arange(4), Draws(0, 0, (0, 1, 2, 3)), 0.5, f)).backward()
        assert f.more.grad is not None and bool(f.more.grad.isfinite().all())
        slopes.append(f.more.grad.abs())
    assert not bool(slopes[0][hidden].any()) and float(slopes[0][0]) == 0
    assert float(slopes[0][~hidden][1:].min()) > 0
    assert float(slopes[1][hidden].min()) > 0 and float(slopes[1][0]) > 0


@pytest.mark.parametrize("change", [{"high": -1.0}, {"margin": 1.0}, {"margin": -0.1}, {"high": float("nan")}], ids=str)
def test_bad_arguments_are_refused(change: dict[str, float]) -> None:
    arguments = {"high": 1.0, "low": -1.0, **change}
    with pytest.raises(InputError, match="low below high and room between them"):
        Saturation(Inpainting((1, 2), torch.ones(2)), **arguments)
