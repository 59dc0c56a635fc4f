"""The training: what its settings mean, what it promises, what it refuses."""

import io
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet, split
from nullsight.losses.base import Evidence, LabelledEvidence, Ramp
from nullsight.training import (
    OPTIMISERS,
    SCHEDULES,
    Adam,
    AdamW,
    Checkpoints,
    Constant,
    Cosine,
    Run,
    Schedule,
    Settings,
    Silent,
    Steps,
    read_weights,
    train,
)
from nullsight.training.averaging import Averaging
from nullsight.training.order import Order
from nullsight.training.progress import Bar, Display, PlainLines, display_for
from nullsight.types import InputError
from tests.cases.training import (
    SIZE,
    Toy,
    ToyAdversarial,
    ToyConsistency,
    ToyEquivariance,
    ToyMask,
    ToySupervised,
    toy,
    toy_loss,
    world,
)
from tests.test_resume import assert_same

FAST = Adam(1e-2)


def go(settings: Settings, **more: Any) -> Run:
    w = world(many=more.pop("many", False))
    f = more.pop("f", None) or toy()
    return train(f, w.data, more.pop("loss", None) or toy_loss(), settings, display=Silent(), **more)


# What it learns


def test_it_learns_what_the_measurements_teach() -> None:
    run = go(Settings(epochs=60, optimiser=FAST, seed=1))
    first, end = (sum(line["total"] for line in part) for part in (run.history[:8], run.history[-8:]))
    assert end < 0.5 * first
    lines = [line for line in run.history if "total" in line]
    for line in lines[:: len(lines) // 5]:
        assert line["total"] == pytest.approx(line["ToyConsistency"] + 0.5 * line["ToyEquivariance"], rel=1e-4)
        assert line["epoch"] == (line["step"] - 1) // 4


def test_supervised_and_semi_supervised() -> None:
    w = world()
    has = torch.tensor([True, False, True, True, False, True, True])
    seen: dict[int, bool] = {}

    class Spy(ToySupervised):
        def forward(self, evidence: Evidence) -> Tensor:
            assert isinstance(evidence, LabelledEvidence)
            seen.update(zip(evidence.ids.tolist(), evidence.has_x.tolist(), strict=True))
            assert torch.equal(evidence.x, w.truth.x[evidence.ids])
            return super().forward(evidence)

    for truth, wanted in ((w.truth, [True] * 7), (TruthSet(w.truth.x, has), has.tolist())):
        train(toy(), w.data, Spy() + ToyConsistency(), Settings(epochs=1), truth=truth, display=Silent())
        assert [seen[i] for i in range(7)] == wanted


def test_self_supervised_evidence_has_no_truth() -> None:
    class Spy(ToyConsistency):
        def forward(self, evidence: Evidence) -> Tensor:
            assert type(evidence) is Evidence and not hasattr(evidence, "x")
            return super().forward(evidence)

    go(Settings(steps=2), loss=Spy())


# The same whatever it is computed with


@pytest.mark.parametrize("other", [{"keep_dagger": False}, {"channels_last": True}, {"log_every": 5}, {"threads": 1}])
def test_conveniences_change_nothing(other: dict[str, Any]) -> None:
    base = {"steps": 12, "optimiser": FAST, "precision": "64-true"}
    one = go(Settings(**base), many=True).reconstructor.state_dict()
    two = go(Settings(**base, **other), many=True).reconstructor.state_dict()
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=0, atol=1e-12), name


