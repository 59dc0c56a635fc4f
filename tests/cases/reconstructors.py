"""Toy reconstructors, each with the toy operator that it is tried on."""

from collections.abc import Callable
from dataclasses import dataclass

from nullsight.constraints import AnyValue, NonNegative
from nullsight.groups import Dihedral, Reflections
from nullsight.networks import BatchNorm, DnCNN, FullyConnected, GroupNorm, UNet, copies
from nullsight.noise import GaussianPair, Noiseless
from nullsight.physics.base import Physics
from nullsight.physics.splits import RandomEntries
from nullsight.reconstructors import (
    Admm,
    Allowed,
    Alternating,
    ArtifactRemoval,
    Averaged,
    ConjugateGradients,
    DeepImagePrior,
    Denoiser,
    Direct,
    Fista,
    GeneratorRange,
    GroupAverage,
    HalfQuadratic,
    LearnedPrimalDual,
    Likelihood,
    LinearInverse,
    NullSpace,
    Penalised,
    Preconditioned,
    PrimalDualSplitting,
    ProximalGradient,
    Reconstructor,
    RecorruptedAverage,
    Size,
    SmoothFill,
    SplitAverage,
    Symmetrized,
    Tikhonov,
    TotalVariation,
    Turned,
    TwoInputs,
    Unrolled,
    UnrolledUntied,
    Wavelets,
    WithCoverage,
)
from tests.cases.toy_operators import ToySaturation, toy_mask, toy_matrix


@dataclass(frozen=True)
class ReconstructorCase:
    """One reconstructor at toy size and an operator it is tried on; the seed is that of its network."""

    name: str
    build: Callable[[int], Reconstructor]
    physics: Callable[[], Physics]


def _mask() -> Physics:
    return toy_mask(1, 9, 7)


def _matrix() -> Physics:
    return toy_matrix((1, 4, 4), 10)


def _unet(seed: int) -> UNet:
    return UNet(1, 4, 2, seed=seed)


def _dncnn(seed: int) -> DnCNN:
    return DnCNN(1, 4, 3, seed=seed)


def _primal_dual(seed: int) -> LearnedPrimalDual:
    """Return three steps with a memory of two images and two measurements."""
    primal = copies(DnCNN(3, 4, 3, seed=seed, out_channels=2), 3)
    dual = copies(DnCNN(4, 4, 3, seed=seed + 3, out_channels=2), 3)
    return LearnedPrimalDual(primal, dual, memory=2, recompute=True)


