"""The alternating direction method of multipliers: data and prior in turn, joined by linear equations."""

import torch
from torch import Tensor

from nullsight.linalg import inner
from nullsight.noise import Noise
from nullsight.reconstructors.priors import Prior, solved
from nullsight.reconstructors.problems import along
from nullsight.reconstructors.variational import NOISELESS, Objective, State, Variational, check_penalty
from nullsight.types import Image


class Admm(Variational):
    """Minimise ``d(v) + weight J(z)`` with ``v = A u`` and ``z = u``, for every noise model, counts among them.

    Boyd et al., "Distributed optimization and statistical learning via the alternating direction method of
    multipliers", Foundations and Trends in Machine Learning 2011, section 3.1, scaled form; with ``a, b`` the
    multipliers and ``B = A / |A|``::

        u = (B^T B + 1)^-1 (B^T (v - a) / |A| + z - b)           by conjugate gradients, condition number at most 2
        v = prox(A u + a, |A|^2 / rho) of d                      z = prox(u + b, weight / rho) of J
        a = a + A u - v                                          b = b + u - z

    Converges for every ``rho > 0`` and convex d and J (there, section 3.2). ``rho`` is ``penalty`` times the curvature
    of ``d(A u)`` near the data. A sample is done when ``(|B u - v / |A||^2 + |u - z|^2)^(1/2)`` (primal) and
    ``|B^T (v' - v) / |A| + z' - z|`` (dual) are both at most ``tolerance |z|``; z is returned. With a
    :class:`~nullsight.reconstructors.Denoiser` it is plug and play.

    Args:
        prior: J.
        weight: of J, > 0, in the unit of :class:`~nullsight.reconstructors.ProximalGradient`.
        noise: of the measurements.
        penalty: > 0; the limit does not depend on it where J is convex, the speed does.
        iterations: at most so many, >= 1, each about 8 A and ``A^T`` in single precision.
        tolerance: of the relative residuals, >= 0.

    Raises:
        InputError: a weight, a penalty, iterations or a tolerance out of range.

    Example:
        >>> import torch
        >>> from nullsight.noise import Poisson
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.priors import Allowed
        >>> f = Admm(Allowed(), noise=Poisson(0.1))
        >>> y = torch.tensor([[[0.5, 0.0, 2.0]]])
        >>> bool((f(y, Inpainting((1, 3), torch.ones(3))) - y).abs().max() < 1e-2)
        True
    """

    def __init__(
        self,
        prior: Prior,
        weight: float = 1.0,
        noise: Noise = NOISELESS,
        *,
        penalty: float = 1.0,
        iterations: int = 500,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__(prior, weight, noise, iterations=iterations, tolerance=tolerance)
        self.penalty = check_penalty(penalty)

    def _begin(self, objective: Objective, u: Image) -> State:
        v = objective.physics.A(u)
        return u, v, torch.zeros_like(v), torch.zeros_like(u)

    def _advance(self, objective: Objective, state: State) -> tuple[State, Tensor]:
        z, v, a, b = state
        physics, unit = objective.physics, objective.norm**2
        with torch.no_grad():
            rho = self.penalty * objective.steepness(objective.misfit.usual_curvature())
        u = solved(lambda w: physics.A_adjoint(physics.A(w)) / unit + w, physics.A_adjoint(v - a) / unit + z - b)
        measured, scale = physics.A(u), along(objective.scale, v)
        new_v = objective.misfit.settle(scale * (measured + a), scale**2 * unit / along(rho, v)) / scale
        new_z = objective.prox(u + b, 1 / rho)
        new = new_z, new_v, a + measured - new_v, b + u - new_z
        primal = (_square(measured - new_v) / unit + _square(u - new_z)).sqrt()
        dual = _square(physics.A_adjoint(new_v - v) / unit + new_z - z).sqrt()
        size = _square(new_z).sqrt()
        return new, torch.maximum(primal, dual) / torch.where(size > 0, size, torch.ones_like(size))


def _square(value: Tensor) -> Tensor:
    return inner(value, value).flatten()
