"""Estimates of how an output follows its input: weighted sums of derivatives, which Stein's risk estimate needs."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.types import InputError, Map, Measurement


class Divergence(ABC):
    """The derivatives ``dh_i/dy_i`` of a map of measurements, estimated; differentiable in the map's weights.

    With random signs b, ``b_i (J b)_i`` has the mean ``J_ii``, as ``E b b^T = I``; sums over entries are far less noisy
    than the entries. Girard, "A fast Monte-Carlo cross-validation procedure", Numerische Mathematik 1989; Ramani, Blu,
    Unser, "Monte-Carlo SURE", IEEE TIP 2008.
    """

    @abstractmethod
    def diagonal(self, h: Map, y: Measurement, at: Measurement, counted: Tensor, stream: Stream) -> Tensor:
        """Return the estimates, ``(batch, *measurement_shape)``, 0 for entries that do not count.

        Args:
            h: the map; what is random in it must be the same at every call.
            y: where, ``(batch, *measurement_shape)``.
            at: ``h(y)``, which is known.
            counted: bool, likewise shaped: the entries that are measured.
            stream: of the probes.
        """


@dataclass(frozen=True)
class FiniteDifference(Divergence):
    """``b (h(y + t b) - h(y)) / t``: one more pass of h a probe.

    t is ``step`` times the root mean square of the sample's measurement. The error of a smooth h is of the order of t;
    rounding adds about ``eps |h| / t``, so that a network in bf16 wants a step of 0.05 or more, or
    :class:`ExactProduct`.

    Args:
        step: t, relative to the measurement, > 0.
        probes: >= 1.

    Raises:
        InputError: a value out of its range.

    Example:
        >>> FiniteDifference().probes
        1
    """

    step: float = 1e-3
    probes: int = 1

    def __post_init__(self) -> None:
        if not self.step > 0 or self.probes < 1:
            raise InputError(f"expected a step above 0 and at least 1 probe, but {self.step} and {self.probes} came")

    def diagonal(self, h: Map, y: Measurement, at: Measurement, counted: Tensor, stream: Stream) -> Tensor:
        """Return the estimates."""
        length = self.step * root_mean_square(y, counted)
        total = torch.zeros_like(y)
        for _ in range(self.probes):
            b = signs(y, counted, stream)
            total = total + b * (h(y + length * b) - at) / length
        return total / self.probes


@dataclass(frozen=True)
class ExactProduct(Divergence):
    """``b (J^T b)`` by automatic differentiation: no step, no rounding of differences; about three passes a probe.

    What a map computes without gradients (a solver that f begins with, weights taken from the measurement) counts as
    constant here: take :class:`FiniteDifference` for such f.

    Args:
        probes: >= 1.

    Raises:
        InputError: fewer than one probe.

    Example:
        >>> from nullsight.draws import Draws
        >>> y = torch.ones(1, 3, dtype=torch.float64)
        >>> stream, counted = Draws(0, 0, (0,)).of("probe"), torch.ones(1, 3, dtype=torch.bool)
        >>> ExactProduct().diagonal(lambda v: 3 * v, y, 3 * y, counted, stream)
        tensor([[3., 3., 3.]], dtype=torch.float64)
    """

    probes: int = 1

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise InputError(f"expected at least 1 probe, but {self.probes} came")

    def diagonal(self, h: Map, y: Measurement, at: Measurement, counted: Tensor, stream: Stream) -> Tensor:
        """Return the estimates."""
        keep = torch.is_grad_enabled()
        total = torch.zeros_like(y)
        with torch.inference_mode(False), torch.enable_grad():
            point = y.detach().clone().requires_grad_()
            value = h(point)
            for _ in range(self.probes):
                b = signs(y, counted, stream)
                (product,) = torch.autograd.grad(value, point, b, create_graph=keep, retain_graph=True)
                total = total + b * product
        return (total if keep else total.detach()) / self.probes


@dataclass(frozen=True)
class CountShifts(Divergence):
    """``(h_i(y) - h_i(y - gain e_i)) / gain``, one pass of h an entry: for small problems, and to check others by.

    With these in the place of derivatives the estimate for Poisson noise is exact for every f: by Hudson's identity
    ``E (y_i - A x_i) h_i(y) = E y_i (h_i(y) - h_i(y - gain e_i))`` (Annals of Statistics 1978). Not for electronic
    noise, nor for both.

    Args:
        gain: the value of one count, that of the noise, > 0.

    Raises:
        InputError: a gain that is not above 0.

    Example:
        >>> from nullsight.draws import Draws
        >>> y = torch.tensor([[2.0, 3.0]])
        >>> stream, counted = Draws(0, 0, (0,)).of("probe"), torch.ones(1, 2, dtype=torch.bool)
        >>> CountShifts(1.0).diagonal(lambda v: v**2, y, y**2, counted, stream)  # 2^2 - 1^2, 3^2 - 2^2
        tensor([[3., 5.]])
    """

    gain: float

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise InputError(f"expected a gain above 0, but {self.gain} came")

    def diagonal(self, h: Map, y: Measurement, at: Measurement, counted: Tensor, stream: Stream) -> Tensor:
        """Return the differences; nothing is drawn."""
        columns = []
        for place in range(y[0].numel()):
            less = y.flatten(1).clone()
            less[:, place] -= self.gain
            columns.append((at - h(less.reshape(y.shape))).flatten(1)[:, place])
        found = torch.stack(columns, 1).reshape(y.shape) / self.gain
        return torch.where(counted, found, torch.zeros_like(found))


def signs(y: Measurement, counted: Tensor, stream: Stream) -> Tensor:
    """Return random signs for the entries that count, zeros elsewhere, ``(batch, *measurement_shape)``."""
    drawn = torch.where(stream.uniform(tuple(y.shape[1:])) < 0.5, -1.0, 1.0)
    return torch.where(counted, drawn.to(y), torch.zeros_like(y))


def skewed(y: Measurement, counted: Tensor, stream: Stream) -> Tensor:
    """Return draws with mean 0, variance 1 and third moment 1 for the entries that count, zeros elsewhere.

    ``sum_i b_i b^T H_i b`` has the mean ``sum_i H_iii`` with them, and the mean 0 with symmetric ones. There are two
    values, the golden ratio and minus its inverse.
    """
    golden = (1 + math.sqrt(5)) / 2
    drawn = torch.where(stream.uniform(tuple(y.shape[1:])) < 1 / (1 + golden**2), golden, -1 / golden)
    return torch.where(counted, drawn.to(y), torch.zeros_like(y))


def root_mean_square(y: Measurement, counted: Tensor) -> Tensor:
    """Return that of each sample's entries that count, ``(batch, 1, ...)``; 1 where they are all zero."""
    size = counted.flatten(1).sum(1).clamp_min(1)
    root = (torch.where(counted, y, torch.zeros_like(y)).square().flatten(1).sum(1) / size).sqrt()
    return torch.where(root > 0, root, torch.ones_like(root)).reshape(-1, *[1] * (y.ndim - 1))


DIVERGENCES: dict[str, type[Divergence]] = {
    "finite_difference": FiniteDifference,
    "exact_product": ExactProduct,
    "count_shifts": CountShifts,
}
