"""Frequencies off the grid: against the sum written out, against the grid, along spokes; skipped without finufft."""

import math
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nullsight.assemble import Context, build
from nullsight.physics import MultiCoilMRI, NonCartesianMRI, radial_positions
from nullsight.physics.base import Physics
from nullsight.physics.coils import as_complex, as_parts
from nullsight.types import InputError
from tests.cases.coils import body, smooth_maps
from tests.cases.physics import coils, paths

installed = pytest.mark.skipif(find_spec("finufft") is None, reason="finufft is not installed")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def written_out(positions: Tensor, maps: Tensor, x: Tensor) -> Tensor:
    """Return the sum over pixels as the docstring has it: complex ``(batch, coils, samples)``."""
    height, width = x.shape[-2:]
    rows, columns = torch.arange(height) - height // 2, torch.arange(width) - width // 2
    down, across = positions[:, 0, None, None] * rows[:, None] / height, positions[:, 1, None, None] * columns / width
    turns = -2 * math.pi * (down + across).double()
    waves = torch.polar(torch.ones_like(turns), turns) / (height * width) ** 0.5
    return torch.einsum("jhw,bchw->bcj", waves, as_complex(maps) * as_complex(x)[:, None])


@installed
@pytest.mark.parametrize("shape", [(6, 8), (5, 6), (7, 9)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_it_is_the_sum_over_pixels(shape: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    positions, maps = paths(30, shape, 1)[0].double(), coils(3, shape, 1).double()
    x = draw(2, 2, *shape)
    y = NonCartesianMRI((2, *shape), positions, maps).to(dtype).A(x.to(dtype))
    assert y.dtype == dtype and y.shape == (2, 3, 2, 30)
    wanted = written_out(positions, maps, x)
    assert float((torch.complex(y[:, :, 0], y[:, :, 1]) - wanted).norm() / wanted.norm()) < tolerance


@installed
@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_whole_positions_are_those_of_the_grid(shape: tuple[int, int]) -> None:
    maps, x = coils(3, shape, 1).double(), draw(2, 2, *shape)
    rows, columns = (torch.arange(n) - n // 2 for n in shape)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    on_the_grid = MultiCoilMRI((2, *shape), maps, torch.ones(shape)).A(x)
    y = NonCartesianMRI((2, *shape), grid, maps).A(x)
    torch.testing.assert_close(y.reshape(on_the_grid.shape), on_the_grid, rtol=1e-10, atol=1e-10)


@installed
def test_spokes_of_several_coils_give_the_image() -> None:
    shape = (24, 20)
    x = as_parts(body(shape, 0))[None]
    positions = radial_positions(shape, spokes=20, samples=48)
    physics = NonCartesianMRI((2, *shape), positions, as_parts(smooth_maps(4, shape)), 60).double()
    found = physics.A_dagger(physics.A(x))
    assert float((found - x).norm() / x.norm()) < 0.05
    assert float((physics.A(found) - physics.A(x)).norm() / physics.A(x).norm()) < 1e-3
    few = NonCartesianMRI((2, *shape), positions, iterations=3).double()
    assert float((few.A_dagger(few.A(x)) - x).norm() / x.norm()) > 0.05


@installed
def test_the_gradient_of_the_inverse_is_that_of_the_pseudo_inverse() -> None:
    physics = NonCartesianMRI((2, 4, 5), paths(12, (4, 5), 1), coils(2, (4, 5), 1), 200).double()
    inverse = torch.linalg.pinv(physics.to_matrix())
    y, v = draw(1, 2, 2, 12).requires_grad_(), draw(1, 2, 4, 5, seed=1)
    [pulled] = torch.autograd.grad((physics.A_dagger(y) * v).sum(), y)
    torch.testing.assert_close(pulled.flatten(), inverse.T @ v.flatten(), rtol=1e-6, atol=1e-6)


def test_spokes_run_through_the_zero_frequency() -> None:
    positions = radial_positions((12, 20), spokes=6, samples=8).reshape(6, 8, 2)
    assert bool((positions[:, 4] == 0).all())
    unit = positions / torch.tensor([12.0, 20.0])
    assert torch.allclose(unit[:, 0].norm(dim=-1), torch.full((6,), 0.5))
    assert torch.allclose(unit.diff(dim=1).norm(dim=-1), torch.full((6, 7), 1 / 8))
    angles = torch.rad2deg(torch.atan2(unit[:, -1, 0], unit[:, -1, 1]))
    assert torch.allclose(angles, torch.arange(6) * 30.0)
    NonCartesianMRI((2, 12, 20), positions.flatten(0, 1))  # within the range


def test_one_coil_sees_all_alike_where_no_maps_are_given() -> None:
    physics = NonCartesianMRI((2, 4, 6), radial_positions((4, 6), 3, 8))
    assert physics.measurement_shape == (1, 2, 24)
    assert torch.equal(as_complex(physics.maps), torch.ones(1, 1, 4, 6, dtype=torch.complex64))


def test_positions_come_from_a_file_or_are_made(tmp_path: Path) -> None:
    np.save(tmp_path / "path.npy", radial_positions((8, 8), 3, 8).numpy())
    common = {"name": "non_cartesian_mri", "image_shape": [2, 8, 8]}
    made = {"make": "radial_positions", "shape": [8, 8], "spokes": 3, "samples": 8}
    for positions in ("path.npy", made):
        physics = build({**common, "positions": positions}, Physics, "[physics]", Context(tmp_path))
        assert isinstance(physics, NonCartesianMRI)
        assert torch.equal(physics.positions[0], radial_positions((8, 8), 3, 8))


def test_without_finufft_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "finufft", None)
    physics = NonCartesianMRI((2, 8, 8), radial_positions((8, 8), 3, 8))
    with pytest.raises(InputError, match=r"not installed: install it with pip install 'nullsight\[mri\]'$"):
        physics.A(torch.ones(1, 2, 8, 8))


PATH = radial_positions((8, 10), 3, 8)


@pytest.mark.parametrize(
    ("shape", "positions", "maps", "iterations", "message"),
    [
        ((1, 8, 10), PATH, None, 5, "stack the real and the imaginary part"),
        ((2, 8, 10), PATH.T, None, 5, r"positions of shape \(samples, 2\).*\(2, 24\) came"),
        ((2, 8, 10), PATH[:0], None, 5, r"\(0, 2\) came"),
        ((2, 8, 10), PATH * 2, None, 5, r"at most 4 along the height and 5 along the width, but they reach .* and 10"),
        ((2, 8, 10), PATH * torch.nan, None, 5, "but they reach nan"),
        ((2, 8, 10), PATH / torch.tensor([8, 10]), None, 5, r"cycles per pixel, multiply them by \(8, 10\)"),
        ((2, 8, 10), PATH, torch.ones(3, 2, 8, 8), 5, "sensitivities of shape"),
        ((2, 8, 10), PATH, None, 0, "at least 1 iteration"),
    ],
)
def test_what_does_not_fit_is_refused(shape, positions, maps, iterations: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NonCartesianMRI(shape, positions, maps, iterations)


@pytest.mark.parametrize(("spokes", "samples"), [(0, 4), (4, 0)])
def test_no_spokes_are_refused(spokes: int, samples: int) -> None:
    with pytest.raises(InputError, match="at least 1 spoke and 1 sample"):
        radial_positions((8, 8), spokes, samples)
