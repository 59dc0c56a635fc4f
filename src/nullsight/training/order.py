"""Which samples a step sees: a new permutation every epoch, known from the seed and the step number alone."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nullsight.draws import stable_hash


@dataclass(frozen=True)
class Order:
    """The order of samples. An epoch sees every sample once; its last batch may be smaller.

    Args:
        samples: how many there are.
        batch_size: samples a step.
        seed: of the run.

    Example:
        >>> order = Order(samples=5, batch_size=2, seed=0)
        >>> order.per_epoch, sorted(i for step in range(3) for i in order.at(step)[1])
        (3, [0, 1, 2, 3, 4])
    """

    samples: int
    batch_size: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return -(-self.samples // self.batch_size)

    def at(self, step: int) -> tuple[int, tuple[int, ...]]:
        """Return the epoch and the samples of ``step`` (from 0)."""
        epoch, place = divmod(step, self.per_epoch)
        first = place * self.batch_size
        return epoch, _permutation(self.samples, self.seed, epoch)[first : first + self.batch_size]


@lru_cache(maxsize=4)
def _permutation(samples: int, seed: int, epoch: int) -> tuple[int, ...]:
    key = np.array([seed, stable_hash("order of samples")], dtype=np.uint64)
    counter = np.array([0, 0, 0, epoch], dtype=np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    return tuple(int(i) for i in generator.permutation(samples))
