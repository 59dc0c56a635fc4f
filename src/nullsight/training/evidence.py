"""From samples to the evidence that a loss sees."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.draws import Draws
from nullsight.losses.base import Evidence, LabelledEvidence, Loss, Reconstruct, begun
from nullsight.physics.base import Physics
from nullsight.training.backend import Backend
from nullsight.types import Image, InputError

Begin = Callable[[Tensor, Physics], Image]
_PIXELS = 2**19  # at once where an iterative reconstructor goes over the set: an image in a larger batch takes less


class Mixed:
    """A reconstructor computed in the run's precision; what comes out has the precision of the measurements."""

    def __init__(self, module: nn.Module, backend: Backend) -> None:
        self.module, self.backend = module, backend

    def __call__(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Image:
        """Return ``f(y)``."""
        with self.backend.autocast():
            x: Tensor = self.module(y, physics, start=start, draws=draws)
        return x.to(y.dtype)

    def begin(self, y: Tensor, physics: Physics) -> Image:
        """Return what ``f`` begins with."""
        return begun(self.module, y, physics)


class Samples:
    """Measurements, their physics on the run's device, and truth where the loss may see it.

    Args:
        data: the measurements.
        truth: ground truth, or None.
        backend: device and precision.
        begin: what reconstruction begins with, made of all samples now and kept; None: nothing is kept.
        block: how many samples go through ``A_dagger`` at once; what f begins with is made of as many as have
            2^19 pixels together, where that is more.
    """

    def __init__(
        self, data: MeasurementSet, truth: TruthSet | None, backend: Backend, *, begin: Begin | None, block: int
    ) -> None:
        self.truth, self.backend, self.block = truth, backend, block
        self.data = MeasurementSet(data.y, place_physics(data.physics, backend.device, backend.dtype), data.names)
        self.data.physics.norm()  # known once for all, also where a batch takes some of many operators
        self.start = None if begin is None else self._each(begin, range(len(data)), self.many)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def many(self) -> int:
        """How many samples an iterative reconstructor takes at once."""
        return max(self.block, _PIXELS // math.prod(self.data.physics.image_shape))

    def dagger(self, rows: Sequence[int]) -> Image:
        """Return ``A_dagger y`` of some samples, on the CPU."""
        return self._each(_dagger, rows, self.block)

    def evidence(
        self,
        rows: Sequence[int],
        draws: Draws,
        progress: float,
        f: Reconstruct,
        smoothed: Reconstruct | None,
        scale: float,
    ) -> Evidence:
        """Return what a loss sees of some samples; truth is in it only where this object has truth."""
        batch = self.data.batch(rows)
        start = None if self.start is None else self._place(self.start[list(rows)])
        y, ids = self._place(batch.y), batch.ids.to(self.backend.device)
        if self.truth is None:
            return Evidence(y, batch.physics, ids, draws, progress, f, smoothed, start, scale)
        some = self.truth.take(rows)
        has_x = torch.ones(len(rows), dtype=torch.bool) if some.has_x is None else some.has_x
        return LabelledEvidence(
            y, batch.physics, ids, draws, progress, f, smoothed, start, scale,
            x=self._place(some.x), has_x=has_x.to(self.backend.device),
        )  # fmt: skip

    @torch.no_grad()
    def _each(self, make: Begin, rows: Sequence[int], block: int) -> Image:
        images = []
        for first in range(0, len(rows), block):
            batch = self.data.batch(rows[first : first + block])
            images.append(make(self._place(batch.y), batch.physics).cpu())
        return torch.cat(images)

    def _place(self, value: Tensor) -> Tensor:
        return value.to(self.backend.device, self.backend.dtype)


class Blocks:
    """The whole training set in order, as evidence of the beginning; can be gone through several times.

    Args:
        samples: the training set.
        f: the reconstructor.
        scale: the data's intensity scale.
        seed: of the draws.
    """

    def __init__(self, samples: Samples, f: Reconstruct, scale: float, seed: int) -> None:
        self.samples, self.f, self.scale, self.seed = samples, f, scale, seed

    def __iter__(self) -> Iterator[Evidence]:
        size = self.samples.many
        for first in range(0, len(self.samples), size):
            rows = range(first, min(first + size, len(self.samples)))
            yield self.samples.evidence(rows, Draws(self.seed, 0, tuple(rows)), 0.0, self.f, None, self.scale)


def _dagger(y: Tensor, physics: Physics) -> Image:
    return physics.A_dagger(y)


def place_physics(physics: Physics, device: torch.device, dtype: torch.dtype) -> Physics:
    """Return the physics on a device and in a precision: itself where it is there already, else a copy."""
    tensors = [*physics.buffers(), *physics.parameters()]
    fits = all(t.device == device and (not t.is_floating_point() or t.dtype == dtype) for t in tensors)
    return physics if fits else copy.deepcopy(physics).to(device, dtype)


def check_truth(loss: Loss, data: MeasurementSet, truth: TruthSet | None, what: str) -> None:
    """Raise an :class:`InputError` unless truth is given exactly if the loss needs it, one image a sample."""
    if loss.needs_truth and truth is None:
        raise InputError(
            f"expected ground truth for the {what}, as {type(loss).__name__} compares with it, but none came: pass "
            f"it or leave the supervised terms out"
        )
    if truth is None:
        return
    if not loss.needs_truth:
        raise InputError(
            f"expected no ground truth for the {what}, as this loss does not look at truth, but {len(truth)} images "
            f"came: pass it to observers, which see scores only"
        )
    shape = (len(data), *data.physics.image_shape)
    if tuple(truth.x.shape) != shape:
        raise InputError(f"expected ground truth of shape {shape}, but {tuple(truth.x.shape)} came: one image a sample")
