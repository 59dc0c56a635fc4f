"""Half-quadratic splitting: an image that fits the data and one that is likely, drawn to each other."""

from torch import Tensor

from nullsight.noise import Noise
from nullsight.reconstructors.misfits import squares
from nullsight.reconstructors.priors import Prior, solved
from nullsight.reconstructors.problems import along
from nullsight.reconstructors.variational import NOISELESS, Objective, State, Variational, check_penalty, relative
from nullsight.types import Image


class HalfQuadratic(Variational):
    """Minimise ``d(A u) + mu |u - z|^2 / 2 + weight J(z)`` over u and z in turn, and return z.

    ``u`` solves a linear system by conjugate gradients, ``z = prox(u, weight / mu)``. Geman, Yang, "Nonlinear image
    recovery with half-quadratic regularization", IEEE TIP 1995; as plug and play Zhang et al., "Learning deep CNN
    denoiser prior for image restoration", CVPR 2017. For convex J the pair converges (alternating minimisation); its
    limit is that of the problem itself only as mu grows. mu is ``penalty`` times the curvature of ``d(A u)``, fixed.
    Stops where ``|z' - z| <= tolerance |z'|``.

    Args:
        prior: J.
        weight: of J, > 0, in the unit of :class:`~nullsight.reconstructors.ProximalGradient`.
        noise: of the measurements; not counts alone, which make no linear system.
        penalty: > 0; larger draws u and z nearer to each other and takes more iterations.
        iterations: at most so many, >= 1.
        tolerance: of the relative residual, >= 0.

    Raises:
        InputError: a weight, a penalty, iterations or a tolerance out of range.

    Example:
        >>> from nullsight.networks import DnCNN
        >>> from nullsight.reconstructors.denoisers import Denoiser
        >>> f = HalfQuadratic(Denoiser(DnCNN(1, width=8, depth=4, seed=0)), penalty=0.3, iterations=20)
    """

    def __init__(
        self,
        prior: Prior,
        weight: float = 1.0,
        noise: Noise = NOISELESS,
        *,
        penalty: float = 1.0,
        iterations: int = 100,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__(prior, weight, noise, iterations=iterations, tolerance=tolerance)
        self.penalty = check_penalty(penalty)

    def _begin(self, objective: Objective, u: Image) -> State:
        return (u,)

    def _advance(self, objective: Objective, state: State) -> tuple[State, Tensor]:
        (z,) = state
        found = squares(objective.misfit)
        mu = self.penalty * objective.steepness(found.usual_curvature())
        pull = along(mu, z)
        u = solved(
            lambda w: objective.adjoint(found.weights * objective.measure(w)) + pull * w,
            objective.adjoint(found.weights * found.y) + pull * z,
        )
        new = objective.prox(u, 1 / mu)
        return (new,), relative(new - z, new)
