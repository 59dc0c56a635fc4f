"""Reconstructors: measurements and their physics in, images out.

Their parts are values with tables of their own: ``data_steps.TABLE``, ``unrolled.FORMS``, ``fits.FITS``,
``constraints.TABLE``, ``weightings.TABLE`` and ``variation.COUPLINGS``.
"""

from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.data_steps import ConjugateGradients, DataStep, LeastSquares, Preconditioned
from nullsight.reconstructors.fits import Exact, Fit, Penalised, Within
from nullsight.reconstructors.helpers import Alternating, GroupAverage, Helper, SplitAverage
from nullsight.reconstructors.primal_dual import PrimalDual
from nullsight.reconstructors.problems import Problem, Regulariser, Solution
from nullsight.reconstructors.simple import ArtifactRemoval, Direct, LinearInverse, NullSpace
from nullsight.reconstructors.smooth_fill import SmoothFill
from nullsight.reconstructors.total_variation import TotalVariation
from nullsight.reconstructors.unrolled import Form, Proximal, TwoInputs, Unrolled, UnrolledUntied, WithCoverage
from nullsight.reconstructors.variation import Coupling, Joint, Separate
from nullsight.reconstructors.weightings import Unweighed, Weighed, Weighting, WhereKnown

__all__ = [
    "TABLE",
    "Alternating",
    "ArtifactRemoval",
    "ConjugateGradients",
    "Coupling",
    "DataStep",
    "Direct",
    "Exact",
    "Fit",
    "Form",
    "GroupAverage",
    "Helper",
    "Joint",
    "LeastSquares",
    "LinearInverse",
    "NullSpace",
    "Penalised",
    "Preconditioned",
    "PrimalDual",
    "Problem",
    "Proximal",
    "Reconstructor",
    "Regulariser",
    "Separate",
    "SmoothFill",
    "Solution",
    "SplitAverage",
    "TotalVariation",
    "TwoInputs",
    "Unrolled",
    "UnrolledUntied",
    "Unweighed",
    "Weighed",
    "Weighting",
    "WhereKnown",
    "WithCoverage",
    "Within",
]

TABLE: dict[str, type[Reconstructor]] = {
    "linear_inverse": LinearInverse,
    "smooth_fill": SmoothFill,
    "direct": Direct,
    "artifact_removal": ArtifactRemoval,
    "null_space": NullSpace,
    "unrolled": Unrolled,
    "unrolled_untied": UnrolledUntied,
    "total_variation": TotalVariation,
    "split_average": SplitAverage,
    "group_average": GroupAverage,
    "alternating": Alternating,
}
