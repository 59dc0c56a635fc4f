"""Medians of alternating measurements of two programs on one core."""

import os
import statistics
import time
from collections.abc import Callable, Sequence

import torch

Times = Callable[[], list[float]]
"""Runs a work a few times, the first of them uncounted, and returns seconds."""


def one_core() -> None:
    """Compute with one thread, and stay on one core, as do the processes begun from here on."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def repeated(work: Callable[[], object], seconds: float, least: int = 3) -> list[float]:
    """Return the times of calls of ``work`` for so many seconds, after one that is not counted."""
    work()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def alternate(works: Sequence[Times], rounds: int) -> list[float]:
    """Return the median milliseconds of each work, all of them measured in turn in every round.

    So a machine that gets slower for a while slows all of them.
    """
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for times, work in zip(found, works, strict=True):
            times.extend(work())
    return [1e3 * statistics.median(times) for times in found]
