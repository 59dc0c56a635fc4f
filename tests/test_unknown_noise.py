"""Noise of unknown level: learned against f, to where theory has it; shared, logged, kept over a resume."""

from pathlib import Path

import pytest
import torch

from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses import SURE, Equivariance, Evidence
from nullsight.noise import Gaussian, UnknownNoise
from nullsight.training import Interrupted
from nullsight.training.backend import Backend
from nullsight.training.players import Opponents
from nullsight.types import InputError
from tests.cases.losses import LinearF, Roll, ToyMatrix, evidence, randn, toy_matrix
from tests.test_resume import Stop, assert_same, fit, last, lines
from tests.test_sure import rest


def test_an_unknown_level_rises_while_f_follows_its_input_and_falls_while_it_flees_it() -> None:
    for sign in (1, -1):
        noise = UnknownNoise(0.1, 0.2)
        # f = sign * A_dagger-like: h = sign * y, whose derivatives are sign
        f = LinearF(sign * torch.linalg.pinv(toy_matrix()))
        given = evidence(f=f)
        positive = Evidence(given.y.abs(), *rest(given))
        opponents = Opponents(SURE(noise), Backend("64-true", "cpu", 1))
        before = [float(one.detach()) for one in noise.levels()]
        opponents.step(positive, 1.0)
        after = [float(one.detach()) for one in noise.levels()]
        assert all((b - a) * sign > 0 for a, b in zip(before, after, strict=True))


def test_the_level_settles_where_theory_has_it() -> None:
    # signals of variance 1 along one direction, in white noise; the best linear f without the level has the trace 0,
    # and loses to the best one with it: MSE = MMSE / (1 - MMSE / sigma^2)
    count, size, level = 4000, 4, 0.5
    x = randn(count, 1, 1, seed=5) * torch.ones(1, 1, size, dtype=torch.float64)
    physics = ToyMatrix(torch.eye(size, dtype=torch.float64))
    y = x[:, 0] + level * randn(count, size, seed=6)
    f, noise = LinearF(torch.eye(size, dtype=torch.float64)), UnknownNoise(0.3, learning_rate=5e-3).double()
    loss = SURE(noise)
    own, opponents = torch.optim.Adam(f.parameters(), lr=0.02), Opponents(loss, Backend("64-true", "cpu", 1))
    found, squares = [], []
    for step in range(800):
        rows = torch.arange(step * 50, step * 50 + 50) % count
        given = Evidence(y[rows], physics, rows, Draws(0, step, tuple(rows.tolist())), 0.0, f)
        own.zero_grad()
        loss(given).backward()
        own.step()
        opponents.step(given, 1.0)
        if step >= 400:
            with torch.no_grad():
                found.append(float((f(y, physics)[:, 0] - x[:, 0]).square().mean()))
                squares.append(float(noise.levels().sigma) ** 2)
    eigen = size / (size + level**2)  # gain of the best linear f along the one direction; 0 across
    mmse = level**2 * eigen / size
    expected = mmse / (1 - mmse / level**2)
    assert sum(found) / len(found) == pytest.approx(expected, rel=0.07)
    assert sum(squares) / len(squares) == pytest.approx(level**2 / (1 - mmse / level**2), rel=0.07)


def test_graph_does_not_grow_and_levels_are_shared() -> None:
    noise = UnknownNoise(0.1)
    loss = SURE(noise) + Equivariance(Roll(), noise)
    opponents = Opponents(loss, Backend("64-true", "cpu", 1))
    for _ in range(3):
        given = evidence()
        loss(given).backward()
        opponents.step(given, 1.0)
        assert noise.growth.grad is not None
        assert noise.growth.grad.grad_fn is None
    assert len(opponents.players) == 1
    assert not loss.chooses
    assert [name for name, _ in loss.named_parameters()] == ["losses.0.noise.growth"]


def test_a_virtual_measurement_has_the_noise_of_the_moment() -> None:
    noise = UnknownNoise(0.1)
    family: Family = Roll()
    noise.growth.data += 1.0
    given = evidence()
    virtual = given.virtual(family, noise)
    same = evidence().virtual(family, noise.now)
    assert torch.equal(virtual.y2, same.y2)


def test_a_level_that_no_term_learns_is_refused(tmp_path: Path) -> None:
    for loss in (
        Equivariance(Roll(), UnknownNoise(0.1)),
        SURE(Gaussian(0.1)) + Equivariance(Roll(), UnknownNoise(0.1)),
    ):
        with pytest.raises(InputError, match="learns the unknown noise level"):
            fit(tmp_path / "run", loss=loss)
    assert not (tmp_path / "run").exists()


def unknown() -> SURE:
    return SURE(UnknownNoise(0.1, learning_rate=0.05))


def test_interrupted_and_resumed_equals_unbroken(tmp_path: Path) -> None:
    fit(tmp_path / "a", loss=unknown())
    with pytest.raises(Interrupted):
        fit(tmp_path / "b", loss=unknown(), observers=[Stop(6)])
    fit(tmp_path / "b", loss=unknown(), resume=True)
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert lines(tmp_path / "a") == lines(tmp_path / "b")
    assert len({line["SURE sigma"] for line in lines(tmp_path / "a") if "SURE sigma" in line}) > 3
