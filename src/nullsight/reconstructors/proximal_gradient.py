"""Proximal gradient descent, the plainest of the iterations with a prior."""

from torch import Tensor

from nullsight.reconstructors.problems import along
from nullsight.reconstructors.variational import Objective, State, Variational, relative
from nullsight.types import Image


class ProximalGradient(Variational):
    """``u' = prox(u - grad d(u) / L, weight / L)`` until ``|u' - u| <= tolerance |u'|``, each image to its own end.

    With ``L = |A|^2`` times the largest curvature of the log-likelihood (2 % added to ``|A|``) the objective falls at
    every step, by O(1/k) in all, for any convex J: Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm
    for linear inverse problems", SIAM Journal on Imaging Sciences 2009, theorem 3.1. What stops it is the fixed-point
    residual. Where the variances of measurements differ much, L is that of the least noisy one, so steps and residual
    are small from the start: :class:`~nullsight.reconstructors.Admm` gets further there. With a
    :class:`~nullsight.reconstructors.Denoiser` it is plug and play.

    Args:
        prior: J.
        weight: of J, > 0, against minus the log-likelihood; without noise against ``|A x - y|^2 / (2 |A|^2 s^2)``,
            s being the intensity of a bright pixel. A denoiser does not look at it.
        noise: of the measurements; not counts alone, whose likelihood has no bounded curvature.
        iterations: at most so many, >= 1, each one A and one ``A^T``.
        tolerance: of the relative residual, >= 0.

    Raises:
        InputError: a weight, iterations or a tolerance out of range.

    Example:
        >>> import torch
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.priors import Size
        >>> f = ProximalGradient(Size(), weight=1.0)
        >>> x = f(torch.ones(1, 1, 2, 2), Inpainting((1, 2, 2), torch.ones(2, 2)))
        >>> bool((x - 0.5).abs().max() < 0.02)
        True
    """

    def _begin(self, objective: Objective, u: Image) -> State:
        return (u,)

    def _advance(self, objective: Objective, state: State) -> tuple[State, Tensor]:
        (u,) = state
        new = descend(objective, u)
        return (new,), relative(new - u, new)


def descend(objective: Objective, u: Image) -> Image:
    """Return ``prox(u - grad d(u) / L, weight / L)``; InputError for a noise without a bounded curvature."""
    step = 1 / objective.steepness(objective.misfit.curvature())
    return objective.prox(u - along(step, u) * objective.gradient(u), step)
