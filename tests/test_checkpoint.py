"""Checkpoints: whole or not there; weights are never pickles."""

import os
import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nullsight.training import Checkpoints, Settings, Silent, load_weights, read_weights, train
from nullsight.training.checkpoint import STATE, WEIGHTS, read_state, state_to_bytes
from nullsight.training.weights import weights_to_bytes
from nullsight.types import InputError
from tests.cases.training import toy, toy_loss, world


class Tied(nn.Module):
    """Two names for one layer, and a parameter shared by hand."""

    def __init__(self, fill: float = 1.0) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = self.a
        self.c = nn.Linear(3, 3)
        self.c.weight = self.a.weight
        self.register_buffer("views", torch.full((4, 2), fill).T)
        self.register_buffer("empty", torch.zeros(0))


def saved(module: nn.Module, path: Path) -> Path:
    path.write_bytes(weights_to_bytes(module.state_dict()))
    return path


def test_weights_come_back_and_tied_ones_are_stored_once(tmp_path: Path) -> None:
    one, two = Tied(1.0), Tied(2.0)
    path = saved(one, tmp_path / "w")
    load_weights(path, two)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    assert two.c.weight is two.a.weight
    from safetensors import safe_open

    with safe_open(path, framework="pt") as content:
        assert sorted(content.keys()) == ["a.bias", "a.weight", "c.bias", "empty", "views"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_keep_their_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    module = nn.Conv2d(4, 8, 3).to(dtype).to(memory_format=torch.channels_last)
    back = read_weights(saved(module, tmp_path / "w"))
    assert all(torch.equal(back[name], value) for name, value in module.state_dict().items())


def test_another_network_is_refused_and_untouched(tmp_path: Path) -> None:
    path = saved(nn.Linear(3, 3), tmp_path / "w")
    for other, sentence in ((nn.Linear(3, 2), "shape"), (nn.Sequential(nn.Linear(3, 3)), "but none came")):
        before = [p.clone() for p in other.parameters()]
        with pytest.raises(InputError, match=sentence):
            load_weights(path, other)
        assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("danger",))


def test_pickles_are_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.zeros(2)}, "torch.pt")
    Path("plain.pkl").write_bytes(pickle.dumps(Danger()))
    for name in ("torch.pt", "plain.pkl"):
        with pytest.raises(InputError, match="a pickle, which could run any code"):
            read_weights(Path(name))
    torch.save({"w": Danger()}, "state.pt")
    for name in ("state.pt", "plain.pkl"):
        with pytest.raises(InputError, match="expected a whole training state"):
            read_state(Path(name))
    assert not Path("danger").exists()


@given(share=st.floats(0, 0.999), noise=st.binary(max_size=64))
def test_cut_off_and_foreign_files_are_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, share: float, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    weights, state = weights_to_bytes(nn.Linear(20, 20).state_dict()), state_to_bytes({"a": torch.arange(50)})
    for content in (weights[: int(share * len(weights))], noise):
        (folder / "w").write_bytes(content)
        with pytest.raises(InputError, match="expected safetensors weights") as caught:
            read_weights(folder / "w")
        assert "\n" not in str(caught.value)
    for content in (state[: int(share * len(state))], noise):
        (folder / "s").write_bytes(content)
        with pytest.raises(InputError, match="expected a whole training state"):
            read_state(folder / "s")


def test_missing_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be read"):
        read_state(tmp_path / "none")


def test_only_last_and_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.last is None and checkpoints.best is None
    checkpoints.clean()
    for step, best in ((1, False), (2, True), (3, False), (3, False), (4, False)):
        checkpoints.write(step, {"file": str(step).encode()}, best=best)
    last, top = checkpoints.last, checkpoints.best
    assert last is not None and top is not None
    assert (last / "file").read_text() == "4" and (top / "file").read_text() == "2"
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == ["pointer.json", top.name, last.name]
    (checkpoints.folder / "pointer.json").write_text("{")
    with pytest.raises(InputError, match="name the checkpoints"):
        Checkpoints(tmp_path / "c").last  # noqa: B018


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let the system refuse to write more than ``size`` bytes into a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.write(1, {"file": b"good"}, best=True)
    with files_up_to(1000), pytest.raises(InputError, match="step-000000001 before it is whole"):
        checkpoints.write(2, {"small": b"1", "file": bytes(5000)}, best=True)
    assert checkpoints.last is not None and (checkpoints.last / "file").read_bytes() == b"good"
    assert len(list(checkpoints.folder.iterdir())) == 2, "nothing half-written stays"


def test_a_run_on_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    w, settings = world(), Settings(steps=9, checkpoint_steps=2, seed=3)

    def fill(step: int, reconstruct: Any) -> dict[str, float]:
        if step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return {}

    whole = train(toy(), w.data, toy_loss(), settings, out=tmp_path / "a", display=Silent())
    with files_up_to(10**9), pytest.raises(InputError, match="make room and resume"):
        train(toy(), w.data, toy_loss(), settings, out=tmp_path / "b", observers=[fill], display=Silent())
    resumed = train(toy(), w.data, toy_loss(), settings, out=tmp_path / "b", resume=True, display=Silent())
    for name, value in whole.reconstructor.state_dict().items():
        assert torch.equal(value, resumed.reconstructor.state_dict()[name])


@pytest.mark.parametrize("file", [WEIGHTS, STATE])
def test_a_truncated_checkpoint_is_one_sentence_and_stays(tmp_path: Path, file: str) -> None:
    w = world()
    train(toy(), w.data, toy_loss(), Settings(steps=2), out=tmp_path, display=Silent())
    folder = Checkpoints(tmp_path / "checkpoints").last
    assert folder is not None
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    metrics = (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(InputError, match="expected"):
        train(toy(), w.data, toy_loss(), Settings(steps=4), out=tmp_path, resume=True, display=Silent())
    assert (tmp_path / "metrics.jsonl").read_text() == metrics
    (folder / file).write_bytes(content)
    assert train(toy(), w.data, toy_loss(), Settings(steps=4), out=tmp_path, resume=True, display=Silent()).finished
