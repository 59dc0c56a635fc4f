"""One operator on a batch that is another operator on each of its rows, of one class or of many."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nullsight.physics.base import LinearPhysics
from nullsight.physics.least_squares import Weighs
from nullsight.types import Image, InputError, Measurement

Act = Callable[[LinearPhysics, Tensor], Tensor]


class Several(LinearPhysics):
    """Row i of a batch is measured by ``operators[which[i]]``; for operators that keep no buffers a sample.

    Where operators of one class differ in buffers alone, as masks do, ``Batches.batched`` is quicker.

    Args:
        operators: linear, with one image shape and one measurement shape; each serves any batch.
        which: the operator of each row, int64 ``(batch,)``.

    Raises:
        InputError: no operator, other shapes, operators that are batches themselves, or numbers out of range.

    Example:
        >>> from nullsight.physics.inpainting import Inpainting
        >>> left, right = (Inpainting((1, 2), torch.tensor(m)) for m in ([1, 0], [0, 1]))
        >>> Several([left, right], torch.tensor([1, 0])).A(torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]]]))
        tensor([[[0., 4.]],
        <BLANKLINE>
                [[3., 0.]]])
    """

    per_sample = ("which",)
    which: Tensor

    def __init__(self, operators: Sequence[LinearPhysics], which: Tensor) -> None:
        listed = list(operators)
        if len({(one.image_shape, one.measurement_shape) for one in listed}) != 1 or any(o.samples for o in listed):
            raise InputError(
                f"expected operators of one image shape and one measurement shape, each for any batch, but "
                f"{[type(one).__name__ for one in listed]} came that are not: measure in batches apart"
            )
        if which.ndim != 1 or not len(which) or not 0 <= int(which.min()) <= int(which.max()) < len(listed):
            raise InputError(f"expected the number of one of {len(listed)} operators for each row, but {which} came")
        super().__init__(listed[0].image_shape, listed[0].measurement_shape)
        self.members = nn.ModuleList(listed)
        self.register_buffer("which", which)
        self.dagger_ensemble = listed[0].dagger_ensemble

    @property
    def operators(self) -> list[LinearPhysics]:
        """All operators, used or not."""
        return [one for one in self.members if isinstance(one, LinearPhysics)]

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """The largest one of the operators."""
        return max(one.dagger_error for one in self.operators)

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(batch, *measurement_shape)``; None where every operator measures all."""
        seen = [one.measured for one in self.operators]
        if all(one is None for one in seen):
            return None
        whole = torch.ones(1, *self.measurement_shape, dtype=torch.bool, device=self.which.device)
        return torch.cat([whole if one is None else one for one in seen])[self.which]

    def norm(self) -> float:
        """Return the largest norm of the operators."""
        return max(one.norm() for one in self.operators)

    def dagger_gain(self) -> float:
        """Return the largest one of the operators."""
        return max(one.dagger_gain() for one in self.operators)

    def subset(self, keep: Tensor) -> LinearPhysics:
        """Return what ``keep`` leaves of each row's operator; it can weigh where they can."""
        kept = self._keep(keep)
        count = max(len(self.which), len(kept))
        which, kept = self.which.expand(count).tolist(), kept.expand(count, *self.measurement_shape)
        rows = [self.operators[k].subset(row) for k, row in zip(which, kept, strict=True)]
        linear = [one for one in rows if isinstance(one, LinearPhysics)]
        return several(linear, torch.arange(len(linear), device=self.which.device))

    def _measure(self, x: Image) -> Measurement:
        return self._rowwise(x, lambda one, v: one.A(v))

    def _adjoint(self, y: Measurement) -> Image:
        return self._rowwise(y, lambda one, v: one.A_adjoint(v))

    def _invert(self, y: Measurement) -> Image:
        return self._rowwise(y, lambda one, v: one.A_dagger(v))

    def _rowwise(self, value: Tensor, act: Act) -> Tensor:
        which, operators = self.which.expand(len(value)).tolist(), self.operators
        out: list[Tensor] = [value] * len(value)
        for number in dict.fromkeys(which):
            rows = [row for row, one in enumerate(which) if one == number]
            for row, result in zip(rows, act(operators[number], value[rows]), strict=True):
                out[row] = result
        return torch.stack(out)


class SeveralWeighed(Several):
    """As :class:`Several`, for operators that can weigh their measurements."""

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y``, each row with the weighting of its operator."""

        def act(one: LinearPhysics, v: Tensor) -> Tensor:
            assert isinstance(one, Weighs)
            return one.weigh(v)

        return self._rowwise(y, act)


def several(operators: Sequence[LinearPhysics], which: Tensor) -> LinearPhysics:
    """Return one operator for the batch, which can weigh where all can; the operator itself where there is one."""
    used, numbers = torch.unique(which, return_inverse=True)
    few = [operators[int(k)] for k in used]
    if len(few) == 1:
        return few[0]
    kind = SeveralWeighed if all(isinstance(one, Weighs) for one in few) else Several
    return kind(few, numbers)
