"""Muon: steps whose singular values are all about one, for weights that are matrices; Adam for the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nullsight.linalg import positive
from nullsight.training.optimisers import Optimiser
from nullsight.types import InputError

# of the quintic a s + b s^3 + c s^5 that brings singular values from (0, 1] into about [0.7, 1.2]: Jordan (2024)
_A, _B, _C = 3.4445, -4.7750, 2.0315


@dataclass(frozen=True)
class Muon(Optimiser):
    """Momentum whose matrices are brought near the closest orthogonal one before each step; Adam for all vectors.

    A kernel ``(out, in, k, k)`` is the matrix ``(out, in k k)`` that it multiplies patches by. Every direction of a
    weight moves alike, however small its gradient; a matrix whose gradient is zero only shrinks by the decay. Jordan et
    al., "Muon: an optimizer for hidden layers in neural networks", 2024; steps of tall matrices are longer by the root
    of their aspect ratio, as there. Biases, norms and step lengths are moved by Adam. The learning rate means another
    thing than Adam's: 0.01 is a common start.

    Args:
        learning_rate: of the matrices, before the schedule, > 0.
        momentum: share of the old momentum that is kept, in [0, 1).
        iterations: of Newton and Schulz towards the orthogonal matrix, 1 to 7: more would enlarge rounding errors of
            matrices without full rank.
        vector_rate: learning rate of Adam for all else, before the same schedule, > 0.
        weight_decay: share by which matrices shrink, times the learning rate, a step; >= 0.

    Raises:
        InputError: a value out of its range.

    Example:
        >>> len(Muon(0.01).build([nn.Parameter(torch.zeros(4, 2, 3, 3)), nn.Parameter(torch.zeros(4))]).param_groups)
        2
    """

    learning_rate: float = 0.01
    momentum: float = 0.95
    iterations: int = 5
    vector_rate: float = 3e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and self.vector_rate > 0):
            raise InputError(f"expected learning rates above 0, but {self.learning_rate}, {self.vector_rate} came")
        if not (0 <= self.momentum < 1 and 1 <= self.iterations <= 7 and self.weight_decay >= 0):
            raise InputError(
                f"expected a momentum in [0, 1), 1 to 7 iterations and a weight decay of at least 0, but "
                f"{self.momentum}, {self.iterations} and {self.weight_decay} came"
            )

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return a fresh Muon, with Adam for what is no matrix."""
        listed = list(parameters)
        matrices = {"lr": self.learning_rate, "params": [p for p in listed if p.ndim >= 2]}
        vectors = {"lr": self.vector_rate, "params": [p for p in listed if p.ndim < 2]}
        return _Muon(matrices, vectors, self)


class _Muon(torch.optim.Optimizer):
    def __init__(self, matrices: dict[str, Any], vectors: dict[str, Any], settings: Muon) -> None:
        self.settings = settings
        super().__init__([one for one in (matrices, vectors) if one["params"]], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        value = closure() if closure is not None else None
        for group in self.param_groups:
            moved = [(p, p.grad) for p in group["params"] if p.grad is not None]
            self._matrices([one for one in moved if one[0].ndim >= 2], group["lr"])
            for p, gradient in moved:
                if p.ndim < 2:
                    self._vector(p, gradient, group["lr"])
        return value

    def _matrices(self, moved: list[tuple[nn.Parameter, Tensor]], rate: float) -> None:
        shapes: dict[tuple[torch.Size, torch.dtype], list[tuple[nn.Parameter, Tensor]]] = {}
        for p, gradient in moved:
            shapes.setdefault((p.flatten(1).shape, p.dtype), []).append((p, gradient))
        for (shape, _), alike in shapes.items():  # those of one shape in one batch of products
            momentum = self.settings.momentum
            ahead = []
            for p, gradient in alike:
                kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                kept.lerp_(gradient, 1 - momentum)
                ahead.append(gradient.lerp(kept, momentum).flatten(1))
            # momentum alone would move a matrix on at full length, for hundreds of steps, where nothing asks it to
            asked = torch.stack([gradient.any() for _, gradient in alike]).to(alike[0][0].dtype)
            steps = nearest_orthogonal(torch.stack(ahead), self.settings.iterations) * asked[:, None, None]
            length = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for (p, _), step in zip(alike, steps, strict=True):
                p.mul_(1 - rate * self.settings.weight_decay).sub_(step.reshape(p.shape), alpha=length)

    def _vector(self, p: nn.Parameter, gradient: Tensor, rate: float) -> None:
        known = self.state[p]
        if not known:
            known.update(steps=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
        known["steps"] += 1
        first, second = 0.9, 0.999  # as Adam has them
        known["mean"].lerp_(gradient, 1 - first)
        known["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (known["square"] / (1 - second ** known["steps"])).sqrt_().add_(1e-8)
        p.addcdiv_(known["mean"], root, value=-rate / (1 - first ** known["steps"]))


def nearest_orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return matrices with the singular vectors of ``matrices`` and singular values of about 1 (0.7 to 1.2).

    Args:
        matrices: ``(batch, rows, columns)``; a matrix of zeros stays one, and one of entries below 1e-19 (float32) or
            1e-154 (float64) becomes one.
        iterations: of a quintic Newton-Schulz iteration; singular values below about ``4^-iterations`` of the norm stay
            smaller.

    Example:
        >>> nearest_orthogonal(torch.diag(torch.tensor([3.0, 1.0]))[None])[0, 0, 1]
        tensor(0.)
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    # by the largest entry first: what is left of a momentum whose gradients vanished may be too small to be squared
    top = x.abs().amax((1, 2), keepdim=True)
    x = torch.where(top > torch.finfo(x.dtype).tiny ** 0.5, x / positive(top), torch.zeros_like(x))
    x = x / positive(x.flatten(1).norm(dim=1))[:, None, None]
    # all factors are polynomials of x x^T, so the iteration is one of small square matrices, and x comes in at the end
    square = x @ x.mT
    factors = eye = torch.eye(square.shape[1], dtype=x.dtype, device=x.device).expand_as(square)
    for k in range(iterations):
        step = _A * eye + _B * square + _C * square @ square
        factors = step @ factors
        if k < iterations - 1:
            square = step @ square @ step
    x = factors @ x
    return x.mT if tall else x
