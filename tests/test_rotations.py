"""Rotations against analytically turned images, photographs, dense matrices; quarter turns exactly."""

import math

import pytest
import torch
from skimage import data as photographs
from torch import Tensor
from torch.nn.functional import interpolate

from nullsight.contracts.groups import inscribed_disk
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Bicubic, Bilinear, Dihedral, FourierShears, Interpolation, QuarterTurns, Rotations
from nullsight.linalg import dense_matrix

KINDS: list[Interpolation] = [FourierShears(), Bicubic(), Bilinear()]
EVERY = torch.arange(360)


def _phantom(n: int, degrees: Tensor) -> Tensor:
    """Sixteen Gaussians (standard deviation 1.2 pixels and more) turned counter-clockwise, (batch, 1, n, n)."""
    drawn = Draws(0, 0, tuple(range(16))).of("phantom").uniform((4,))
    at = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2)[None, None]
    angle = torch.deg2rad(degrees.double())[:, None]
    radius, start = 0.4 * n * drawn[:, 0].sqrt(), 2 * math.pi * drawn[:, 1]
    right, up = radius * torch.cos(start + angle), radius * torch.sin(start + angle)
    sigma, height = (1.2 + n / 20 * drawn[:, 2])[:, None], (0.2 + drawn[:, 3])[:, None]
    across = torch.exp(-((at - right[:, :, None]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((at + up[:, :, None]) ** 2) / (2 * sigma**2))
    return torch.einsum("bkr,bkc->brc", height * down, across)[:, None]


def _photographs(n: int) -> Tensor:
    grey = [getattr(photographs, name)() for name in ("camera", "coins", "moon", "brick", "grass")]
    colour = [getattr(photographs, name)().mean(-1) for name in ("astronaut", "chelsea", "coffee")]
    images = [torch.as_tensor(one, dtype=torch.float64)[None, None] / 255 for one in [*grey, *colour]]
    square = [one[..., : min(one.shape[2:]), : min(one.shape[2:])] for one in images]
    return torch.cat([interpolate(one, size=(n, n), mode="bicubic", antialias=True) for one in square])


def _error(found: Tensor, expected: Tensor) -> Tensor:
    disk = inscribed_disk(found.shape[2:])
    gap, size = ((one * disk).flatten(1) for one in (found - expected, expected))
    return torch.linalg.vector_norm(gap, dim=1) / torch.linalg.vector_norm(size, dim=1)


@pytest.mark.parametrize("n", [64, 65])
def test_at_most_one_percent_from_the_analytic_turn_at_every_angle(n: int) -> None:
    still = _phantom(n, torch.zeros(1)).expand(360, 1, n, n)
    error = _error(Rotations(360).act(EVERY, still), _phantom(n, EVERY))
    assert float(error.max()) <= 0.01
    assert float(error[5:85].max()) > 1e-8  # it does interpolate


@pytest.mark.parametrize("n", [128, 129])
def test_round_trip_of_photographs_is_at_most_one_percent_at_every_angle(n: int) -> None:
    x, group = _photographs(n), Rotations(360)
    for degrees in (1, 7, 30, 45, 46, 89, 100, 135, 170, 200, 225, 275, 315, 359):
        g = torch.full((len(x),), degrees)
        error = _error(group.act(group.inverse(g), group.act(g, x)), x)
        assert float(error.max()) <= 0.01, degrees


def test_rotation_is_not_nearest_neighbour_nor_bilinear_by_default() -> None:
    x, g = _photographs(64), torch.full((8,), 30)
    trips = {}
    for kind in KINDS:
        group = Rotations(360, kind)
        trips[type(kind)] = float(_error(group.act(group.inverse(g), group.act(g, x)), x).mean())
    assert 5 * trips[FourierShears] < trips[Bicubic] < trips[Bilinear]
    assert isinstance(Rotations(360).interpolation, FourierShears)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("n", [6, 7])
def test_multiples_of_ninety_degrees_only_move_pixels(kind: Interpolation, n: int) -> None:
    x = torch.randn(4, 2, n, n, generator=torch.Generator().manual_seed(0))
    turned = Rotations(360, kind).act(torch.tensor([0, 90, 180, 270]), x)
    assert torch.equal(turned, torch.stack([one.rot90(k, (-2, -1)) for k, one in enumerate(x)]))
    assert torch.equal(turned, QuarterTurns().act(torch.arange(4), x))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("degrees", [13, 45, 100, 225, 275, 315])
@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_adjoint_is_the_transposed_matrix(kind: Interpolation, degrees: int, n: int) -> None:
    group = Rotations(360, kind)
    forward = dense_matrix(lambda x: group.act(torch.full((len(x),), degrees), x), (1, n, n))
    back = dense_matrix(lambda x: group.act_adjoint(torch.full((len(x),), degrees), x), (1, n, n))
    assert torch.allclose(forward.T, back, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_gradient_of_the_gradient(kind: Interpolation) -> None:
    group, g = Rotations(360, kind), torch.tensor([10, 100])
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: group.act(g, z), x)
    assert torch.autograd.gradgradcheck(lambda z: group.act(g, z) ** 2, x)


@pytest.mark.parametrize("n", [32, 48, 75])
def test_nothing_wraps_into_the_disk(n: int) -> None:
    at = torch.arange(n, dtype=torch.float64)
    near, far = (torch.exp(-((at - place) ** 2) / (2 * 1.0**2)) for place in (0.04 * n, 0.96 * n - 1))
    corners = torch.stack([one[:, None] * other for one in (near, far) for other in (near, far)]).sum(0)
    corners = corners * ~inscribed_disk((n, n))
    found = Rotations(360).act(EVERY, corners.expand(360, 1, n, n)) * inscribed_disk((n, n))
    assert float(corners.max()) > 0.9
    assert float(found.abs().max()) < 0.02


def test_directions_agree_with_each_other_and_with_the_matrix() -> None:
    point = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    point[0, 0, 16, 26] = 1  # ten pixels right of the centre
    for kind in KINDS:
        for degrees in (30, 60, 120, 300):
            turned = Rotations(360, kind).act(torch.tensor([degrees]), point)[0, 0].clamp_min(0)
            at = torch.arange(33, dtype=torch.float64) - 16
            turned = turned * (turned > turned.max() / 4)
            row, column = (turned.sum(1) * at).sum() / turned.sum(), (turned.sum(0) * at).sum() / turned.sum()
            expected = Rotations(360).matrix(torch.tensor([degrees]))[0] @ torch.tensor([0, 10.0], dtype=torch.float64)
            assert float(row) == pytest.approx(-10 * math.sin(math.radians(degrees)), abs=0.4)
            assert float(expected[0]) == pytest.approx(-10 * math.sin(math.radians(degrees)), abs=1e-9)
            assert float(column) == pytest.approx(float(expected[1]), abs=0.4)


def test_one_element_per_image_not_one_for_the_batch() -> None:
    x = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    g = torch.tensor([0, 10, 90, 135, 359])
    together = Rotations(360).act(g, x)
    alone = torch.cat([Rotations(360).act(g[i : i + 1], x[i : i + 1]) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_half_precision_comes_back_in_half_precision() -> None:
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for kind in KINDS:
        turned = Rotations(360, kind).act(torch.tensor([10, 90]), x.bfloat16())
        assert turned.dtype == torch.bfloat16
        assert torch.allclose(turned.float(), Rotations(360, kind).act(torch.tensor([10, 90]), x), atol=0.02)


def test_using_a_group_changes_nothing() -> None:
    group, x = Rotations(360), torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    before, first = dict(vars(group)), group.act(torch.tensor([10]), x)
    group.act(torch.tensor([200]), torch.rand(1, 1, 20, 20).double())
    assert vars(group) == before and torch.equal(first, group.act(torch.tensor([10]), x))


def test_what_cannot_be_turned_is_refused() -> None:
    wide = torch.rand(1, 1, 4, 6)
    for group in (Rotations(360), QuarterTurns(), Dihedral(4), Rotations(4)):
        with pytest.raises(InputError, match="expected square images"):
            group.act(torch.tensor([1]), wide)
    assert torch.equal(Rotations(2).act(torch.tensor([1]), wide), wide.flip((-2, -1)))
    assert torch.equal(Dihedral(2).act(torch.tensor([2]), wide), wide.flip(-1))
    with pytest.raises(InputError, match="height, width"):
        Rotations(2).act(torch.tensor([1]), torch.rand(1, 1, 6))
    with pytest.raises(InputError, match="at least one angle"):
        Rotations(0)
    with pytest.raises(InputError, match="at least one angle"):
        Dihedral(0)
