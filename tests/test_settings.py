"""What the settings of a training mean and what they refuse: optimisers, schedules, averaging, patience."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nullsight.losses.base import Evidence
from nullsight.training import (
    OPTIMISERS,
    SCHEDULES,
    Adam,
    AdamW,
    Checkpoints,
    Constant,
    Cosine,
    Schedule,
    Settings,
    Silent,
    Steps,
    read_weights,
    train,
)
from nullsight.training.averaging import Averaging
from nullsight.types import InputError
from tests.cases.training import (
    FAST,
    ToyConsistency,
    go,
    toy,
    toy_loss,
    world,
)
from tests.test_resume import assert_same


@pytest.mark.parametrize("kind", OPTIMISERS.values())
def test_every_optimiser_moves_the_weights(kind: type[Adam]) -> None:
    f = toy()
    before = [p.clone() for p in f.parameters()]
    go(Settings(steps=2, optimiser=kind(1e-2)), f=f)
    assert all(not torch.equal(a, b) for a, b in zip(before, f.parameters(), strict=True))


def test_weight_decay_of_adam_w_is_decoupled() -> None:
    p = nn.Parameter(torch.ones(3))
    p.grad = torch.zeros(3)
    AdamW(0.1, weight_decay=0.5).build([p]).step()
    assert torch.allclose(p.detach(), torch.full((3,), 0.95))


@pytest.mark.parametrize("kind", SCHEDULES.values())
@given(steps=st.integers(1, 400))
def test_every_schedule_stays_between_zero_and_one(kind: type[Schedule], steps: int) -> None:
    rates = [kind().rate(step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) == 1 or steps < 4


def test_schedules_at_known_steps() -> None:
    assert [Constant().rate(s, 9) for s in (0, 8)] == [1, 1]
    assert [round(Steps(at=(2000, 3000), factor=0.1).rate(s, 5000), 6) for s in (1999, 2000, 3500)] == [1, 0.1, 0.01]
    warm = Cosine(warmup=0.1, final=0.2)
    assert warm.rate(0, 100) == pytest.approx(1 / 11) and warm.rate(10, 100) == 1
    assert warm.rate(55, 100) == pytest.approx(0.6) and warm.rate(100, 100) == pytest.approx(0.2)


def test_the_schedule_is_used() -> None:
    run = go(Settings(steps=10, optimiser=Adam(1e-2), schedule=Steps(at=(0.5,), factor=0.1), log_every=1))
    rates = [line["learning_rate"] for line in run.history]
    assert rates == pytest.approx([1e-2] * 5 + [1e-3] * 5)


def test_averaging_is_a_running_mean() -> None:
    module = nn.Linear(1, 1, bias=False)
    mean = Averaging(module, 0.5)
    expected = module.weight.item()
    for step in range(1, 6):
        module.weight.data.fill_(float(step))
        mean.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert mean.module.weight.item() == pytest.approx(expected, rel=1e-6)
    assert not mean.module.weight.requires_grad


def test_losses_see_the_average_and_the_run_keeps_it(tmp_path: Path) -> None:
    class Spy(ToyConsistency):
        def forward(self, evidence: Evidence) -> Tensor:
            assert evidence.smoothed is not None
            smooth = evidence.smoothed(evidence.y, evidence.physics)
            assert not smooth.requires_grad
            return super().forward(evidence)

    run = go(Settings(steps=10, averaging=0.99, optimiser=FAST), loss=Spy(), out=tmp_path)
    folder = Checkpoints(tmp_path / "checkpoints").last
    assert folder is not None
    assert_same(run.reconstructor.state_dict(), read_weights(folder / "averaged.safetensors"))
    raw = read_weights(folder / "weights.safetensors")
    assert not torch.equal(raw["network.0.weight"], run.reconstructor.state_dict()["network.0.weight"])


def test_patience_keeps_the_best(tmp_path: Path) -> None:
    w = world()
    settings = Settings(steps=80, optimiser=Adam(0.2), schedule=Constant(), evaluate_every=1, patience=5)
    runs = [
        train(toy(), w.data, toy_loss(), settings, held_out=w.held_out, out=out, display=Silent())
        for out in (tmp_path / "a", None)
    ]
    assert_same(runs[0].reconstructor.state_dict(), runs[1].reconstructor.state_dict())
    totals = {line["step"]: line["held_out/total"] for line in runs[0].history if "held_out/total" in line}
    del totals[0]
    top = min(totals, key=totals.__getitem__)
    assert runs[0].finished and runs[0].step == min(top + 5, 80)
    best = Checkpoints(tmp_path / "a" / "checkpoints").best
    assert best is not None and best.name == f"step-{top:09d}"


def test_every_step_knows_its_progress() -> None:
    seen = []

    class Spy(ToyConsistency):
        def forward(self, evidence: Evidence) -> Tensor:
            seen.append(evidence.progress)
            return super().forward(evidence)

    go(Settings(steps=4), loss=Spy())
    assert seen == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({}, "exactly one of"),
        ({"steps": 1, "epochs": 1}, "steps and|and steps|epochs and steps"),
        ({"steps": 0}, "steps above 0"),
        ({"minutes": -1.0}, "minutes above 0"),
        ({"steps": 1, "batch_size": 0}, "batch_size above 0"),
        ({"steps": 1, "clip_norm": 0.0}, "clip_norm above 0"),
        ({"steps": 1, "averaging": 1.0}, "averaging between"),
        ({"steps": 1, "seed": -1}, "seed"),
        ({"steps": 1, "patience": 0}, "patience above 0"),
    ],
)
def test_settings_out_of_range(given_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Settings(**given_)


def test_parts_out_of_range() -> None:
    wrong: list[Any] = [
        lambda: Adam(0.0),
        lambda: AdamW(betas=(1.0, 0.9)),
        lambda: Adam(weight_decay=-1.0),
        lambda: Cosine(final=2.0),
        lambda: Steps(at=(-1,)),
        lambda: Steps(factor=0.0),
    ]
    for make in wrong:
        with pytest.raises(InputError, match="expected"):
            make()
