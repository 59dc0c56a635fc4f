"""Counter-based random streams: the same draw for the same (run seed, epoch, sample, copy, term).

Whatever else is drawn: a batch split over processes, another term in the loss or a resumed run changes no draw. The
generator is Philox 4x64 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) as NumPy has it: the
key is (seed, hash of the term), the counter starts at (0, copy, sample, epoch). Draws are made on the CPU in float64
and then moved, so they do not depend on the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from nullsight.errors import InputError

_WORD = 2**64 - 1


def stable_hash(text: str) -> int:
    """Return a 64-bit number for ``text``, the same on every machine and in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Stream:
    """One generator per sample of a batch; every method returns one draw a sample, ``(batch, ...)``."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = tuple(generators)

    def __len__(self) -> int:
        return len(self._generators)

    def integers(self, high: int) -> Tensor:
        """Return ``(batch,)`` int64 draws, uniform on 0 .. high - 1."""
        return torch.tensor([int(one.integers(high)) for one in self._generators], dtype=torch.int64)

    def uniform(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Return ``(batch, *shape)`` float64 draws, uniform on [0, 1)."""
        return self._stack([one.random(shape) for one in self._generators], shape)

    def normal(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Return ``(batch, *shape)`` float64 draws of the standard normal."""
        return self._stack([one.standard_normal(shape) for one in self._generators], shape)

    def poisson(self, mean: Tensor) -> Tensor:
        """Return Poisson draws with means ``(batch, ...)`` (>= 0), in their dtype and on their device.

        Raises:
            InputError: a mean that is negative, NaN or above what counts can hold (9e18).
        """
        rows = mean.detach().to("cpu", torch.float64).numpy()
        try:
            drawn = [one.poisson(row) for one, row in zip(self._generators, rows, strict=True)]
        except ValueError:
            raise InputError(
                f"expected mean counts from 0 to 9e18, but {rows.min():.3g} to {rows.max():.3g} came: correct the "
                f"gain, or lower the learning rate where a network made them"
            ) from None
        return self._stack(drawn, tuple(mean.shape[1:])).to(mean.device, mean.dtype)

    def binomial(self, counts: Tensor, share: float) -> Tensor:
        """Return how many of ``(batch, ...)`` whole counts (0 to 9e18) fall to a share, in their dtype and device."""
        rows = counts.detach().to("cpu", torch.float64).numpy().astype(np.int64)
        drawn = [one.binomial(row, share) for one, row in zip(self._generators, rows, strict=True)]
        return self._stack(drawn, tuple(counts.shape[1:])).to(counts.device, counts.dtype)

    @staticmethod
    def _stack(rows: Sequence[np.ndarray | float], shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(np.asarray(rows, dtype=np.float64).reshape(len(rows), *shape))


@dataclass(frozen=True)
class Draws:
    """All randomness of one batch: ``Draws(seed, epoch, ids).of("term")`` is the stream of that term.

    Args:
        seed: the run's seed, 0 <= seed < 2**64.
        epoch: the pass over the data, >= 0.
        ids: the samples' numbers in the data set, one per row of the batch, >= 0.
        copies: which copy of its sample each row is; None means all are the first.

    Raises:
        InputError: a number out of its range, or not one copy a row.

    Example:
        >>> draws = Draws(0, 0, (3, 8))
        >>> bool((draws.of("shift").integers(10) == draws.of("shift").integers(10)).all())
        True
    """

    seed: int
    epoch: int
    ids: tuple[int, ...]
    copies: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        words = (self.seed, self.epoch, *self.ids, *(self.copies or ()))
        if not 0 <= min(words) <= max(words) <= _WORD or len(self.copies or self.ids) != len(self.ids):
            raise InputError(
                f"expected seed, epoch, ids and copies from 0 to 2**64 - 1 and one copy a row, but seed {self.seed}, "
                f"epoch {self.epoch}, ids {self.ids} and copies {self.copies} came"
            )

    def of(self, term: str) -> Stream:
        """Return the stream of ``term``, from its beginning."""
        key = np.array([self.seed, stable_hash(term)], dtype=np.uint64)
        copies = self.copies or (0,) * len(self.ids)
        counters = [np.array([0, c, i, self.epoch], dtype=np.uint64) for i, c in zip(self.ids, copies, strict=True)]
        return Stream([np.random.Generator(np.random.Philox(key=key, counter=counter)) for counter in counters])

    def repeat(self, times: int) -> "Draws":
        """Return the draws of a batch tiled ``times`` times (as ``Tensor.repeat`` tiles it), each copy its own."""
        copies = self.copies or (0,) * len(self.ids)
        top = max(copies, default=0) + 1
        tiled = tuple(c + top * k for k in range(times) for c in copies)
        return Draws(self.seed, self.epoch, self.ids * times, tiled)

    def first(self) -> "Draws":
        """Return the draws of the first copies: the same for all rows of one sample."""
        return Draws(self.seed, self.epoch, self.ids)

    def later(self, times: int = 1) -> "Draws":
        """Return the draws of a batch tiled ``times`` times, other copies than this one: a random f draws anew."""
        batch = len(self.ids)
        return self.repeat(times + 1).take(range(batch, batch * (times + 1)))

    def take(self, rows: Sequence[int]) -> "Draws":
        """Return the draws of some rows of the batch."""
        copies = None if self.copies is None else tuple(self.copies[r] for r in rows)
        return Draws(self.seed, self.epoch, tuple(self.ids[r] for r in rows), copies)