RECONSTRUCTORS: list[ReconstructorCase] = [
    ReconstructorCase("linear_inverse", lambda seed: LinearInverse(), _mask),
    ReconstructorCase("direct", lambda seed: Direct(_unet(seed)), _mask),
    ReconstructorCase(
        "direct_vector", lambda seed: Direct(FullyConnected((1, 4, 4), (8,), seed=seed, input_shape=(10,))), _matrix
    ),
    ReconstructorCase("artifact_removal", lambda seed: ArtifactRemoval(_unet(seed)), _mask),
    ReconstructorCase(
        "artifact_removal_mask_each", lambda seed: ArtifactRemoval(_unet(seed)), lambda: toy_mask(1, 9, 7, samples=3)
    ),
    ReconstructorCase(
        "artifact_removal_signal",
        lambda seed: ArtifactRemoval(UNet(1, 4, 2, seed=seed, dimension=1)),
        lambda: toy_mask(1, 11),
    ),
    ReconstructorCase(
        "artifact_removal_batch_norm", lambda seed: ArtifactRemoval(UNet(1, 4, 2, seed=seed, norm=BatchNorm())), _mask
    ),
    ReconstructorCase("null_space", lambda seed: NullSpace(UNet(1, 4, 2, seed=seed, norm=GroupNorm(2))), _matrix),
    ReconstructorCase(
        "null_space_mask", lambda seed: NullSpace(_unet(seed), iterations=1), lambda: toy_mask(1, 9, 7, samples=3)
    ),
    ReconstructorCase("unrolled", lambda seed: Unrolled(_dncnn(seed), 3), _matrix),
    ReconstructorCase(
        "unrolled_preconditioned", lambda seed: Unrolled(_dncnn(seed), 2, data=Preconditioned()), _matrix
    ),
    ReconstructorCase(
        "unrolled_closing", lambda seed: Unrolled(_dncnn(seed), 2, data=Preconditioned(), closing=2), _matrix
    ),
    ReconstructorCase(
        "unrolled_conjugate_gradients", lambda seed: Unrolled(_dncnn(seed), 2, data=ConjugateGradients(2)), _matrix
    ),
    ReconstructorCase(
        "unrolled_closing_conjugate_gradients",
        lambda seed: Unrolled(
            _dncnn(seed),
            2,
            data=Preconditioned(),
            closing=1,
            closing_data=ConjugateGradients(1),
            constraint=NonNegative(),
        ),
        lambda: toy_mask(1, 9, 7, samples=3),
    ),
    ReconstructorCase(
        "unrolled_recomputed", lambda seed: Unrolled(_dncnn(seed), 3, closing=1, recompute=True), _matrix
    ),
    ReconstructorCase(
        "unrolled_two_inputs",
        lambda seed: Unrolled(UNet(2, 4, 2, seed=seed, out_channels=1), 3, form=TwoInputs()),
        _matrix,
    ),
    ReconstructorCase("smooth_fill", lambda seed: SmoothFill(3), lambda: toy_mask(1, 9, 7, samples=3)),
    ReconstructorCase(
        "unrolled_first",
        lambda seed: UnrolledUntied(copies(_dncnn(seed), 2), first=SmoothFill(2)),
        lambda: toy_mask(1, 9, 7),
    ),
    ReconstructorCase(
        "unrolled_with_coverage",
        lambda seed: Unrolled(UNet(2, 4, 2, seed=seed, out_channels=1), 2, form=WithCoverage()),
        lambda: toy_mask(1, 9, 7, samples=3),
    ),
    ReconstructorCase(
        "unrolled_nonlinear", lambda seed: Unrolled(_dncnn(seed), 3), lambda: ToySaturation((1, 6, 6), (1, 6, 6))
    ),
    ReconstructorCase("unrolled_untied", lambda seed: UnrolledUntied(copies(_dncnn(seed), 3)), _matrix),
    ReconstructorCase(
        "unrolled_untied_recomputed",
        lambda seed: UnrolledUntied(
            copies(_dncnn(seed), 2),
            closing=1,
            closing_data=ConjugateGradients(),
            constraint=NonNegative(),
            recompute=True,
        ),
        _matrix,
    ),
    ReconstructorCase(
        "unrolled_untied_two_inputs",
        lambda seed: UnrolledUntied(copies(DnCNN(2, 4, 3, seed=seed, out_channels=1), 2), form=TwoInputs()),
        _matrix,
    ),
    ReconstructorCase(
        "split_average", lambda seed: SplitAverage(ArtifactRemoval(_unet(seed)), RandomEntries(), 2, seed), _mask
    ),
    ReconstructorCase("recorrupted_average", lambda n: RecorruptedAverage(LinearInverse(), GaussianPair(0.1)), _mask),
    ReconstructorCase(
        "group_average", lambda seed: GroupAverage(ArtifactRemoval(_unet(seed)), Dihedral(4)), lambda: toy_mask(1, 8, 8)
    ),
    ReconstructorCase("symmetrized", lambda seed: Symmetrized(Unrolled(_dncnn(seed), 2), Reflections()), _mask),
    ReconstructorCase(
        "alternating", lambda seed: Alternating(GroupAverage(Unrolled(_dncnn(seed), 2), Reflections()), 2), _matrix
    ),
    # few iterations, so that where they begin is still seen
    ReconstructorCase(
        "total_variation", lambda seed: TotalVariation(iterations=30), lambda: toy_mask(1, 9, 7, samples=3)
    ),
    ReconstructorCase(
        "total_variation_penalised",
        lambda seed: TotalVariation(Penalised(0.01), AnyValue(), iterations=30),
        _matrix,
    ),
    ReconstructorCase("tikhonov", lambda seed: Tikhonov(0.1), lambda: toy_mask(1, 9, 7, samples=3)),
    ReconstructorCase("proximal_gradient", lambda seed: ProximalGradient(Size(), 0.1, iterations=5), _matrix),
    ReconstructorCase(
        "proximal_gradient_denoiser",
        lambda seed: ProximalGradient(Averaged(Denoiser(_dncnn(seed)), Dihedral(4)), iterations=3),
        _matrix,
    ),
    ReconstructorCase(
        "fista_wavelets", lambda seed: Fista(Wavelets("haar", levels=1), 0.01, iterations=5), lambda: toy_mask(1, 8, 6)
    ),
    ReconstructorCase("admm", lambda seed: Admm(Allowed(), iterations=5), _matrix),
    ReconstructorCase(
        "admm_denoiser", lambda seed: Admm(Turned(Denoiser(_dncnn(seed)), Reflections()), iterations=3), _mask
    ),
    ReconstructorCase(
        "half_quadratic",
        lambda seed: HalfQuadratic(Denoiser(_dncnn(seed)), iterations=3),
        lambda: toy_mask(1, 9, 7, samples=3),
    ),
    ReconstructorCase(
        "primal_dual_splitting",
        lambda seed: PrimalDualSplitting(Wavelets("haar", levels=1), Likelihood(Noiseless(), 0.01), iterations=30),
        _matrix,
    ),
    ReconstructorCase(
        "generator_range",
        lambda seed: GeneratorRange(
            FullyConnected((1, 4, 4), (8,), seed=seed, input_shape=(3,)), (3,), weight=0.01, steps=5, starts=2
        ),
        _matrix,
    ),
    ReconstructorCase(
        "deep_image_prior",
        lambda seed: DeepImagePrior(UNet(3, 4, 2, seed=seed, residual=False, out_channels=1), 3, seed),
        _mask,
    ),
    ReconstructorCase(
        "learned_primal_dual",
        lambda seed: _primal_dual(seed),
        lambda: toy_mask(1, 9, 7, samples=3),
    ),
]
