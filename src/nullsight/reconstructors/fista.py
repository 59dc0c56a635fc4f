"""Proximal gradient descent with momentum."""

import torch
from torch import Tensor

from nullsight.linalg import inner
from nullsight.reconstructors.proximal_gradient import descend
from nullsight.reconstructors.variational import Objective, State, Variational, relative
from nullsight.types import Image


class Fista(Variational):
    """Proximal gradient steps from a point ahead, ``u' = prox(v - grad d(v) / L, weight / L)``, as few as may be.

    ``v = u' + (t - 1) / t' (u' - u)`` with ``t' = (1 + sqrt(1 + 4 t^2)) / 2``: the objective falls by O(1/k^2), Beck,
    Teboulle, SIAM Journal on Imaging Sciences 2009, theorem 4.4. Where the momentum leads uphill it begins anew, each
    image for itself (O'Donoghue, Candes, "Adaptive restart for accelerated gradient schemes", Foundations of
    Computational Mathematics 2015). Steps as :class:`~nullsight.reconstructors.ProximalGradient`; stops where
    ``|u' - v| <= tolerance |u'|``, the fixed-point residual at v.

    Args:
        prior: J, convex; with a denoiser take a plain iteration.
        weight: of J, > 0, in the unit of :class:`~nullsight.reconstructors.ProximalGradient`.
        noise: of the measurements; not counts alone.
        iterations: at most so many, >= 1, each one A and one ``A^T``.
        tolerance: of the relative residual, >= 0.

    Raises:
        InputError: a weight, iterations or a tolerance out of range.

    Example:
        >>> from nullsight.physics import ParallelBeamCT
        >>> from nullsight.reconstructors.wavelets import Wavelets
        >>> f = Fista(Wavelets("db4", levels=2), weight=1e-3)
    """

    def _begin(self, objective: Objective, u: Image) -> State:
        return u, u, torch.ones_like(inner(u, u))

    def _advance(self, objective: Objective, state: State) -> tuple[State, Tensor]:
        u, v, t = state
        new = descend(objective, v)
        uphill = inner(v - new, new - u) > 0
        longer = (1 + (1 + 4 * t**2).sqrt()) / 2
        momentum = torch.where(uphill, torch.zeros_like(t), (t - 1) / longer)
        ahead = new + momentum * (new - u)
        return (new, ahead, torch.where(uphill, torch.ones_like(t), longer)), relative(new - v, new)
