"""The image with the shortest edges among those that fit the measurements; nothing is learned."""

from nullsight.constraints import Constraint
from nullsight.physics.weightings import Weighting
from nullsight.reconstructors.fits import Fit
from nullsight.reconstructors.primal_dual_splitting import EXACT, NON_NEGATIVE, WHERE_KNOWN, Regularised
from nullsight.reconstructors.problems import Regulariser
from nullsight.reconstructors.variation import Coupling, Separate, Variation

SEPARATE = Separate()


class TotalVariation(Regularised):
    """``f(y) = argmin TV(x) + h(y - A x)`` over allowed images: total variation, without weights or training.

    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992. TV is isotropic
    with forward differences, and is solved by :class:`~nullsight.reconstructors.primal_dual.PrimalDual`, which states
    its steps, its residuals and its sources. Images are solved for in units of their own 99.9th percentile of
    ``|A_dagger y|``, so neither the unit of the data nor that of ``A`` matters. Each sample iterates until its own
    relative residuals are within ``tolerance``; iterations begin at ``A_dagger y``. Images come out without gradients.
    Of a nonlinear physics the linearised problem is solved: A and y are those of ``linearize``, times the roots of its
    weights. So :class:`Within` counts in that unit, and :class:`Likelihood` is refused where it is not the data's.

    Args:
        data: how closely measurements are fitted: :class:`Exact` for noiseless ones, :class:`Penalised`,
            :class:`Within` or, by a noise model, :class:`Likelihood` for noisy ones.
        constraint: which images are allowed; complex ones need :class:`AnyValue`.
        coupling: how channels share jumps; complex ones need :class:`Joint`.
        weighting: W, the metric of the iteration. By default that of the operator's own ``weigh`` where it has one
            (the ramp filter in tomography); it changes the speed, not the solution.
        iterations: at most so many, >= 1.
        tolerance: of the relative residuals, >= 0.

    Raises:
        InputError: iterations or tolerance out of range.

    Example:
        >>> import torch
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
        super().__init__(data, constraint, weighting, iterations, tolerance)
        self.coupling = coupling

    def _regulariser(self) -> Regulariser:
        return Variation(self.coupling)
