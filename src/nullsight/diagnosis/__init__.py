"""What an operator and a group of transformations can and cannot ever teach, before any training."""

from nullsight.diagnosis.average import Budget
from nullsight.diagnosis.diagnose import diagnose, hopeless, linearised
from nullsight.diagnosis.irreps import Bounds, Irrep, bounds
from nullsight.diagnosis.result import Candidate, Diagnosis, Gain, Point
from nullsight.diagnosis.spectrum import Spectrum
from nullsight.diagnosis.threshold import Threshold
from nullsight.diagnosis.verdict import Sight, Verdict

__all__ = [
    "Bounds",
    "Budget",
    "Candidate",
    "Diagnosis",
    "Gain",
    "Irrep",
    "Point",
    "Sight",
    "Spectrum",
    "Threshold",
    "Verdict",
    "bounds",
    "diagnose",
    "hopeless",
    "linearised",
]
