"""Losses: what is minimised. They look at an :class:`Evidence` and at nothing else."""

from nullsight.losses.adversarial import AdversarialEquivariance
from nullsight.losses.augmentation import (
    AffineContrast,
    Augmentation,
    ChangedOperator,
    Gamma,
    GroupAction,
    IntensityGradient,
    Perturb,
    PerturbedOperator,
    Scene,
)
from nullsight.losses.bank import BankEquivariance
from nullsight.losses.base import Loss, Player, Ramp, Weight, WeightedSum
from nullsight.losses.consistency import MeasurementConsistency, PreconditionedConsistency
from nullsight.losses.divergence import DIVERGENCES, CountShifts, Divergence, ExactProduct, FiniteDifference
from nullsight.losses.equivariance import Equivariance
from nullsight.losses.equivariant_splitting import EquivariantSplitting
from nullsight.losses.errors import (
    L1,
    AsPublished,
    Error,
    Huber,
    MeanSquare,
    OneMinusSSIM,
    Scaling,
    UnitNorm,
    mean_error,
)
from nullsight.losses.evidence import Evidence, LabelledEvidence, Reconstruct, Turned, Virtual, labelled
from nullsight.losses.frames import FRAMES, OperatorFrames
from nullsight.losses.recorrupted import Recorrupted
from nullsight.losses.refresh import REFRESHES, Always, Never, Refresh, WhileBetter
from nullsight.losses.residuals import RESIDUALS, Entrywise, Residual, ThroughDagger, WeighedSquare
from nullsight.losses.splitting import Splitting
from nullsight.losses.supervised import AugmentedSupervised, Supervised
from nullsight.losses.sure import SURE
from nullsight.losses.weighted_sure import WeightedSURE

__all__ = [
    "AUGMENTATIONS",
    "DIVERGENCES",
    "ERRORS",
    "FRAMES",
    "L1",
    "REFRESHES",
    "RESIDUALS",
    "SCALINGS",
    "SURE",
    "TABLE",
    "AdversarialEquivariance",
    "AffineContrast",
    "Always",
    "AsPublished",
    "Augmentation",
    "AugmentedSupervised",
    "BankEquivariance",
    "ChangedOperator",
    "CountShifts",
    "Divergence",
    "Entrywise",
    "Equivariance",
    "EquivariantSplitting",
    "Error",
    "Evidence",
    "ExactProduct",
    "FiniteDifference",
    "Gamma",
    "GroupAction",
    "Huber",
    "IntensityGradient",
    "LabelledEvidence",
    "Loss",
    "MeanSquare",
    "MeasurementConsistency",
    "Never",
    "OneMinusSSIM",
    "OperatorFrames",
    "Perturb",
    "PerturbedOperator",
    "Player",
    "PreconditionedConsistency",
    "Ramp",
    "Reconstruct",
    "Recorrupted",
    "Refresh",
    "Residual",
    "Scaling",
    "Scene",
    "Splitting",
    "Supervised",
    "ThroughDagger",
    "Turned",
    "UnitNorm",
    "Virtual",
    "WeighedSquare",
    "Weight",
    "WeightedSURE",
    "WeightedSum",
    "WhileBetter",
    "labelled",
    "mean_error",
]

TABLE: dict[str, type[Loss]] = {
    "measurement_consistency": MeasurementConsistency,
    "preconditioned_consistency": PreconditionedConsistency,
    "equivariance": Equivariance,
    "bank_equivariance": BankEquivariance,
    "splitting": Splitting,
    "equivariant_splitting": EquivariantSplitting,
    "sure": SURE,
    "weighted_sure": WeightedSURE,
    "recorrupted": Recorrupted,
    "supervised": Supervised,
    "adversarial_equivariance": AdversarialEquivariance,
    "augmented_supervised": AugmentedSupervised,
}

ERRORS: dict[str, type] = {
    "mean_square": MeanSquare,
    "l1": L1,
    "huber": Huber,
    "one_minus_ssim": OneMinusSSIM,
}

SCALINGS: dict[str, type[Scaling]] = {
    "unit_norm": UnitNorm,
    "as_published": AsPublished,
}

AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "group_action": GroupAction,
    "intensity_gradient": IntensityGradient,
    "gamma": Gamma,
    "affine_contrast": AffineContrast,
    "perturbed_operator": PerturbedOperator,
    "changed_operator": ChangedOperator,
}
