"""Defects found in another library's training, each kept out of this one by a test of its name."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.losses import AugmentedSupervised, GroupAction
from nullsight.losses.base import Evidence, Player
from nullsight.physics import ParallelBeamCT
from nullsight.training import (
    Adam,
    Checkpoints,
    Constant,
    Interrupted,
    Run,
    Settings,
    Silent,
    TruthScore,
    new_run_folder,
    train,
)
from nullsight.training.checkpoint import STATE, read_state
from nullsight.training.order import Order
from nullsight.types import InputError
from tests.cases.training import (
    ToyAdversarial,
    ToyConsistency,
    ToyEquivariance,
    ToyShifts,
    toy,
    toy_loss,
    world,
)
from tests.test_resume import Stop, assert_same, last


class Recorder(ToyConsistency):
    """Notes which samples it saw, and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, evidence: Evidence) -> Tensor:
        if self.training:
            self.seen += evidence.ids.tolist()
        return super().forward(evidence)


def test_resume_with_early_stop_ends_after_one_epoch(tmp_path: Path) -> None:
    # a rate of almost nothing: the held-out total gets better by rounding at most, and patience runs out late
    w = world()
    settings = Settings(steps=60, optimiser=Adam(5e-2), schedule=Constant(), evaluate_every=1, patience=4, seed=1)

    def go(name: str, **more: Any) -> Run:
        out = tmp_path / name
        return train(toy(), w.data, toy_loss(), settings, out=out, held_out=w.held_out, display=Silent(), **more)

    unbroken = go("a")
    assert unbroken.finished and 4 < unbroken.step < 60, "the toy run stops early and not at once"
    with pytest.raises(Interrupted):
        go("b", observers=[Stop(unbroken.step - 3)])
    resumed = go("b", resume=True)
    assert (resumed.step, resumed.finished) == (unbroken.step, True)
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert go("b", resume=True).step == unbroken.step, "a run that stopped early stays as it is"


def test_grad_clip_alone_crashes() -> None:
    w = world()

    def moved(clip: float | None) -> float:
        f = toy()
        before = torch.cat([p.detach().flatten().clone() for p in f.parameters()])

        class Sgd(Adam):
            def build(self, parameters: Any) -> torch.optim.Optimizer:
                return torch.optim.SGD(parameters, lr=self.learning_rate)

        settings = Settings(steps=1, clip_norm=clip, optimiser=Sgd(1.0), schedule=Constant())
        train(f, w.data, toy_loss(), settings, display=Silent())
        return float((torch.cat([p.detach().flatten() for p in f.parameters()]) - before).norm())

    free = moved(None)
    assert moved(free / 10) == pytest.approx(free / 10, rel=1e-3)
    assert moved(free * 10) == pytest.approx(free, rel=1e-6)


@pytest.mark.parametrize(("samples", "batch_size"), [(7, 2), (7, 3), (7, 7), (7, 100), (1, 2)])
def test_drop_last_loses_a_batch(samples: int, batch_size: int) -> None:
    loss, w = Recorder(), world(samples)
    run = train(toy(), w.data, loss, Settings(epochs=3, batch_size=batch_size), display=Silent())
    assert run.step == 3 * -(-samples // batch_size)
    epochs = [loss.seen[i * samples : (i + 1) * samples] for i in range(3)]
    assert all(sorted(epoch) == list(range(samples)) for epoch in epochs)
    assert samples == 1 or len({tuple(epoch) for epoch in epochs}) > 1, "every epoch has its own order"


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_max_batch_steps_n_runs_n_plus_one(steps: int) -> None:
    loss = Recorder()
    run = train(toy(), world().data, loss, Settings(steps=steps, batch_size=1), display=Silent())
    assert run.step == steps == len(loss.seen)


def test_validation_without_ground_truth_updates_batch_norm_and_looks_at_the_first_loss_only(tmp_path: Path) -> None:
    w = world()

    def go(**more: Any) -> Run:
        settings = Settings(steps=8, evaluate_every=1, optimiser=Adam(1e-2))
        network = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.2))
        return train(toy(network), w.data, toy_loss(), settings, display=Silent(), **more)

    def looks(step: int, reconstruct: Any) -> dict[str, float]:
        torch.rand(3)  # whatever an observer draws
        return {"mean": float(reconstruct(w.held_out).mean())}

    go(out=tmp_path / "blind")
    go(out=tmp_path / "looked", observers=[looks])
    scored = go(out=tmp_path / "scored", held_out=w.held_out)
    for name in ("looked", "scored"):  # the last weights and batch statistics, not the best ones
        assert_same(last(tmp_path / "blind"), last(tmp_path / name))
    line = next(line for line in scored.history if "held_out/total" in line and line["step"] == 5)
    terms = [line[f"held_out/{name}"] for name in ("ToyConsistency", "ToyEquivariance")]
    assert line["held_out/total"] == pytest.approx(terms[0] + 0.5 * terms[1], rel=1e-5)


