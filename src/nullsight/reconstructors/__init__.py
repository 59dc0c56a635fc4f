"""Reconstructors: measurements and their physics in, images out.

Their parts are values with tables of their own: ``PRIORS``, ``REGULARISERS``, ``data_steps.TABLE``,
``unrolled.FORMS``, ``fits.FITS``, ``constraints.TABLE``, ``physics.weightings.TABLE`` and ``variation.COUPLINGS``.
"""

from nullsight.physics.weightings import Unweighed, Weighed, Weighting, WhereKnown
from nullsight.reconstructors.admm import Admm
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.data_steps import ConjugateGradients, DataStep, LeastSquares, Preconditioned
from nullsight.reconstructors.deep_image_prior import DeepImagePrior
from nullsight.reconstructors.denoisers import Averaged, Denoiser, Turned
from nullsight.reconstructors.fista import Fista
from nullsight.reconstructors.fits import Exact, Fit, Likelihood, Penalised, Within
from nullsight.reconstructors.generator_range import GeneratorRange
from nullsight.reconstructors.half_quadratic import HalfQuadratic
from nullsight.reconstructors.helpers import Alternating, GroupAverage, Helper, SplitAverage, Symmetrized
from nullsight.reconstructors.learned_primal_dual import LearnedPrimalDual
from nullsight.reconstructors.misfits import Counts, Misfit, Squares, misfit
from nullsight.reconstructors.primal_dual import PrimalDual
from nullsight.reconstructors.primal_dual_splitting import PrimalDualSplitting
from nullsight.reconstructors.priors import Allowed, Penalty, Prior, Quadratic, Roughness, Size
from nullsight.reconstructors.problems import Problem, Regulariser, Solution
from nullsight.reconstructors.proximal_gradient import ProximalGradient
from nullsight.reconstructors.recorrupted_average import RecorruptedAverage
from nullsight.reconstructors.simple import ArtifactRemoval, Direct, LinearInverse, NullSpace
from nullsight.reconstructors.smooth_fill import SmoothFill
from nullsight.reconstructors.solved import Solved
from nullsight.reconstructors.tikhonov import Tikhonov
from nullsight.reconstructors.total_variation import TotalVariation
from nullsight.reconstructors.unrolled import Form, Proximal, TwoInputs, Unrolled, UnrolledUntied, WithCoverage
from nullsight.reconstructors.variation import Anisotropic, Coupling, Joint, Separate, Variation
from nullsight.reconstructors.wavelets import Wavelets

__all__ = [
    "PRIORS",
    "REGULARISERS",
    "TABLE",
    "Admm",
    "Allowed",
    "Alternating",
    "Anisotropic",
    "ArtifactRemoval",
    "Averaged",
    "ConjugateGradients",
    "Counts",
    "Coupling",
    "DataStep",
    "DeepImagePrior",
    "Denoiser",
    "Direct",
    "Exact",
    "Fista",
    "Fit",
    "Form",
    "GeneratorRange",
    "GroupAverage",
    "HalfQuadratic",
    "Helper",
    "Joint",
    "LearnedPrimalDual",
    "LeastSquares",
    "Likelihood",
    "LinearInverse",
    "Misfit",
    "NullSpace",
    "Penalised",
    "Penalty",
    "Preconditioned",
    "PrimalDual",
    "PrimalDualSplitting",
    "Prior",
    "Problem",
    "Proximal",
    "ProximalGradient",
    "Quadratic",
    "Reconstructor",
    "RecorruptedAverage",
    "Regulariser",
    "Roughness",
    "Separate",
    "Size",
    "SmoothFill",
    "Solution",
    "Solved",
    "SplitAverage",
    "Squares",
    "Symmetrized",
    "Tikhonov",
    "TotalVariation",
    "Turned",
    "TwoInputs",
    "Unrolled",
    "UnrolledUntied",
    "Unweighed",
    "Variation",
    "Wavelets",
    "Weighed",
    "Weighting",
    "WhereKnown",
    "WithCoverage",
    "Within",
    "misfit",
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
    "recorrupted_average": RecorruptedAverage,
    "group_average": GroupAverage,
    "symmetrized": Symmetrized,
    "alternating": Alternating,
    "tikhonov": Tikhonov,
    "proximal_gradient": ProximalGradient,
    "fista": Fista,
    "admm": Admm,
    "half_quadratic": HalfQuadratic,
    "primal_dual_splitting": PrimalDualSplitting,
    "generator_range": GeneratorRange,
    "deep_image_prior": DeepImagePrior,
    "learned_primal_dual": LearnedPrimalDual,
}

PRIORS: dict[str, type[Prior]] = {
    "allowed": Allowed,
    "averaged": Averaged,
    "denoiser": Denoiser,
    "roughness": Roughness,
    "size": Size,
    "solved": Solved,
    "turned": Turned,
    "wavelets": Wavelets,
}

REGULARISERS: dict[str, type[Regulariser]] = {"variation": Variation, "wavelets": Wavelets}
