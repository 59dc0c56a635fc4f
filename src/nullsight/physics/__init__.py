"""Operators: how an image becomes a measurement."""

from collections.abc import Callable

from torch import Tensor

from nullsight.physics.base import Iterative, Linearized, LinearPhysics, Physics
from nullsight.physics.blur import (
    Blur,
    BlurValid,
    Downsampling,
    DownsamplingValid,
    box_kernel,
    gaussian_kernel,
)
from nullsight.physics.coils import normalised
from nullsight.physics.composed import Masked, Stacked, Transformed
from nullsight.physics.ct import equispaced
from nullsight.physics.ensembles import blobs, white
from nullsight.physics.espirit import espirit, sampled_mask
from nullsight.physics.fan_beam import FanBeamCT
from nullsight.physics.foreign import Foreign, ForeignLinear
from nullsight.physics.hadamard import Hadamard
from nullsight.physics.inpainting import Inpainting, bernoulli_mask, periodic_mask
from nullsight.physics.least_squares import LeastSquares, WeightedLeastSquares
from nullsight.physics.linearized import Whitened
from nullsight.physics.low_pass import low_pass_kernel
from nullsight.physics.matrix import MatrixOperator, gaussian_matrix, load_matrix
from nullsight.physics.mri import CartesianMRI, cartesian_mask
from nullsight.physics.multicoil import MultiCoilMRI
from nullsight.physics.non_cartesian import NonCartesianMRI, radial_positions
from nullsight.physics.saturation import Saturation
from nullsight.physics.several import Several
from nullsight.physics.splits import SPLITS, RandomBlocks, RandomEntries, RandomLines, Split
from nullsight.physics.tomography import ParallelBeamCT
from nullsight.physics.transmission import Transmission

TABLE: dict[str, type[Physics]] = {
    "blur": Blur,
    "blur_valid": BlurValid,
    "cartesian_mri": CartesianMRI,
    "downsampling": Downsampling,
    "downsampling_valid": DownsamplingValid,
    "fan_beam_ct": FanBeamCT,
    "foreign": Foreign,
    "foreign_linear": ForeignLinear,
    "hadamard": Hadamard,
    "inpainting": Inpainting,
    "least_squares": LeastSquares,
    "masked": Masked,
    "matrix_operator": MatrixOperator,
    "multi_coil_mri": MultiCoilMRI,
    "non_cartesian_mri": NonCartesianMRI,
    "parallel_beam_ct": ParallelBeamCT,
    "saturation": Saturation,
    "stacked": Stacked,
    "transformed": Transformed,
    "transmission": Transmission,
    "weighted_least_squares": WeightedLeastSquares,
}

MAKERS: dict[str, Callable[..., Tensor]] = {
    "bernoulli_mask": bernoulli_mask,
    "box_kernel": box_kernel,
    "cartesian_mask": cartesian_mask,
    "espirit": espirit,
    "gaussian_kernel": gaussian_kernel,
    "gaussian_matrix": gaussian_matrix,
    "load_matrix": load_matrix,
    "low_pass_kernel": low_pass_kernel,
    "periodic_mask": periodic_mask,
    "radial_positions": radial_positions,
    "sampled_mask": sampled_mask,
}
"""Functions that make the tensors of a recipe: masks, kernels, matrices, coil sensitivities, paths."""

__all__ = [
    "MAKERS",
    "SPLITS",
    "TABLE",
    "Blur",
    "BlurValid",
    "CartesianMRI",
    "Downsampling",
    "DownsamplingValid",
    "FanBeamCT",
    "Foreign",
    "ForeignLinear",
    "Hadamard",
    "Inpainting",
    "Iterative",
    "LeastSquares",
    "LinearPhysics",
    "Linearized",
    "Masked",
    "MatrixOperator",
    "MultiCoilMRI",
    "NonCartesianMRI",
    "ParallelBeamCT",
    "Physics",
    "RandomBlocks",
    "RandomEntries",
    "RandomLines",
    "Saturation",
    "Several",
    "Split",
    "Stacked",
    "Transformed",
    "Transmission",
    "WeightedLeastSquares",
    "Whitened",
    "bernoulli_mask",
    "blobs",
    "box_kernel",
    "cartesian_mask",
    "equispaced",
    "espirit",
    "gaussian_kernel",
    "gaussian_matrix",
    "load_matrix",
    "low_pass_kernel",
    "normalised",
    "periodic_mask",
    "radial_positions",
    "sampled_mask",
    "white",
]
