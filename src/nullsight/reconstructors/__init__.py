"""Reconstructors: measurements and their physics in, images out.

The parts of an unrolled one are values with tables of their own, ``data_steps.TABLE`` and ``unrolled.FORMS``.
"""

from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.constraints import AnyValue, Constraint, NonNegative
from nullsight.reconstructors.data_steps import DataStep, LeastSquares, Preconditioned
from nullsight.reconstructors.simple import ArtifactRemoval, Direct, LinearInverse, NullSpace
from nullsight.reconstructors.unrolled import Form, Proximal, TwoInputs, Unrolled, UnrolledUntied
from nullsight.reconstructors.weightings import Unweighed, Weighed, Weighting, WhereKnown

__all__ = [
    "TABLE",
    "AnyValue",
    "ArtifactRemoval",
    "Constraint",
    "DataStep",
    "Direct",
    "Form",
    "LeastSquares",
    "LinearInverse",
    "NonNegative",
    "NullSpace",
    "Preconditioned",
    "Proximal",
    "Reconstructor",
    "TwoInputs",
    "Unrolled",
    "UnrolledUntied",
    "Unweighed",
    "Weighed",
    "Weighting",
    "WhereKnown",
]

TABLE: dict[str, type[Reconstructor]] = {
    "linear_inverse": LinearInverse,
    "direct": Direct,
    "artifact_removal": ArtifactRemoval,
    "null_space": NullSpace,
    "unrolled": Unrolled,
    "unrolled_untied": UnrolledUntied,
}