def test_no_generator_state_in_checkpoints(tmp_path: Path) -> None:
    w, settings = world(), Settings(steps=9, optimiser=Adam(1e-2))

    def go(name: str, **more: Any) -> Run:
        f = toy(nn.Dropout(0.5))
        return train(f, w.data, toy_loss(), settings, out=tmp_path / name, display=Silent(), **more)

    torch.manual_seed(1)
    go("a")
    with pytest.raises(Interrupted):
        go("b", observers=[Stop(4)])
    torch.manual_seed(2)
    torch.rand(17)
    state = torch.get_rng_state()
    go("b", resume=True)
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert torch.equal(torch.get_rng_state(), state), "and the caller's generator is as it was"


def test_adversarial_resume_loses_the_discriminator(tmp_path: Path) -> None:
    w, settings = world(), Settings(steps=9, optimiser=Adam(1e-2))

    def go(name: str, **more: Any) -> tuple[Run, ToyAdversarial]:
        game = ToyAdversarial()
        loss = ToyConsistency() + 0.5 * game
        run = train(toy(), w.data, loss, settings, out=tmp_path / name, display=Silent(), **more)
        return run, game

    _, unbroken = go("a")
    with pytest.raises(Interrupted):
        go("b", observers=[Stop(4)])
    _, resumed = go("b", resume=True)
    assert_same(unbroken.critic.state_dict(), resumed.critic.state_dict())
    assert not torch.equal(resumed.critic[1].weight, ToyAdversarial().critic[1].weight), "it was trained"
    folders = [Checkpoints(tmp_path / name / "checkpoints").last for name in "ab"]
    states = [read_state(folder / STATE)["opponents"]["optimisers"] for folder in folders if folder is not None]
    for one, other in zip(states[0][0]["state"].values(), states[1][0]["state"].values(), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("step", "exp_avg", "exp_avg_sq"))


