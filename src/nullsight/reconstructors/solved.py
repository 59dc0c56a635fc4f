"""The proximal map of any convex regulariser ``F(K x)``, by the primal-dual method."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.constraints import AnyValue, Constraint
from nullsight.draws import Stream
from nullsight.physics.inpainting import Inpainting
from nullsight.physics.weightings import Unweighed
from nullsight.reconstructors.fits import Penalised
from nullsight.reconstructors.primal_dual import PrimalDual
from nullsight.reconstructors.priors import Penalty
from nullsight.reconstructors.problems import Problem, Regulariser
from nullsight.types import Image

ANY_VALUE = AnyValue()
_ALIKE = 1e-6  # of a step: what iterations compute sample by sample in single precision differs by so much


@dataclass(frozen=True)
class Solved(Penalty):
    """A regulariser whose proximal map has no formula, such as total variation, as a prior.

    The map is the solution of ``min step R(u) + |u - x|^2 / 2`` over allowed images. It commutes with every orthogonal
    transformation that R and the constraint are invariant to. Images come out without gradients.

    Args:
        regulariser: R, such as ``Variation(Separate())``.
        constraint: which images are allowed.
        iterations: of the primal-dual method at most, >= 1.
        tolerance: of its relative residuals, >= 0.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.reconstructors.variation import Separate, Variation
        >>> x = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
        >>> near = Solved(Variation(Separate())).prox(x, torch.full((1, 1, 1), 0.2), Draws(0, 0, (0,)).of("prox"))
        >>> bool((near - torch.tensor([0.1, 0.1, 0.9, 0.9])).abs().max() < 1e-3)
        True
    """

    regulariser: Regulariser
    constraint: Constraint = ANY_VALUE
    iterations: int = 1000
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse iterations or a tolerance out of range; InputError."""
        PrimalDual(self.iterations, self.tolerance)

    def value(self, x: Image) -> Tensor:
        """Return ``R(x)``."""
        return self.regulariser.value(x)

    @torch.no_grad()
    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the solution; samples whose steps are alike to rounding are solved for together."""
        steps = step.expand(len(x), *step.shape[1:]).flatten().double()
        out, left = torch.empty_like(x), torch.ones_like(steps, dtype=torch.bool)
        while bool(left.any()):
            one = float(steps[left][0])
            alike = left & ((steps - one).abs() <= _ALIKE * one)
            rows = alike.nonzero().flatten()
            out[rows] = self._denoise(x[rows], one)
            left = left & ~alike
        return out

    def _denoise(self, x: Image, step: float) -> Image:
        identity = Inpainting(x.shape[1:], torch.ones(x.shape[2:])).to(x.device, x.dtype)
        units = torch.ones(len(x), dtype=x.dtype, device=x.device)
        fit, weighting = Penalised(step), Unweighed()
        problem = Problem(x, identity, self.regulariser, fit, self.constraint, weighting, units)
        return PrimalDual(self.iterations, self.tolerance).solve(problem, x).x
