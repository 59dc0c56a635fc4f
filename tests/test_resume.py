"""A resumed run equals an unbroken one bit for bit, however it ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nullsight.losses.base import Loss
from nullsight.training import (
    Adam,
    Checkpoints,
    Constant,
    Interrupted,
    Run,
    Settings,
    Silent,
    open_run,
    read_weights,
    train,
)
from nullsight.training.checkpoint import AVERAGED, WEIGHTS
from nullsight.training.folders import only_here
from nullsight.training.metrics_file import read_metrics
from nullsight.types import InputError
from tests.cases.training import ToyAdversarial, ToyConsistency, toy, toy_loss, world

SETTINGS = Settings(steps=14, seed=1, optimiser=Adam(1e-2), averaging=0.9, evaluate_every=3, log_every=2)


def fit(out: Path, settings: Settings = SETTINGS, middle: nn.Module | None = None, **more: Any) -> Run:
    w = world(many=True)
    loss = more.pop("loss", None) or toy_loss() + 0.1 * ToyAdversarial()
    return train(toy(middle), w.data, loss, settings, out=out, held_out=w.held_out, display=Silent(), **more)


class Stop:
    """An observer that sends a signal at some steps."""

    def __init__(self, *steps: int, number: int = signal.SIGTERM) -> None:
        self.steps, self.number = steps, number

    def __call__(self, step: int, reconstruct: Any) -> dict[str, float]:
        if step in self.steps:
            signal.raise_signal(self.number)
        return {}


def last(out: Path, file: str = WEIGHTS) -> dict[str, torch.Tensor]:
    folder = Checkpoints(out / "checkpoints").last
    assert folder is not None
    return read_weights(folder / file)


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def lines(out: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "minutes"} for line in read_metrics(out)]


def drop() -> nn.Module:
    return nn.Dropout(0.3)


@pytest.mark.parametrize("middle", [drop, lambda: nn.BatchNorm2d(4)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_equals_unbroken(tmp_path: Path, middle: Callable[[], nn.Module], number: int) -> None:
    unbroken = fit(tmp_path / "a", middle=middle())
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        fit(tmp_path / "b", middle=middle(), observers=[Stop(6, number=number)])
    assert signal.getsignal(number) is before
    half = caught.value.run
    assert (half.step, half.finished, caught.value.signal) == (6, False, number)
    assert half.resume_line == f"nullsight fit --resume {tmp_path / 'b'}" == str(caught.value)
    resumed = fit(tmp_path / "b", middle=middle(), resume=True)
    assert resumed.finished and resumed.step == 14
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert_same(last(tmp_path / "a", AVERAGED), last(tmp_path / "b", AVERAGED))
    assert_same(unbroken.reconstructor.state_dict(), resumed.reconstructor.state_dict())
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


def test_killed_at_twenty_random_moments_equals_unbroken(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_and_resume.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parent.parent)}
    command = [sys.executable, str(script), str(tmp_path), "20"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    happened = json.loads(done.stdout)
    assert happened["killed"] == 20, happened
    assert happened["inside"] >= 3, happened  # half-written checkpoints or files were left behind
    a, b = tmp_path / "unbroken", tmp_path / "broken"
    for file in (WEIGHTS, AVERAGED):
        assert_same(last(a, file), last(b, file))
    best = [Checkpoints(out / "checkpoints").best for out in (a, b)]
    assert best[0] is not None and best[1] is not None
    assert_same(read_weights(best[0] / WEIGHTS), read_weights(best[1] / WEIGHTS))
    assert lines(a) == lines(b)
    assert not [p for p in b.rglob(".writing-*")], "what killed lives left is removed"


def test_killed_before_the_first_checkpoint_keeps_its_plan(tmp_path: Path) -> None:
    settings = Settings(minutes=0.01, seed=1)
    run = fit(tmp_path / "a", settings)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "plan.json").write_text((tmp_path / "a" / "plan.json").read_text())
    again = fit(tmp_path / "b", settings, resume=True)
    assert again.step == run.step
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    fit(tmp_path / "a")
    before, content = last(tmp_path / "a"), lines(tmp_path / "a")
    again = fit(tmp_path / "a", resume=True)
    assert again.finished and again.step == 14
    assert_same(before, last(tmp_path / "a"))
    assert lines(tmp_path / "a") == content


def test_a_finished_run_is_lengthened(tmp_path: Path) -> None:
    short = Settings(steps=6, schedule=Constant(), optimiser=Adam(1e-2))
    long = Settings(steps=13, schedule=Constant(), optimiser=Adam(1e-2))
    fit(tmp_path / "a", short)
    longer = fit(tmp_path / "a", long, resume=True)
    fit(tmp_path / "b", long)
    assert longer.step == 13 and longer.plan.budget == ("steps", 13)
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    with pytest.raises(InputError, match="above the 13 steps"):
        fit(tmp_path / "a", short, resume=True)
    assert last(tmp_path / "a")


def test_lengthened_by_minutes(tmp_path: Path) -> None:
    fit(tmp_path / "a", Settings(steps=3))
    longer = fit(tmp_path / "a", Settings(minutes=0.02), resume=True)
    assert longer.step > 3 and longer.finished
    with pytest.raises(InputError, match="budget counts from the run's beginning"):
        fit(tmp_path / "a", Settings(minutes=1e-6), resume=True)


@pytest.mark.parametrize(
    "other",
    [Settings(steps=14, seed=2), Settings(steps=14, seed=1, batch_size=3), Settings(steps=14, optimiser=Adam(0.5))],
)
def test_only_the_length_may_change(tmp_path: Path, other: Settings) -> None:
    fit(tmp_path / "a")
    with pytest.raises(InputError, match="expected the run's own settings"):
        fit(tmp_path / "a", other, resume=True)


def test_other_measurements_are_refused(tmp_path: Path) -> None:
    fit(tmp_path / "a", Settings(steps=2), loss=toy_loss())
    with pytest.raises(InputError, match="measurements"):
        train(toy(), world(6).data, toy_loss(), Settings(steps=4), out=tmp_path / "a", resume=True)


def test_another_loss_is_refused(tmp_path: Path) -> None:
    fit(tmp_path / "a", Settings(steps=2))
    other: Loss = ToyConsistency()
    with pytest.raises(InputError, match="own parts"):
        fit(tmp_path / "a", Settings(steps=4), loss=other, resume=True)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(tmp_path / "a", Settings(steps=2))
    with pytest.raises(InputError, match="holds a run"):
        fit(tmp_path / "a", Settings(steps=2))
    with pytest.raises(InputError, match="expected a run folder"):
        train(toy(), world().data, toy_loss(), Settings(steps=2), resume=True)


HOLDER = """
import sys
from pathlib import Path
from nullsight.training.folders import only_here
with only_here(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    before = fit(tmp_path / "a", Settings(steps=2))
    files = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process is training in it"):
            fit(tmp_path / "a", Settings(steps=4), resume=True)
        with pytest.raises(InputError, match="another process"), only_here(tmp_path / "a"):
            pass
        for path, content in files.items():
            assert path.read_bytes() == content
        other.kill()  # which lets go of the folder, but leaves its file
    assert (before.step, fit(tmp_path / "a", Settings(steps=4), resume=True).step) == (2, 4)
    with only_here(tmp_path / "a"):  # whoever has it may ask again, as the command line does around a training
        assert fit(tmp_path / "a", Settings(steps=6), resume=True).step == 6
    assert not list((tmp_path / "a").glob("*.lock"))


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path / "a", Settings(steps=4))
    whole = lines(tmp_path / "a")
    with open(tmp_path / "a" / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "total": 1.0}\n{"step": 6, "tot')
    fit(tmp_path / "a", Settings(steps=4), resume=True)
    assert lines(tmp_path / "a") == whole


def test_a_run_is_opened_from_its_folder(tmp_path: Path) -> None:
    run, w = fit(tmp_path / "a"), world(many=True)
    opened = open_run(tmp_path / "a", toy(seed=9), w.data.physics, SETTINGS)
    assert opened.finished and opened.step == 14 and opened.history == run.history
    assert torch.equal(opened.reconstruct(w.data), run.reconstruct(w.data))
    with pytest.raises(InputError, match="expected a run with a checkpoint"):
        open_run(tmp_path / "none", toy(), w.data.physics, SETTINGS)


@pytest.fixture
def heeded() -> Iterator[None]:
    """Python's own answer to Ctrl-C: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_acts_as_before(heeded: None) -> None:
    from nullsight.training.signals import Catcher

    with pytest.raises(KeyboardInterrupt), Catcher() as catcher:
        signal.raise_signal(signal.SIGINT)
        assert catcher.caught == signal.SIGINT
        signal.raise_signal(signal.SIGINT)  # at once: the same one, by another way
        catcher._when -= 2
        signal.raise_signal(signal.SIGINT)
