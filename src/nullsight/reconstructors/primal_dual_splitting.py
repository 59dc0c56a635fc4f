"""Any convex regulariser ``F(K x)`` with any fit and constraint, by the primal-dual method; nothing is learned."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from nullsight.constraints import Constraint, NonNegative
from nullsight.draws import Draws
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.linearized import linear_problem
from nullsight.physics.splits import measured_entries
from nullsight.physics.weightings import Weighting, WhereKnown
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.fits import Exact, Fit, Likelihood
from nullsight.reconstructors.primal_dual import PrimalDual
from nullsight.reconstructors.problems import Problem, Regulariser, Solution, brightness
from nullsight.types import Image, InputError, Measurement

EXACT = Exact()
NON_NEGATIVE = NonNegative()
WHERE_KNOWN = WhereKnown()


class Regularised(Reconstructor, ABC):
    """``f(y) = argmin R(x) + h(y - A x)`` over allowed images; a subclass says what R is."""

    def __init__(
        self, data: Fit, constraint: Constraint, weighting: Weighting, iterations: int, tolerance: float
    ) -> None:
        super().__init__()
        self.data, self.constraint, self.weighting = data, constraint, weighting
        self.iterations, self.tolerance = iterations, tolerance
        self._method = PrimalDual(iterations, tolerance)

    @abstractmethod
    def _regulariser(self) -> Regulariser: ...

    @torch.no_grad()
    def solve(self, y: Tensor, physics: Physics, *, start: Image | None = None) -> Solution:
        """Return the images with their iterations, residuals and misfits.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the operator that made them (one for all, or one a sample); a nonlinear one is linearised.
            start: ``A_dagger y`` where it is known already; it gives the images' unit, too.

        Raises:
            InputError: a physics that cannot be linearised, or whose linearised measurements are others while the fit
                is a likelihood of those that came; measurements that are not finite.
        """
        first = physics.A_dagger(y) if start is None else start
        unit, regulariser = brightness(first), self._regulariser()
        seen, linear = linear_problem(y, physics)
        if seen is not y and isinstance(self.data, Likelihood):
            _check_same(seen, y, linear, physics)
        problem = Problem(seen, linear, regulariser, self.data, self.constraint, self.weighting, unit)
        return self._method.solve(problem, first)

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self.solve(y, physics, start=start).x


class PrimalDualSplitting(Regularised):
    """``f(y) = argmin R(x) + h(y - A x)`` over allowed images, for any regulariser ``R(x) = F(K x)``.

    As :class:`~nullsight.reconstructors.TotalVariation`, which says how units, stopping and gradients are.

    Args:
        regulariser: R, such as :class:`~nullsight.reconstructors.Wavelets`.
        data: how closely measurements are fitted; :class:`~nullsight.reconstructors.Likelihood` takes a noise model.
        constraint: which images are allowed.
        weighting: W, the metric of the iteration, which changes the speed alone.
        iterations: at most so many, >= 1.
        tolerance: of the relative residuals, >= 0.

    Raises:
        InputError: iterations or tolerance out of range.

    Example:
        >>> from nullsight.noise import Poisson
        >>> from nullsight.reconstructors.fits import Likelihood
        >>> from nullsight.reconstructors.wavelets import Wavelets
        >>> f = PrimalDualSplitting(Wavelets("haar", levels=2), Likelihood(Poisson(0.01), weight=2.0))
    """

    def __init__(
        self,
        regulariser: Regulariser,
        data: Fit = EXACT,
        constraint: Constraint = NON_NEGATIVE,
        *,
        weighting: Weighting = WHERE_KNOWN,
        iterations: int = 1000,
        tolerance: float = 3e-4,
    ) -> None:
        super().__init__(data, constraint, weighting, iterations, tolerance)
        self.regulariser = regulariser

    def _regulariser(self) -> Regulariser:
        return self.regulariser


def _check_same(seen: Measurement, y: Measurement, linear: LinearPhysics, physics: Physics) -> None:
    """Raise an InputError where the measurements of the linearised problem are not those whose noise is known."""
    if bool(((seen != y) & measured_entries(linear, len(y))).any()):
        raise InputError(
            f"expected an operator whose measurements have the noise that Likelihood states, but those of a linearised "
            f"{type(physics).__name__} are others: take Penalised, whose squares have the weights of linearize"
        )
