"""Estimates of how an output follows its input: weighted sums of derivatives, which Stein's risk estimate needs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Stream
from nullsight.linalg import inner
from nullsight.types import InputError, Map, Measurement


class Divergence(ABC):
    """``sum_i w_i dh_i/dy_i`` for each sample of a batch, for any map h of measurements, differentiable in h's weights.

    An estimate with ``probes`` random signs a sample: ``b^T diag(w) J b`` has this mean, as ``E b b^T = I``. Its
    variance falls with the number of probes. Girard, "A fast Monte-Carlo cross-validation procedure", Numerische
    Mathematik 1989; Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE TIP 2008.
    """

    @abstractmethod
    def of(self, h: Map, y: Measurement, at: Measurement, weight: Tensor, stream: Stream) -> Tensor:
        """Return the estimate, ``(batch,)``.

        Args:
            h: the map; what is random in it must be the same at every call.
            y: where, ``(batch, *measurement_shape)``.
            at: ``h(y)``, which is known.
            weight: w, likewise shaped; 0 where nothing is measured.
            stream: of the probes.
        """


@dataclass(frozen=True)
class FiniteDifference(Divergence):
    """``b^T diag(w) (h(y + t b) - h(y)) / t``: one more pass of h a probe.

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

    def of(self, h: Map, y: Measurement, at: Measurement, weight: Tensor, stream: Stream) -> Tensor:
        """Return the estimate, ``(batch,)``."""
        length = self.step * root_mean_square(y, weight)
        total = torch.zeros_like(y.flatten(1)[:, 0])
        for _ in range(self.probes):
            b = signs(y, weight, stream)
            total = total + inner(weight * b, (h(y + length * b) - at) / length).flatten()
        return total / self.probes


@dataclass(frozen=True)
class ExactProduct(Divergence):
    """``b^T diag(w) J b`` by automatic differentiation: no step, no rounding of differences; about three passes a probe.

    Args:
        probes: >= 1.

    Raises:
        InputError: fewer than one probe.

    Example:
        >>> from nullsight.draws import Draws
        >>> y = torch.ones(2, 5, dtype=torch.float64)
        >>> stream = Draws(0, 0, (0, 1)).of("probe")
        >>> ExactProduct().of(lambda v: 3 * v, y, 3 * y, torch.ones_like(y), stream)
        tensor([15., 15.], dtype=torch.float64)
    """

    probes: int = 1

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise InputError(f"expected at least 1 probe, but {self.probes} came")

    def of(self, h: Map, y: Measurement, at: Measurement, weight: Tensor, stream: Stream) -> Tensor:
        """Return the estimate, ``(batch,)``."""
        keep = torch.is_grad_enabled()
        total = torch.zeros_like(y.flatten(1)[:, 0])
        with torch.enable_grad():
            point = y.detach().requires_grad_()
            value = h(point)
            for _ in range(self.probes):
                b = signs(y, weight, stream)
                (product,) = torch.autograd.grad(value, point, weight * b, create_graph=keep, retain_graph=True)
                total = total + inner(product, b).flatten()
        return (total if keep else total.detach()) / self.probes


def signs(y: Measurement, weight: Tensor, stream: Stream) -> Tensor:
    """Return random signs for the entries that count, zeros elsewhere, ``(batch, *measurement_shape)``."""
    drawn = torch.where(stream.uniform(tuple(y.shape[1:])) < 0.5, -1.0, 1.0)
    return torch.where(weight != 0, drawn.to(y), torch.zeros_like(y))


def root_mean_square(y: Measurement, weight: Tensor) -> Tensor:
    """Return that of each sample's entries that count, ``(batch, 1, ...)``; 1 where they are all zero."""
    counted = weight != 0
    size = counted.flatten(1).sum(1).clamp_min(1)
    root = (torch.where(counted, y, torch.zeros_like(y)).square().flatten(1).sum(1) / size).sqrt()
    return torch.where(root > 0, root, torch.ones_like(root)).reshape(-1, *[1] * (y.ndim - 1))


DIVERGENCES: dict[str, type[Divergence]] = {"finite_difference": FiniteDifference, "exact_product": ExactProduct}
