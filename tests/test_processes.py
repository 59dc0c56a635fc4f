"""One process and two take the same steps."""

from pathlib import Path

import pytest
import torch
from torch import nn

from nullsight.losses import BankEquivariance, OperatorFrames
from nullsight.losses.base import Loss
from nullsight.training import Adam, Checkpoints, Constant, PlainLines, Settings, Silent, read_weights, train
from nullsight.training.backend import Backend
from nullsight.training.checkpoint import LOSS
from nullsight.types import InputError
from tests.cases.training import ToyAdversarial, ToyConsistency, ToyShifts, ToySupervised, toy, toy_loss, world


def settings(processes: int) -> Settings:
    return Settings(
        steps=10, seed=2, precision="64-true", accelerator="cpu", batch_size=3, threads=1, processes=processes,
        optimiser=Adam(1e-2), schedule=Constant(), averaging=0.8, clip_norm=0.1, evaluate_every=4,
    )  # fmt: skip


def everything() -> Loss:
    bank = BankEquivariance(ToyShifts(), every=2, ready=1, frames=OperatorFrames(ToyShifts(), count=2, begin=0.5))
    return toy_loss() + 0.1 * ToyAdversarial() + 0.5 * bank


def bank_of(out: Path) -> torch.Tensor:
    last = Checkpoints(out / "checkpoints").last
    assert last is not None
    return read_weights(last / LOSS)["losses.3.bank"]


def test_one_process_and_two_agree(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # 7 samples in batches of 3: every epoch ends with a batch of one sample, which one of two processes has not
    w = world(many=True)
    alone = train(toy(), w.data, everything(), settings(1), out=tmp_path / "1", held_out=w.held_out, display=Silent())
    lines = PlainLines(seconds=0.0)
    pair = train(toy(), w.data, everything(), settings(2), out=tmp_path / "2", held_out=w.held_out, display=lines)
    assert capfd.readouterr().err.count("step 3 of 10, loss") == 1, "one of the two says it"
    assert pair.finished and pair.step == 10 and pair.plan.steps == 10
    start = toy().double().state_dict()
    for name, value in alone.reconstructor.state_dict().items():
        other = pair.reconstructor.state_dict()[name]
        assert other.dtype == torch.float64
        assert torch.allclose(value, other, rtol=0, atol=1e-6), name
        assert name == "scale" or not torch.equal(value, start[name]), f"{name} was trained"
    assert torch.allclose(bank_of(tmp_path / "1"), bank_of(tmp_path / "2"), rtol=0, atol=1e-6)
    kinds = ("total", "ToyAdversarial", "held_out/total")
    for a, b in zip(alone.history, pair.history, strict=True):
        assert a["step"] == b["step"]
        assert all(abs(a[k] - b[k]) < 1e-6 for k in kinds if k in a)


def test_several_processes_need_a_folder() -> None:
    with pytest.raises(InputError, match="run folder"):
        train(toy(), world().data, ToyConsistency(), settings(2))


@pytest.mark.parametrize(
    ("precision", "accelerator", "processes", "sentence"),
    [
        ("half", "cpu", 1, "expected a precision among"),
        ("16-mixed", "cpu", 1, "use 'bf16-mixed'"),
        ("32-true", "tpu", 1, "expected an accelerator among"),
        ("32-true", "cuda", 99, "expected 99 cuda devices"),
    ],
)
def test_what_is_not_there_is_refused(precision: str, accelerator: str, processes: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Backend(precision, accelerator, processes)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "32-true"])
def test_precisions_train(precision: str) -> None:
    w = world()
    f = toy()
    run = train(
        f, w.data, ToySupervised(), Settings(epochs=30, precision=precision, optimiser=Adam(1e-2)), truth=w.truth,
        display=Silent(),
    )  # fmt: skip
    totals = [line["total"] for line in run.history]
    assert totals[-1] < 0.7 * totals[0]
    wanted = torch.float64 if precision == "64-true" else torch.float32
    assert {p.dtype for p in f.parameters()} == {wanted}
    assert w.data.physics.mask.dtype == torch.bool and w.data.y.dtype == torch.float32


def test_mixed_precision_holds_inside_f_only() -> None:
    seen = []

    class Spy(nn.Tanh):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.dtype)
            return super().forward(x)

    class Looks(ToyConsistency):
        def forward(self, evidence):  # type: ignore[no-untyped-def]
            assert evidence.x1.dtype == torch.float32
            return super().forward(evidence)

    train(toy(Spy()), world().data, Looks(), Settings(steps=1, precision="bf16-mixed"), display=Silent())
    assert set(seen) == {torch.bfloat16}


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    train(toy(), world().data, ToyConsistency(), Settings(steps=1, threads=1), display=Silent())
    assert torch.get_num_threads() == before
