"""Held-out measurements: the loss on samples that are not trained on. Looking changes nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.draws import Draws, stable_hash
from nullsight.losses.base import Reconstruct, WeightedSum
from nullsight.physics.base import Physics
from nullsight.training.evidence import Samples

_WORD = 2**64 - 1


@runtime_checkable
class See(Protocol):
    """How an observer reconstructs: with the weights of the moment, in evaluation mode, without gradients."""

    def __call__(self, y: Tensor | MeasurementSet, physics: Physics | None = None) -> Tensor:
        """Return images; the physics is the training data's unless given."""
        ...


@runtime_checkable
class Observer(Protocol):
    """Someone who looks at a run now and then and returns scores by name, which are written down and nothing else."""

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        """Return scores after ``step``."""
        ...


@runtime_checkable
class Score(Protocol):
    """A comparison of images with a reference."""

    def __call__(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return one number or one number an image."""
        ...


class TruthScore:
    """An observer that compares reconstructions with ground truth, which the training itself never sees.

    Args:
        name: of the score in the metrics.
        score: the comparison, such as a PSNR with a stated data range.
        data: measurements.
        truth: their images.
    """

    def __init__(self, name: str, score: Score, data: MeasurementSet, truth: TruthSet) -> None:
        self.name, self.score, self.data, self.truth = name, score, data, truth

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        """Return the mean score over the images that have truth."""
        has = self.truth.has_x
        rows = list(range(len(self.truth))) if has is None else has.nonzero().flatten().tolist()
        images = reconstruct(self.data.take(rows))
        reference = self.truth.x[rows].to(images)
        return {self.name: float(torch.as_tensor(self.score(images, reference), dtype=torch.float64).mean())}


@contextmanager
def untouched(*modules: nn.Module) -> Iterator[None]:
    """Put modules into evaluation mode without gradients; modes and torch's generators are as before afterwards."""
    modes = [{part: part.training for part in module.modules()} for module in modules]
    tensors = (one for module in modules for one in (*module.parameters(), *module.buffers()))
    devices = {one.device.index or 0 for one in tensors if one.is_cuda}  # of all devices, fork_rng would warn
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            for module in modules:
                module.eval()
            yield
    finally:
        for mode in modes:
            for part, training in mode.items():
                part.training = training


def held_out_scores(
    loss: WeightedSum, samples: Samples, f: Reconstruct, smoothed: Reconstruct | None, scale: float, seed: int
) -> dict[str, float]:
    """Return the total and each term, means over samples, with the same draws at every look.

    Weights that change over training are taken at their end, so that totals can be compared between looks.
    """
    sums: dict[str, float] = {}
    for first in range(0, len(samples), samples.block):
        rows: Sequence[int] = range(first, min(first + samples.block, len(samples)))
        draws = Draws((seed ^ stable_hash("held out")) & _WORD, 0, tuple(rows))
        evidence = samples.evidence(rows, draws, 1.0, f, smoothed, scale)
        values = loss.values(evidence)
        every = {"total": loss.total(values, evidence), **values}
        for name, value in every.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(rows)
    return {name: value / len(samples) for name, value in sums.items()}
