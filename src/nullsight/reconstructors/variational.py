"""What iterations share that minimise ``d(A x) + weight J(x / s)``: the objective, the loop, the stopping rule."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws, Stream
from nullsight.linalg import inner, positive
from nullsight.noise import Noise, Noiseless
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.misfits import Misfit, misfit
from nullsight.reconstructors.priors import Prior
from nullsight.reconstructors.problems import Solution, along, brightness, linear
from nullsight.types import Image, InputError, Measurement

State = tuple[Tensor, ...]
NOISELESS = Noiseless()
_SPARE = 1.02  # norms by Lanczos are up to 1 % low


@dataclass(frozen=True)
class Objective:
    """``d(s A u) + weight J(u)`` for images ``u = x / s`` in units of a bright pixel.

    Attributes:
        physics: A.
        misfit: d, which knows the measurements.
        prior: J, by its proximal map.
        weight: of J.
        scale: s, ``(batch,)``.
        norm: ``|A|`` or a little more.
        stream: randomness for the prior.
    """

    physics: LinearPhysics
    misfit: Misfit
    prior: Prior
    weight: float
    scale: Tensor
    norm: float
    stream: Stream

    def gradient(self, u: Image) -> Image:
        """Return that of ``d(s A u)``."""
        return self.adjoint(self.misfit.gradient(self.measure(u)))

    def measure(self, u: Image) -> Measurement:
        """Return ``s A u``."""
        v = self.physics.A(u)
        return along(self.scale, v) * v

    def adjoint(self, v: Measurement) -> Image:
        """Return ``s A^T v``."""
        u = self.physics.A_adjoint(v)
        return along(self.scale, u) * u

    def steepness(self, curvature: Tensor) -> Tensor:
        """Return how much steeper ``d(s A u)`` gets at most where d has this curvature, ``(batch,)``."""
        return positive(self.scale**2 * self.norm**2 * curvature)

    def prox(self, u: Image, step: Tensor) -> Image:
        """Return the proximal map of ``step weight J``; ``step`` is ``(batch,)``."""
        return self.prior.prox(u, self.weight * along(step, u), self.stream)


def iterate(
    advance: Callable[[State], tuple[State, Tensor]], state: State, iterations: int, tolerance: float
) -> tuple[State, Tensor, Tensor]:
    """Return the last state of every sample, its number of iterations and its residual.

    Args:
        advance: one iteration of all samples; returns the new state and the residual of each, ``(batch,)``.
        state: tensors, batch first.
        iterations: at most so many.
        tolerance: a sample stays as it is once its residual is at most so large.
    """
    batch, place = len(state[0]), state[0].device
    going = torch.ones(batch, dtype=torch.bool, device=place)
    count = torch.zeros(batch, dtype=torch.int64, device=place)
    residual = torch.zeros(batch, dtype=state[0].dtype, device=place)
    for _ in range(iterations):
        new, found = advance(state)
        state = tuple(torch.where(along(going, b), b, a) for a, b in zip(state, new, strict=True))
        residual = torch.where(going, found.detach(), residual)
        count = count + going
        going = going & ~(found <= tolerance)
        if not bool(going.any()):
            break
    return state, count, residual


class Variational(Reconstructor, ABC):
    """``f(y) = argmin d(A x) + weight J(x / s)``, s the intensity of a bright pixel of ``A_dagger y``.

    d is minus the log-likelihood of the noise (:func:`~nullsight.reconstructors.misfits.misfit`); without noise it is
    ``|A x - y|^2 / (2 |A|^2 s^2)``, so that neither the unit of the images nor that of A matters. A subclass writes the
    first state of its iteration (the image first) and one step, which also says how far from its end it is. Iterations
    begin at ``A_dagger y``. Gradients reach ``y`` and the weights of a prior that has some; else there are none.
    """

    def __init__(
        self,
        prior: Prior,
        weight: float = 1.0,
        noise: Noise = NOISELESS,
        *,
        iterations: int = 500,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise InputError(f"expected a weight above 0, but {weight} came: take LinearInverse for no prior at all")
        if iterations < 1 or not tolerance >= 0:
            raise InputError(
                f"expected at least 1 iteration and a tolerance of at least 0, but {iterations} and {tolerance} came: "
                f"correct them"
            )
        self.prior, self.weight, self.noise = prior, weight, noise
        self.iterations, self.tolerance = iterations, tolerance

    @abstractmethod
    def _begin(self, objective: Objective, u: Image) -> State: ...

    @abstractmethod
    def _advance(self, objective: Objective, state: State) -> tuple[State, Tensor]: ...

    def solve(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Solution:
        """Return the images with their iterations, residuals and misfits.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the linear operator that made them (one for all, or one a sample; then ``|A|`` is the largest).
            start: ``A_dagger y`` where it is known already; it gives the images' unit, too.
            draws: randomness for priors that need it; None: the same for every image.

        Raises:
            InputError: a physics that is not linear, measurements that are not finite, or a noise that does not do.
        """
        operator = linear(physics)
        with torch.set_grad_enabled(torch.is_grad_enabled() and any(True for _ in self.parameters())):
            first = physics.A_dagger(y) if start is None else start
            objective = self._pose(y, operator, first, draws or Draws(0, 0, (0,) * len(y)))
            u = first / along(objective.scale, first)
            state, count, residual = iterate(
                lambda state: self._advance(objective, state),
                self._begin(objective, u),
                self.iterations,
                self.tolerance,
            )
            x = along(objective.scale, first) * state[0]
        with torch.no_grad():
            wrong = relative(operator.A(x) - y, y)
        return Solution(x, count, residual, wrong, residual <= self.tolerance)

    def _pose(self, y: Measurement, physics: LinearPhysics, first: Image, draws: Draws) -> Objective:
        scale, norm = brightness(first), _SPARE * physics.norm()
        found = misfit(self.noise, y, along(scale, y) * physics.norm(), physics.measured)
        return Objective(physics, found, self.prior, self.weight, scale, norm, draws.of("prior"))

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self.solve(y, physics, start=start, draws=draws).x


def check_penalty(penalty: float) -> float:
    """Return what holds two copies of an image together; InputError where it is not above 0."""
    if not 0 < penalty < float("inf"):
        raise InputError(f"expected a penalty above 0, but {penalty} came: 1 is a common start")
    return penalty


def relative(difference: Tensor, of: Tensor) -> Tensor:
    """Return ``|difference| / |of|`` of every sample, ``(batch,)``; ``|difference|`` where the other is 0."""
    return inner(difference, difference).flatten().sqrt() / positive(inner(of, of).flatten().sqrt())
