"""A run killed with SIGKILL at random moments and resumed each time; a script, so that torch is imported once.

Every life of the run is a fork of this process, which itself never computes. ``python kill_and_resume.py FOLDER KILLS``
prints a JSON line with what happened.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning_fabric  # noqa: F401  imported before the forks
import torch
from torch import nn

from nullsight import storage
from nullsight.training import Adam, Settings, Silent, checkpoint, train
from tests.cases.training import ToyAdversarial, toy, toy_loss, world

STEPS = 160
SETTINGS = Settings(
    steps=STEPS,
    seed=4,
    threads=1,
    optimiser=Adam(1e-2),
    averaging=0.9,
    checkpoint_steps=2,
    evaluate_every=5,
    log_every=3,
)


def live(out: Path) -> None:
    """Go on with the run until its end."""
    w = world(many=True)
    loss = toy_loss() + 0.1 * ToyAdversarial()
    train(
        toy(nn.Dropout(0.2)), w.data, loss, SETTINGS, out=out, held_out=w.held_out, resume=True, display=Silent()
    )  # fmt: skip


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(module: Any, name: str, count: int) -> None:
    """Die when ``module.name`` is about to be called for the ``count``-th time."""
    original: Callable[..., Any] = getattr(module, name)
    calls = [0]

    def replaced(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == count:
            die()
        return original(*args, **kwargs)

    setattr(module, name, replaced)


def half_way(count: int) -> None:
    """Die when half of the ``count``-th file of checkpoints is written."""
    original, calls = checkpoint.write_flushed, [0]

    def replaced(path: Path, content: bytes) -> None:
        calls[0] += 1
        if calls[0] == count:
            with open(path, "wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                die()
        original(path, content)

    checkpoint.write_flushed = storage.write_flushed = replaced


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def main(folder: Path, kills: int) -> None:
    chance = random.Random(0)
    unbroken, broken = folder / "unbroken", folder / "broken"
    _, status = os.waitpid(fork(lambda: live(unbroken)), 0)
    assert status == 0, "the unbroken run failed"
    ways: list[Callable[[], None]] = [
        lambda: half_way(chance.randint(2, 20)),
        lambda: before(os, "fsync", chance.randint(1, 40)),
        lambda: before(os, "rename", chance.randint(1, 6)),
        lambda: before(os, "replace", chance.randint(1, 6)),
        lambda: before(shutil, "rmtree", chance.randint(1, 6)),
        lambda: before(torch.optim.Adam, "step", chance.randint(1, 20)),
    ]
    killed, inside = 0, 0
    for life in range(kills):
        way = chance.randrange(len(ways) + 1)
        chance.seed(100 + life)
        delay = chance.uniform(0.0, 0.25)

        def work(way: int = way) -> None:
            if way < len(ways):
                ways[way]()
            live(broken)

        child = fork(work)
        if way == len(ways):
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        inside += any(p.name.startswith(".writing-") for p in broken.rglob("*"))
        assert os.WIFSIGNALED(status) or status == 0, "a life failed by itself"
    _, status = os.waitpid(fork(lambda: live(broken)), 0)
    assert status == 0, "the last life failed"
    print(json.dumps({"killed": killed, "inside": inside}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