class UnknownLevel(ToyConsistency):
    """Consistency with an opponent that learns how large the residual is, as an unknown noise level would be."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.ParameterList([nn.Parameter(torch.zeros(()))])
        self.targets: list[float] = []
        self.graphs: list[int] = []

    def players(self) -> tuple[Player, ...]:
        return (Player(self.level, self._objective, 0.1),)

    def _objective(self, evidence: Evidence) -> Tensor:
        residual = (evidence.physics.A(evidence.x1.detach()) - evidence.y).square().mean()
        value = (self.level[0] - residual).square()
        self.targets.append(float(residual))
        self.graphs.append(_nodes(value))
        return value


def _nodes(value: Tensor) -> int:
    seen, left = set(), [value.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [one for one, _ in node.next_functions]
    return len(seen)


def test_unknown_noise_ignores_its_momentum_and_its_graph_grows_every_step() -> None:
    loss = UnknownLevel()
    train(toy(), world().data, loss, Settings(steps=6, optimiser=Adam(1e-2)), display=Silent())

    def by_hand(momentum: float) -> float:
        level = torch.zeros((), requires_grad=True)
        adam = torch.optim.Adam([level], lr=0.1, betas=(momentum, 0.999))
        for target in loss.targets:
            adam.zero_grad()
            (level - target).square().backward()
            adam.step()
        return float(level.detach())

    assert len(loss.targets) == 6 and len(set(loss.targets)) == 6
    assert float(loss.level[0].detach()) == pytest.approx(by_hand(0.9), abs=1e-5)
    assert abs(by_hand(0.9) - by_hand(0.0)) > 1e-3, "momentum is seen in it"
    assert set(loss.graphs) == {loss.graphs[0]} and loss.graphs[0] > 0


def test_two_rotations_in_one_chain_share_parameters() -> None:
    drawn: list[Tensor] = []

    class Spy(Rotations):
        def sample(self, stream: Any) -> Tensor:
            drawn.append(super().sample(stream))
            return drawn[-1]

    w = world(40)
    chain = AugmentedSupervised([GroupAction(Spy(360)), GroupAction(Spy(360))])
    train(toy(), w.data, chain, Settings(steps=1, batch_size=40), truth=w.truth, display=Silent())
    first, second = drawn
    assert len(first) == 40 and int((first == second).sum()) < 5


def test_rectangular_images_refused() -> None:
    for shape in ((1, 10, 14), (1, 14, 10)):
        physics = ParallelBeamCT(shape, 24)
        x = physics.dagger_ensemble(shape, Draws(0, 0, (0, 1)).of("images")).float()
        y = physics.A(x)
        assert torch.allclose(y.sum((2, 3)) / 24, x.sum((2, 3)), rtol=2e-2)  # every view holds all of the image
        assert physics.A_dagger(y).shape == x.shape
        assert float((physics.A_dagger(y) - x).norm() / x.norm()) < 0.25


def test_the_seed_has_no_effect_on_transforms() -> None:
    def elements(seed: int) -> list[int]:
        drawn: list[int] = []

        class Spy(ToyShifts):
            def sample(self, stream: Any) -> Tensor:
                g = super().sample(stream)
                drawn.extend(g.tolist())
                return g

        loss = ToyEquivariance()
        loss.group = Spy()
        train(toy(), world().data, loss, Settings(epochs=3, seed=seed), display=Silent())
        return drawn

    assert elements(0) == elements(0) != elements(1)
    assert len(set(elements(0))) > 3, "and one batch has several elements"
    orders = [Order(20, 2, seed).at(0)[1] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert (Draws(0, 0, (1,)).of("a").uniform() != Draws(1, 0, (1,)).of("a").uniform()).all()


def test_a_measurement_only_data_set_crashes_the_default_metric(tmp_path: Path) -> None:
    w = world()
    run = train(toy(), w.data, toy_loss(), Settings(steps=3), out=tmp_path, held_out=w.held_out, display=Silent())
    assert run.finished and "held_out/total" in run.history[-1]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == run.history


def test_truth_is_out_of_reach_of_a_self_supervised_loss() -> None:
    w = world()
    with pytest.raises(InputError, match="does not look at truth"):
        train(toy(), w.data, toy_loss(), Settings(steps=1), truth=w.truth)
    score = TruthScore("error", lambda a, b: (a - b).square().mean(), w.data, w.truth)
    settings = Settings(steps=6, optimiser=Adam(1e-2))
    with_score = train(toy(), w.data, toy_loss(), settings, observers=[score], display=Silent())
    without = train(toy(), w.data, toy_loss(), settings, display=Silent())
    assert_same(with_score.reconstructor.state_dict(), without.reconstructor.state_dict())
    assert all(line["observed/error"] > 0 for line in with_score.history if "observed/error" in line)
    assert "observed/error" in with_score.history[-1]


def test_two_runs_in_one_second_collide(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_folder(tmp_path / "runs", "CT 50 views"), range(24)))
    assert len(set(folders)) == 24 and all(folder.is_dir() for folder in folders)
    assert all(folder.name.startswith("CT-50-views-") for folder in folders)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        new_run_folder(tmp_path / "file")
