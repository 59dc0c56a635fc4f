"""Noise: models of it, unknown levels, estimates of levels, and two independent measurements out of one."""

from nullsight.noise.base import Levels, Noise
from nullsight.noise.estimates import (
    ESTIMATES,
    Estimate,
    FromDetail,
    FromNeighbours,
    FromRegion,
    FromRepetitions,
    FromRim,
)
from nullsight.noise.models import Gaussian, Noiseless, Poisson, PoissonGaussian
from nullsight.noise.recorruption import RECORRUPTIONS, GaussianPair, PoissonPair, Recorruption
from nullsight.noise.unknown import UnknownNoise

__all__ = [
    "ESTIMATES",
    "RECORRUPTIONS",
    "TABLE",
    "Estimate",
    "FromDetail",
    "FromNeighbours",
    "FromRegion",
    "FromRepetitions",
    "FromRim",
    "Gaussian",
    "GaussianPair",
    "Levels",
    "Noise",
    "Noiseless",
    "Poisson",
    "PoissonGaussian",
    "PoissonPair",
    "Recorruption",
    "UnknownNoise",
]

TABLE: dict[str, type[Noise]] = {
    "noiseless": Noiseless,
    "gaussian": Gaussian,
    "poisson": Poisson,
    "poisson_gaussian": PoissonGaussian,
    "unknown_noise": UnknownNoise,
}
