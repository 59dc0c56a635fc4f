"""What can be known of a trained run without ground truth."""

from nullsight.trust.checks import Checks, Trust, check, examine
from nullsight.trust.equivariance import Cycles, cycles
from nullsight.trust.held_out import HeldOut, default_split, held_out_error
from nullsight.trust.residuals import Correlation, Residuals, residual_tests
from nullsight.trust.score import Candidate, Predicted, Ranking, rank
from nullsight.trust.split import Parts, measured_part, three_parts

__all__ = [
    "Candidate",
    "Checks",
    "Correlation",
    "Cycles",
    "HeldOut",
    "Parts",
    "Predicted",
    "Ranking",
    "Residuals",
    "Trust",
    "check",
    "cycles",
    "default_split",
    "examine",
    "held_out_error",
    "measured_part",
    "rank",
    "residual_tests",
    "three_parts",
]