def test_minutes_give_what_that_many_steps_give(tmp_path: Path) -> None:
    w = world(many=True)
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.2))

    def once(settings: Settings, out: Path) -> Run:
        loss = toy_loss() + Ramp(0.0, 0.2) * ToyAdversarial()
        f = toy(nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.2)))
        return train(f, w.data, loss, settings, out=out, held_out=w.held_out, display=Silent())

    timed = once(Settings(minutes=0.03, averaging=0.9, optimiser=FAST), tmp_path / "a")
    assert timed.finished and timed.step == timed.plan.steps > 1
    assert timed.plan.seconds_per_step is not None and timed.plan.seconds_per_step > 0
    counted = once(Settings(steps=timed.step, averaging=0.9, optimiser=FAST), tmp_path / "b")
    assert_same(timed.reconstructor.state_dict(), counted.reconstructor.state_dict())
    a, b = (Checkpoints(tmp_path / name / "checkpoints").last for name in "ab")
    assert a is not None and b is not None
    assert_same(read_weights(a / "weights.safetensors"), read_weights(b / "weights.safetensors"))
    assert isinstance(network, nn.Module)


def test_epochs_are_passes_over_the_data() -> None:
    assert go(Settings(epochs=3, batch_size=2)).step == 12


# Parts of the settings


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


# Starting and using


def test_a_run_starts_from_anothers_weights(tmp_path: Path) -> None:
    first = go(Settings(steps=5, optimiser=FAST), out=tmp_path / "a")
    wanted = first.reconstructor.state_dict()
    folder = Checkpoints(tmp_path / "a" / "checkpoints").last
    assert folder is not None
    for place in (tmp_path / "a", folder, folder / "weights.safetensors"):
        second = go(Settings(steps=1, optimiser=Adam(1e-12)), f=toy(seed=8), initial=place)
        for name, value in second.reconstructor.state_dict().items():
            assert torch.allclose(value, wanted[name], atol=1e-8), name


def test_the_intensity_scale_is_the_datas() -> None:
    w = world()
    louder = MeasurementSet(w.data.y * 1000, w.data.physics)
    runs = [train(toy(), d, toy_loss(), Settings(steps=20), display=Silent()) for d in (w.data, louder)]
    a, b = runs[0].reconstruct(w.data), runs[1].reconstruct(louder)
    assert torch.allclose(1000 * a, b, rtol=1e-3, atol=1e-2)


def test_a_trained_f_runs_on_another_mask_and_size() -> None:
    run = go(Settings(steps=3))
    assert run.reconstruct(torch.ones(3, 1, 4, 9), ToyMask(torch.ones(1, 4, 9))).shape == (3, 1, 4, 9)
    w = world(many=True)
    images = run.reconstruct(w.data, batch_size=2)
    assert torch.allclose(images, run.reconstruct(w.data), atol=1e-6) and not images.requires_grad
    assert torch.equal(run.reconstruct(w.data.y, w.data.physics), run.reconstruct(w.data))
    with pytest.raises(InputError, match="add a batch axis"):
        run.reconstruct(w.data.y[0])
    assert run.resume_line == ""


def test_the_physics_of_the_caller_stays_as_it_is() -> None:
    w = world()
    physics = ToyMask(w.data.physics.mask)
    physics.register_buffer("weights", torch.ones(1))
    data = MeasurementSet(w.data.y, physics)
    train(toy(), data, toy_loss(), Settings(steps=1, precision="64-true"), display=Silent())
    assert physics.weights.dtype == torch.float32


# Refusals


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


def test_what_does_not_fit_is_refused() -> None:
    w, one = world(), Settings(steps=1)
    with pytest.raises(InputError, match="ground truth for the training measurements"):
        train(toy(), w.data, ToySupervised(), one)
    with pytest.raises(InputError, match="ground truth for the held-out measurements"):
        train(toy(), w.data, ToySupervised(), one, truth=w.truth, held_out=w.held_out)
    with pytest.raises(InputError, match="one image a sample"):
        train(toy(), w.data, ToySupervised(), one, truth=TruthSet(w.truth.x[:3]))
    with pytest.raises(InputError, match="held-out measurements for early stopping"):
        train(toy(), w.data, toy_loss(), Settings(steps=1, patience=2))
    with pytest.raises(InputError, match="has none"):
        train(Toy(nn.Identity()), w.data, toy_loss(), one)
    with pytest.raises(InputError, match="not zero"):
        train(toy(), MeasurementSet(0 * w.data.y, w.data.physics), toy_loss(), one)


