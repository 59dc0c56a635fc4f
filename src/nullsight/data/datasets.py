"""Measurements in memory with their physics; truth lives in another type."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nullsight.draws import stable_hash
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

    Raises:
        InputError: NaN or infinite values where there is truth.
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


def split(
    data: MeasurementSet, share: float, seed: int, groups: Sequence[str] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose samples to hold out and return ``(train, held out)``, sorted sample numbers for ``data.take``.

    Args:
        data: the measurements.
        share: of the samples (or groups) to hold out, 0 < share < 1; at least one is, and at least one is not.
        seed: of the choice.
        groups: which volume or patient each sample belongs to; a group is held out whole or not at all. None: each
            sample is its own.

    Raises:
        InputError: a share outside (0, 1), another number of groups than of samples, or fewer than two of them.

    Example:
        >>> from nullsight.physics import Inpainting
        >>> data = MeasurementSet(torch.ones(4, 1, 2, 2), Inpainting((1, 2, 2), torch.ones(1, 2, 2)))
        >>> split(data, 0.5, seed=0, groups=("a", "a", "b", "b")) in (((0, 1), (2, 3)), ((2, 3), (0, 1)))
        True
    """
    if not 0 < share < 1:
        raise InputError(f"expected a held-out share between 0 and 1, but {share} came")
    if groups is not None and len(groups) != len(data):
        raise InputError(f"expected {len(data)} groups, one a sample, but {len(groups)} came")
    labels = [str(i) for i in range(len(data))] if groups is None else list(groups)
    names = sorted(set(labels), key=labels.index)
    if len(names) < 2:
        raise InputError(f"expected at least two samples or groups to split, but {len(names)} came")
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    key = np.array([seed, stable_hash("held-out split")], dtype=np.uint64)
    order = np.random.Generator(np.random.Philox(key=key)).permutation(len(names))
    chosen = {names[i] for i in order[:count]}
    rows = range(len(data))
    return tuple(i for i in rows if labels[i] not in chosen), tuple(i for i in rows if labels[i] in chosen)
