"""Several coils: against the transform of every coil's image, one coil, the dense pseudo-inverse; and from files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.assemble import Context, build
from nullsight.physics import CartesianMRI, MultiCoilMRI, cartesian_mask, normalised, white
from nullsight.physics.base import Masked, Physics
from nullsight.physics.coils import as_complex, as_parts
from nullsight.physics.mri import fourier
from nullsight.types import InputError
from tests.cases.coils import smooth_maps
from tests.cases.physics import coils
from tests.toy_recipes import Shell


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def four_coils(iterations: int = 200) -> MultiCoilMRI:
    """Return half of the lines of 12 x 10 by four coils that tell them apart."""
    maps = as_parts(smooth_maps(4, (12, 10)))
    return MultiCoilMRI((2, 12, 10), maps, cartesian_mask((12, 10), 2.0, 0.2, seed=0), iterations).double()


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (4, 9), (1, 3)])
def test_each_coil_is_the_centred_transform_of_what_it_sees(shape: tuple[int, int]) -> None:
    maps, x = draw(3, 2, *shape, seed=1), draw(2, 2, *shape, seed=2)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.6
    y = MultiCoilMRI((2, *shape), maps, mask).A(x)
    wanted = fourier(as_parts(as_complex(maps) * as_complex(x)[:, None])) * mask
    torch.testing.assert_close(y, wanted, rtol=1e-13, atol=1e-13)
    assert bool((y[..., ~mask] == 0).all())


@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_one_coil_that_sees_all_alike_is_one_coil_mri(shape: tuple[int, int]) -> None:
    mask = cartesian_mask(shape, 2.0, 0.2, seed=0)
    one = MultiCoilMRI((2, *shape), torch.tensor([1, 0])[:, None, None].expand(1, 2, *shape), mask)
    plain = CartesianMRI((2, *shape), mask)
    x = draw(2, 2, *shape).float()
    y = plain.A(x)
    torch.testing.assert_close(one.A(x), y)
    torch.testing.assert_close(one.A_adjoint(y), plain.A_adjoint(y))
    torch.testing.assert_close(one.A_dagger(y), plain.A_dagger(y))
    assert one.norm() == pytest.approx(1, rel=1e-3)


def test_coils_see_what_one_coil_misses() -> None:
    physics, x = four_coils(), draw(2, 2, 12, 10)
    torch.testing.assert_close(physics.A_dagger(physics.A(x)), x, rtol=1e-8, atol=1e-8)
    one = CartesianMRI((2, 12, 10), physics.mask[0, 0, 0])
    assert float((one.A_dagger(one.A(x)) - x).norm() / x.norm()) > 0.5


def test_the_inverse_and_its_gradient_are_those_of_the_pseudo_inverse() -> None:
    maps = coils(2, (4, 5), 1).double()
    physics = MultiCoilMRI((2, 4, 5), maps, cartesian_mask((4, 5), 2.0, 0.3, seed=1), 200)
    inverse = torch.linalg.pinv(physics.to_matrix())
    y, v = draw(1, 2, 2, 4, 5).requires_grad_(), draw(1, 2, 4, 5, seed=1)
    x = physics.A_dagger(y)
    torch.testing.assert_close(x.flatten(), inverse @ y.detach().flatten(), rtol=1e-8, atol=1e-8)
    [pulled] = torch.autograd.grad((x * v).sum(), y)
    torch.testing.assert_close(pulled.flatten(), inverse.T @ v.flatten(), rtol=1e-8, atol=1e-8)


def test_few_iterations_say_what_they_leave() -> None:
    assert four_coils(200).dagger_error == 0
    assert four_coils(4).dagger_error > 10 * four_coils(16).dagger_error > 0


def test_normalised_maps_have_norm_one_where_all_is_measured() -> None:
    maps = normalised(draw(3, 2, 6, 6))
    assert torch.allclose(maps.square().sum((0, 1)), torch.ones(6, 6, dtype=torch.float64))
    full = MultiCoilMRI((2, 6, 6), maps, torch.ones(6, 6))
    assert full.norm() == pytest.approx(1, rel=1e-3)
    maps[..., :3] = 0
    assert bool((normalised(maps)[..., :3] == 0).all())


def test_a_subset_of_whole_frequencies_is_multi_coil_again_and_keeps_the_norm() -> None:
    physics = four_coils()
    keep = torch.rand(12, 10, generator=torch.Generator().manual_seed(0)) < 0.5
    alone = MultiCoilMRI((2, 12, 10), physics.maps, keep & physics.mask[0, 0, 0]).double().norm()
    assert alone < 0.99 * four_coils().norm()  # an upper bound, whether it was known before or not
    part = physics.subset(keep.expand(4, 2, 12, 10))
    assert isinstance(part, MultiCoilMRI) and part.norm() == physics.norm()
    assert torch.equal(part.measured[0, 0, 0], keep & physics.mask[0, 0, 0])
    one_coil_less = torch.ones(4, 2, 12, 10, dtype=torch.bool)
    one_coil_less[2] = False
    assert isinstance(physics.subset(one_coil_less), Masked)


def test_the_norm_of_many_operators_is_the_largest_and_found_a_few_at_a_time() -> None:
    batches: list[int] = []

    class Counted(MultiCoilMRI):
        def _measure(self, x: Tensor) -> Tensor:
            batches.append(len(x))
            return super()._measure(x)

    gains = torch.linspace(0.5, 2.0, 40, dtype=torch.float64)
    maps = normalised(draw(3, 2, 6, 6))
    many = Counted((2, 6, 6), gains.reshape(-1, 1, 1, 1, 1) * maps, torch.ones(6, 6))
    assert many.norm() == pytest.approx(2.0, rel=0.01)
    assert set(batches) == {16, 8}


def test_no_copy_is_made_to_turn_parts_into_complex_numbers() -> None:
    physics = four_coils()
    y = physics.A(draw(2, 2, 12, 10))
    for parts in (physics.maps, y, physics.double().maps, physics.float().maps):
        assert as_complex(parts).data_ptr() == parts.data_ptr()
    assert physics.A_adjoint(y.float()).is_contiguous()


def test_a_phase_that_all_coils_share_turns_the_image_and_nothing_else() -> None:
    physics, x = four_coils(), draw(1, 2, 12, 10)
    y = physics.A(x) + 0.1 * draw(1, 4, 2, 12, 10, seed=1) * physics.measured
    phase = torch.polar(torch.ones(12, 10, dtype=torch.float64), draw(12, 10, seed=2))
    turned = MultiCoilMRI((2, 12, 10), as_parts(as_complex(physics.maps) * phase), physics.mask, 200)
    there, here = as_complex(turned.A_dagger(y)), as_complex(physics.A_dagger(y))
    torch.testing.assert_close(there * phase, here, rtol=1e-8, atol=1e-8)


def test_maps_and_mask_come_from_files_or_from_k_space(tmp_path: Path) -> None:
    x = white((2, 24, 20), ns.Draws(0, 0, (0,)).of("x"))
    maps, mask = smooth_maps(3, (24, 20)), cartesian_mask((24, 20), 1.5, 0.5, seed=0)
    kspace = as_complex(fourier(as_parts(maps * as_complex(x))) * mask)
    arrays = {"maps": maps, "mask": mask, "kspace": kspace}
    for name, value in arrays.items():
        np.save(tmp_path / f"{name}.npy", value.numpy())
    common = {"name": "multi_coil_mri", "image_shape": [2, 24, 20]}
    given = {"maps": "maps.npy", "mask": "mask.npy"}
    found = {
        "maps": {"make": "espirit", "kspace": "kspace.npy", "calibration": 10, "kernel": 3, "crop": 0.0},
        "mask": {"make": "sampled_mask", "kspace": "kspace.npy"},
    }
    first, second = (build({**common, **rest}, Physics, "[physics]", Context(tmp_path)) for rest in (given, found))
    assert isinstance(first, MultiCoilMRI) and isinstance(second, MultiCoilMRI)
    torch.testing.assert_close(as_complex(first.maps)[0], maps)
    assert torch.equal(first.mask, second.mask)
    assert torch.allclose(second.maps.square().sum((1, 2)), torch.ones((), dtype=torch.float64))


RECIPE = """
title = "coils"
seed = 0
[data]
measurements = "kspace.npy"
axes = "NCHW"
[physics]
name = "multi_coil_mri"
image_shape = [2, 12, 10]
maps = "maps.npy"
mask = { make = "sampled_mask", kspace = "kspace.npy" }
[group]
name = "shifts"
[network]
name = "unet"
width = 4
depth = 2
[[loss]]
name = "measurement_consistency"
[[loss]]
name = "equivariance"
[training]
steps = 2
batch_size = 2
"""


def test_complex_files_are_trained_on_and_reconstructed(shell: Shell, tmp_path: Path) -> None:
    physics = four_coils()
    y = as_complex(physics.A(draw(4, 2, 12, 10))).numpy().astype(np.complex64)
    np.save(tmp_path / "kspace.npy", y)
    np.save(tmp_path / "maps.npy", as_complex(physics.maps)[0].numpy().astype(np.complex64))
    recipe = RECIPE.replace('kspace = "kspace.npy"', 'kspace = { file = "first.npy" }')
    np.save(tmp_path / "first.npy", y[0])
    (tmp_path / "recipe.toml").write_text(recipe)
    assert shell("check", "recipe.toml") == 0, shell.err
    assert shell("fit", "recipe.toml", "--out", "run") == 0, shell.err
    assert shell("reconstruct", "run", "kspace.npy", "-o", "images.npy") == 0, shell.err
    assert np.load("images.npy").shape == (4, 2, 12, 10)


FULL = torch.ones(4, 4)


@pytest.mark.parametrize(
    ("shape", "maps", "mask", "iterations", "message"),
    [
        ((1, 4, 4), torch.ones(3, 2, 4, 4), FULL, 5, "stack the real and the imaginary part"),
        ((2, 4, 4), torch.ones(3, 2, 4, 5), FULL, 5, r"sensitivities of shape \(coils, 2, 4, 4\).*\(3, 2, 4, 5\) came"),
        ((2, 4, 4), torch.ones(3, 4, 4), FULL, 5, "sensitivities of shape"),
        ((2, 4, 4), torch.ones(0, 2, 4, 4), FULL, 5, "sensitivities of shape"),
        ((2, 4, 4), torch.full((3, 2, 4, 4), torch.nan), FULL, 5, "finite coil sensitivities"),
        ((2, 4, 4), torch.ones(3, 2, 4, 4), torch.ones(5, 4), 5, "expected a mask of shape"),
        ((2, 4, 4), torch.ones(3, 2, 4, 4), FULL / 2, 5, "zeros and ones"),
        ((2, 4, 4), torch.ones(3, 2, 4, 4), FULL, 0, "at least 1 iteration"),
    ],
)
def test_what_does_not_fit_is_refused(shape, maps: Tensor, mask: Tensor, iterations: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MultiCoilMRI(shape, maps, mask, iterations)
