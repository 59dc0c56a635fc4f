"""Augmentations: drawn for every image, harmless to what they are given, and measured again."""

import pytest
import torch

from nullsight.draws import Draws
from nullsight.losses import (
    AUGMENTATIONS,
    AffineContrast,
    Augmentation,
    AugmentedSupervised,
    ChangedOperator,
    Gamma,
    GroupAction,
    IntensityGradient,
    PerturbedOperator,
    Scene,
)
from nullsight.noise import Gaussian
from nullsight.types import InputError
from tests.cases.losses import BATCH, LinearF, M, N, Roll, ToyMatrix, gains, labelled_evidence, randn, toy_matrix

ALL: list[Augmentation] = [
    GroupAction(Roll()),
    IntensityGradient(0.5),
    Gamma(0.5, 2.0),
    AffineContrast(0.3, 0.2),
    PerturbedOperator(gains),
    ChangedOperator(gains),
]


def scene(dtype: torch.dtype = torch.float64) -> Scene:
    physics = ToyMatrix(toy_matrix(dtype))
    return Scene(randn(8, 1, N, seed=0, dtype=dtype), physics, physics)


def stream(rows: range = range(8)):
    return Draws(0, 0, tuple(rows)).of("augmentation")


def test_every_augmentation_is_tested() -> None:
    assert {type(one) for one in ALL} == set(AUGMENTATIONS.values())


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_each_image_is_changed_by_its_own_draw_and_the_scene_is_left_alone(
    augmentation: Augmentation, dtype: torch.dtype
) -> None:
    given = scene(dtype)
    kept, matrix = given.x.clone(), given.told.matrix.clone()
    changed = augmentation.change(given, stream())
    assert changed.x.dtype == dtype and changed.x.shape == given.x.shape
    assert torch.equal(given.x, kept) and torch.equal(given.told.matrix, matrix)
    few = augmentation.change(Scene(given.x[3:5], given.measured_by, given.told), stream(range(3, 5)))
    torch.testing.assert_close(few.x, changed.x[3:5])
    if isinstance(augmentation, PerturbedOperator | ChangedOperator):
        assert len(changed.measured_by.matrix.flatten(1).norm(dim=1).unique()) == 8
    else:
        assert not torch.equal(changed.x, given.x) and changed.measured_by is given.measured_by


def test_the_ramp_is_linear_and_within_its_strength() -> None:
    factor = IntensityGradient(0.5).factor((3, 9, 7), Draws(0, 0, tuple(range(50))).of("ramp"))[:, 0]
    assert float((factor - 1).abs().max()) <= 0.5
    for axis in (1, 2):
        torch.testing.assert_close(factor.diff(2, axis), torch.zeros_like(factor.diff(2, axis)), atol=1e-12, rtol=0)
    assert float((factor[:, -1, 0] - factor[:, 0, 0]).min()) < 0 < float((factor[:, -1, 0] - factor[:, 0, 0]).max())


def test_gamma_keeps_zero_sign_and_maximum() -> None:
    given = scene()
    x = given.x.clone()
    x[0], x[:, 0, 0] = 0.0, 0.0
    changed = Gamma(0.5, 2.0).change(Scene(x, given.told, given.told), stream()).x
    assert bool(torch.isfinite(changed).all()) and torch.equal(changed.sign(), x.sign())
    torch.testing.assert_close(changed.abs().amax(2), x.abs().amax(2))


def test_affine_contrast_keeps_the_mean_without_brightness() -> None:
    given = scene()
    changed = AffineContrast(0.5).change(given, stream()).x
    torch.testing.assert_close(changed.mean(2), given.x.mean(2))
    ratio = changed.std(2) / given.x.std(2)
    assert 0.5 <= float(ratio.min()) < float(ratio.max()) <= 1.5


def test_a_perturbed_operator_is_not_told_and_a_changed_one_is() -> None:
    given = scene()
    hidden, known = PerturbedOperator(gains).change(given, stream()), ChangedOperator(gains).change(given, stream())
    assert hidden.told is given.told and hidden.measured_by is not given.told
    assert known.told is known.measured_by is not given.told


def test_the_loss_is_the_error_of_the_pair_measured_again() -> None:
    given = labelled_evidence(f=LinearF(randn(N, M, seed=3)), has=(True, False, True, True))
    rows = [0, 2, 3]
    draws = given.draws.repeat(2).take([BATCH + row for row in rows])
    group = Roll()
    g = group.sample(draws.of("augmentation 0"))
    x = torch.stack([row.roll(int(k)) for row, k in zip(given.x[rows, 0], g, strict=True)])
    noise = 0.1 * draws.of("augmented noise").normal((M,))
    again = (x @ given.physics.matrix[0].T + noise) @ given.reconstruct.weight.T
    expected = ((again - x) ** 2).mean(1).sum() / BATCH / given.scale**2
    torch.testing.assert_close(AugmentedSupervised([GroupAction(group)], Gaussian(0.1))(given), expected)


def test_without_truth_it_is_zero_with_a_gradient() -> None:
    given = labelled_evidence(has=(False,) * 4)
    value = AugmentedSupervised([GroupAction(Roll())])(given)
    value.backward()
    assert value.item() == 0 and bool((given.reconstruct.weight.grad == 0).all())


def test_bad_settings_are_refused() -> None:
    for make in (
        lambda: IntensityGradient(1.0),
        lambda: Gamma(0.0, 1.0),
        lambda: Gamma(2.0, 1.0),
        lambda: AffineContrast(1.0),
        lambda: AffineContrast(0.5, -0.1),
        lambda: AugmentedSupervised([]),
    ):
        with pytest.raises(InputError):
            make()