def test_held_out_truth_scores_a_supervised_loss() -> None:
    w = world()
    run = train(
        toy(), w.data, ToySupervised(), Settings(steps=2), truth=w.truth, held_out=w.held_out,
        held_out_truth=TruthSet(torch.zeros(3, 1, SIZE, SIZE)), display=Silent(),
    )  # fmt: skip
    assert run.history[-1]["held_out/total"] > 0


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    class Bad(ToyConsistency):
        def forward(self, evidence: Evidence) -> Tensor:
            return super().forward(evidence) + (math.nan if evidence.progress >= 0.5 else 0.0)

    with pytest.raises(InputError, match="finite loss, but it is nan at step 6"):
        go(Settings(steps=10, checkpoint_steps=2), loss=Bad(), out=tmp_path)
    last = Checkpoints(tmp_path / "checkpoints").last
    assert last is not None and last.name == "step-000000004"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        go(Settings(steps=1), out=tmp_path / "file" / "run")


# Order and split


@given(samples=st.integers(1, 40), batch_size=st.integers(1, 45), seed=st.integers(0, 2**64 - 1))
def test_an_epoch_sees_every_sample_once(samples: int, batch_size: int, seed: int) -> None:
    order = Order(samples, batch_size, seed)
    steps = [order.at(order.per_epoch * 5 + k) for k in range(order.per_epoch)]
    assert {epoch for epoch, _ in steps} == {5}
    assert sorted(i for _, rows in steps for i in rows) == list(range(samples))


@given(
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
    labels=st.lists(st.sampled_from("abcdef"), min_size=7, max_size=7),
)
def test_a_split_keeps_groups_whole(share: float, seed: int, labels: list[str]) -> None:
    data = world().data
    train_rows, held = split(data, share, seed)
    assert sorted((*train_rows, *held)) == list(range(7)) and train_rows and held
    assert abs(len(held) - share * 7) <= 1 and split(data, share, seed) == (train_rows, held)
    if len(set(labels)) < 2:
        with pytest.raises(InputError, match="at least two"):
            split(data, share, seed, labels)
        return
    train_rows, held = split(data, share, seed, labels)
    assert not {labels[i] for i in train_rows} & {labels[i] for i in held}
    assert sorted((*train_rows, *held)) == list(range(7)) and train_rows and held


def test_a_split_that_does_not_fit_is_refused() -> None:
    data = world().data
    for share in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(InputError, match="share between"):
            split(data, share, 0)
    with pytest.raises(InputError, match="7 groups"):
        split(data, 0.5, 0, ["a"])


# What a person sees


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_log_gets_lines() -> None:
    assert isinstance(display_for(Terminal()), Bar)
    log = io.StringIO()
    assert isinstance(display_for(log), PlainLines)


def test_plain_lines_come_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("nullsight.training.progress.time.monotonic", lambda: now[0])
    log = io.StringIO()
    lines = PlainLines(log)
    lines.begin(0, 100)
    for step in range(1, 101):
        now[0] += 3.0
        lines.show(step, 0.5)
    lines.end()
    written = log.getvalue().splitlines()
    assert len(written) == 5
    assert written[0] == "step 20 of 100, loss 0.5, 4.0 minutes left"


def test_the_bar_shows_steps_and_loss(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    assert isinstance(bar, Display)
    bar.note("before")
    bar.begin(2, 10)
    bar.show(3, 0.25)
    bar.note("a line that stays")
    bar.end()
    shown = capsys.readouterr().err
    assert "before" in shown and "a line that stays" in shown and "3/10" in shown and "0.25" in shown


def test_a_run_shows_its_looks_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    w = world()
    train(toy(), w.data, ToyEquivariance(), Settings(steps=4, evaluate_every=2), held_out=w.held_out)
    shown = capsys.readouterr()
    assert shown.out == "" and "step 2: held_out/total" in shown.err
    assert sys.stderr is not None
