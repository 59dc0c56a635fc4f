"""Adversarial equivariance: the formula, and who is moved by what."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from nullsight.losses import AdversarialEquivariance, MeasurementConsistency, Supervised
from nullsight.types import InputError
from tests.cases.losses import LinearF, M, N, Roll, ToyScore, evidence, labelled_evidence, randn


def setting() -> tuple[AdversarialEquivariance, LinearF]:
    return AdversarialEquivariance(Roll(), ToyScore().double(), 2, learning_rate=0.02), LinearF(randn(N, M, seed=3))


def test_both_objectives_are_the_least_squares_ones() -> None:
    loss, f = setting()
    given = evidence(f=f, scale=2.0)
    D, x1, x2 = loss.discriminator, given.x1 / 2.0, given.turned(loss.group, 2).x2 / 2.0
    torch.testing.assert_close(loss(given), ((1 - D(x2)) ** 2).mean())
    torch.testing.assert_close(loss.objective(given), ((1 - D(x1)) ** 2).mean() + (D(x2) ** 2).mean())


def test_the_generator_term_leaves_no_gradient_in_the_discriminator() -> None:
    loss, f = setting()
    (MeasurementConsistency() + 1e-2 * loss)(evidence(f=f)).backward()
    assert all(p.grad is None for p in loss.discriminator.parameters())
    assert all(p.requires_grad for p in loss.discriminator.parameters())
    assert bool((f.weight.grad != 0).any())


def test_the_objective_leaves_no_gradient_in_f() -> None:
    loss, f = setting()
    loss.objective(evidence(f=f)).backward()
    assert f.weight.grad is None
    assert all(p.grad is not None for p in loss.discriminator.parameters())


def test_no_third_pass_of_f_is_needed() -> None:
    loss, f = setting()
    given = evidence(f=f)
    loss(given), loss.objective(given)
    assert f.calls == 1


def test_the_discriminator_belongs_to_the_loss_and_not_to_f() -> None:
    loss, f = setting()
    (player,) = (MeasurementConsistency() + 0.1 * loss).players()
    assert player.module is loss.discriminator and player.learning_rate == 0.02
    assert not {id(p) for p in f.parameters()} & {id(p) for p in player.module.parameters()}
    assert MeasurementConsistency().players() == ()


def test_players_of_a_blind_term_see_no_truth() -> None:
    seen: list[type] = []
    loss, f = setting()

    class Looks(AdversarialEquivariance):
        def objective(self, evidence):
            seen.append(type(evidence))
            return super().objective(evidence)

    total = Supervised() + Looks(loss.group, loss.discriminator)
    total.players()[0].objective(labelled_evidence(f=f))
    assert [kind.__name__ for kind in seen] == ["Evidence"]


def test_the_game_makes_turned_and_unturned_alike() -> None:
    # f(y) = c + y, images of length 2, T_g swaps: the two distributions agree where c has equal entries
    from nullsight.draws import Draws
    from nullsight.losses import Evidence
    from tests.cases.losses import ToyMatrix

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))

        def forward(self, y, physics, *, start=None, draws=None):
            return (y + self.c)[:, None]

    f, physics = Shifted(), ToyMatrix(torch.eye(2, dtype=torch.float64))
    D = nn.Sequential(nn.Flatten(), nn.Linear(2, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        D[1].weight.zero_(), D[1].bias.zero_()
    loss = AdversarialEquivariance(Roll(2), D, 4)
    (player,) = loss.players()
    own, theirs = torch.optim.SGD(f.parameters(), 0.05), torch.optim.Adam(player.module.parameters(), 0.05)
    gaps = []
    for step in range(400):
        y = randn(8, 2, seed=step)
        given = Evidence(y, physics, torch.arange(8), Draws(0, step, tuple(range(8))), 0.0, f)
        own.zero_grad(), loss(given).backward(), own.step()
        theirs.zero_grad(), player.objective(given).backward(), theirs.step()
        gaps.append(abs((f.c[0] - f.c[1]).item()))
    assert sum(gaps[-100:]) / 100 < 0.5 * gaps[0]


def test_spectral_norm_and_patch_scores_work() -> None:
    D = nn.Sequential(spectral_norm(nn.Conv1d(1, 2, 3)), nn.LeakyReLU(0.2), nn.Conv1d(2, 1, 3)).double()
    loss, f = AdversarialEquivariance(Roll(), D), LinearF(randn(N, M, seed=3))
    given = evidence(f=f)
    loss(given).backward()
    assert all(p.grad is None for p in D.parameters()) and bool((f.weight.grad != 0).any())


def test_bad_discriminators_and_settings_are_refused() -> None:
    with pytest.raises(InputError, match="one score"):
        AdversarialEquivariance(Roll(), nn.Flatten(0))(evidence())
    with pytest.raises(InputError, match="learning rate"):
        AdversarialEquivariance(Roll(), ToyScore(), learning_rate=0.0)
