"""Measurements in memory with their physics; truth lives in another type."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.physics.base import Physics
from nullsight.types import Batch, InputError, check_batch


@dataclass(frozen=True)
class MeasurementSet:
    """All measurements of a data set and the operator (or one operator a sample) that made them.

    Args:
        y: ``(samples, *physics.measurement_shape)``, floating point, finite.
        physics: one operator for all, or a batched one with as many operators as there are samples.
        names: what each sample is called (a file, a patient), for splits and tables; None numbers them.

    Raises:
        InputError: wrong shape, no sample, NaN or infinite values, or another number of operators or names.
    """

    y: Tensor
    physics: Physics
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_batch(self.y, self.physics.measurement_shape, "measurement")
        if len(self) == 0:
            raise InputError("expected at least one measurement, but none came: check the file")
        if not bool(torch.isfinite(self.y).all()):
            first = int((~torch.isfinite(self.y.flatten(1))).any(1).nonzero()[0])
            raise InputError(f"expected finite measurements, but sample {first} has NaN or infinite values: remove it")
        if self.physics.samples not in (None, len(self)):
            raise InputError(f"expected one operator for all or {len(self)} operators, but {self.physics.samples} came")
        if self.names is not None and len(self.names) != len(self):
            raise InputError(f"expected {len(self)} names, one a sample, but {len(self.names)} came")

    def __len__(self) -> int:
        return int(self.y.shape[0])

    def batch(self, ids: Sequence[int]) -> Batch:
        """Return some samples as a batch, in the order of ``ids``."""
        rows = list(ids)
        return Batch(self.y[rows], self.physics.take(rows), torch.tensor(rows, dtype=torch.int64))

    def take(self, ids: Sequence[int]) -> "MeasurementSet":
        """Return some samples as a set of their own."""
        rows = list(ids)
        names = None if self.names is None else tuple(self.names[i] for i in rows)
        return MeasurementSet(self.y[rows], self.physics.take(rows), names)


@dataclass(frozen=True)
class TruthSet:
    """Ground truth beside a measurement set, for supervised losses and for scoring only.

    Args:
        x: images, ``(samples, *image_shape)``; anything where there is none.
        has_x: which samples carry truth, bool ``(samples,)``; None: all.
    """

    x: Tensor
    has_x: Tensor | None = None

    def __post_init__(self) -> None:
        known = self.x if self.has_x is None else self.x[self.has_x]
        if not bool(torch.isfinite(known).all()):
            raise InputError("expected finite ground truth, but NaN or infinite values came: remove those samples")

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def take(self, ids: Sequence[int]) -> "TruthSet":
        """Return some samples."""
        rows = list(ids)
        return TruthSet(self.x[rows], None if self.has_x is None else self.has_x[rows])
