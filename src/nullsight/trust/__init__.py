"""What can be known of a trained run without ground truth."""

from nullsight.training.chooser import Chooser
from nullsight.trust.bootstrap import Bootstrap, bootstrap, predict_errors
from nullsight.trust.checks import Checks, Trust, check, examine
from nullsight.trust.choosing import PredictedError
from nullsight.trust.conformal import Calibration, calibrate, read_calibration, save_calibration
from nullsight.trust.equivariance import Cycles, cycles
from nullsight.trust.held_out import HeldOut, default_split, held_out_error
from nullsight.trust.invariance import Invariance, invariance
from nullsight.trust.range_of_angles import AngleRange, range_of_angles
from nullsight.trust.residuals import Correlation, Residuals, residual_tests
from nullsight.trust.score import Candidate, Predicted, Ranking, rank
from nullsight.trust.split import Parts, measured_part, three_parts
from nullsight.trust.uncertainty import Coverage, Uncertainty, coverage, measured_only

__all__ = [
    "CHOOSERS",
    "AngleRange",
    "Bootstrap",
    "Calibration",
    "Candidate",
    "Checks",
    "Correlation",
    "Coverage",
    "Cycles",
    "HeldOut",
    "Invariance",
    "Parts",
    "Predicted",
    "PredictedError",
    "Ranking",
    "Residuals",
    "Trust",
    "Uncertainty",
    "bootstrap",
    "calibrate",
    "check",
    "coverage",
    "cycles",
    "default_split",
    "examine",
    "held_out_error",
    "invariance",
    "measured_only",
    "measured_part",
    "predict_errors",
    "range_of_angles",
    "rank",
    "read_calibration",
    "residual_tests",
    "save_calibration",
    "three_parts",
]

CHOOSERS: dict[str, type[Chooser]] = {"predicted_error": PredictedError}
