"""The training: what its settings mean, what it promises, what it refuses."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.losses.base import Evidence, LabelledEvidence, Ramp
from nullsight.training import (
    Adam,
    Checkpoints,
    Run,
    Settings,
    Silent,
    read_weights,
    train,
)
from nullsight.types import InputError
from tests.cases.training import (
    FAST,
    SIZE,
    Toy,
    ToyAdversarial,
    ToyConsistency,
    ToyMask,
    ToySupervised,
    go,
    toy,
    toy_loss,
    world,
)
from tests.test_resume import assert_same

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


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    class Edge(ToyConsistency):
        """Has a finite value without a finite gradient, from the third step on."""

        def forward(self, evidence: Evidence) -> Tensor:
            value = super().forward(evidence)
            return value if evidence.progress < 0.5 else value + (0 * evidence.x1).sum().sqrt()

    with pytest.raises(InputError, match="finite weights after step 3"):
        go(Settings(steps=4, checkpoint_steps=1), loss=Edge(), out=tmp_path)
    last = Checkpoints(tmp_path / "checkpoints").last
    assert last is not None and last.name == "step-000000002"


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


# What a person sees
