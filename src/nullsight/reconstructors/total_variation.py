"""The image with the shortest edges among those that fit the measurements; nothing is learned."""

import torch
from torch import Tensor

from nullsight.constraints import Constraint, NonNegative
from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.physics.linearized import linear_problem
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.fits import Exact, Fit
from nullsight.reconstructors.primal_dual import PrimalDual
from nullsight.reconstructors.problems import Problem, Solution, brightness
from nullsight.reconstructors.variation import Coupling, Separate, Variation
from nullsight.reconstructors.weightings import Weighting, WhereKnown
from nullsight.types import Image, Measurement

EXACT = Exact()
NON_NEGATIVE = NonNegative()
SEPARATE = Separate()
WHERE_KNOWN = WhereKnown()


class TotalVariation(Reconstructor):
    """``f(y) = argmin TV(x) + h(y - A x)`` over allowed images: total variation, without weights or training.

    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992. TV is isotropic
    with forward differences, and is solved by :class:`~nullsight.reconstructors.primal_dual.PrimalDual`, which states
    its steps, its residuals and its sources. Images are solved for in units of their own 99.9th percentile of
    ``|A_dagger y|``, so neither the unit of the data nor that of ``A`` matters. Each sample iterates until its own
    relative residuals are within ``tolerance``; iterations begin at ``A_dagger y``. Images come out without gradients.
    Of a nonlinear physics the linearised problem is solved: A and y are those of ``linearize``, times the roots of its
    weights.

    Args:
        data: how closely measurements are fitted: :class:`Exact` for noiseless ones, :class:`Penalised` or
            :class:`Within` for noisy ones.
        constraint: which images are allowed; complex ones need :class:`AnyValue`.
        coupling: how channels share jumps; complex ones need :class:`Joint`.
        weighting: W, the metric of the iteration. By default that of the operator's own ``weigh`` where it has one
            (the ramp filter in tomography); it changes the speed, not the solution.
        iterations: at most so many, >= 1.
        tolerance: of the relative residuals, >= 0.

    Raises:
        InputError: iterations or tolerance out of range.

    Example:
        >>> from nullsight.physics import ParallelBeamCT
        >>> x = torch.zeros(1, 1, 16, 16)
        >>> x[..., 4:12, 5:9] = 1
        >>> physics = ParallelBeamCT((1, 16, 16), 8)
        >>> found = TotalVariation().solve(physics.A(x), physics)
        >>> bool(found.converged), bool((found.x - x).norm() < 0.05 * x.norm())
        (True, True)
    """

    def __init__(
        self,
        data: Fit = EXACT,
        constraint: Constraint = NON_NEGATIVE,
        *,
        coupling: Coupling = SEPARATE,
        weighting: Weighting = WHERE_KNOWN,
        iterations: int = 1000,
        tolerance: float = 3e-4,
    ) -> None:
        super().__init__()
        self.data, self.constraint, self.coupling, self.weighting = data, constraint, coupling, weighting
        self.iterations, self.tolerance = iterations, tolerance
        self._method = PrimalDual(iterations, tolerance)

    @torch.no_grad()
    def solve(self, y: Tensor, physics: Physics, *, start: Image | None = None) -> Solution:
        """Return the images with their iterations, residuals and misfits.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the operator that made them (one for all, or one a sample).
            start: ``A_dagger y`` where it is known already; it gives the images' unit, too.

        Raises:
            InputError: a physics that cannot be linearised, or measurements that are not finite.
        """
        first = physics.A_dagger(y) if start is None else start
        regulariser = Variation(self.coupling)
        seen, linear = linear_problem(y, physics)
        problem = Problem(seen, linear, regulariser, self.data, self.constraint, self.weighting, brightness(first))
        return self._method.solve(problem, first)

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self.solve(y, physics, start=start).x
