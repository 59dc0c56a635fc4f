"""Scales, shears and homographies against images in closed form and dense matrices; aliasing, borders, refusals."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from nullsight.contracts.findings import ContractError
from nullsight.contracts.groups import assert_action_error, inscribed_disk, round_trip_error
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Bicubic, Bilinear, Homographies, Projective, Reflected, Scales, Shears, Zeros
from nullsight.groups.warping import Warp, _footprint, _nodes, places
from nullsight.linalg import dense_matrix

KINDS: list[Projective] = [Scales(0.6, 1.6), Shears(30.0), Homographies(0.15)]
SPOTS = [(0.1, 0.2, 0.13, 1.0), (-0.25, 0.1, 0.11, 0.6), (0.2, -0.3, 0.14, -0.8), (-0.1, -0.15, 0.1, 0.9)]


def _phantom(at: Tensor) -> Tensor:
    """Return Gaussians at (row, column) in units of half the shorter side, ``(..., 2) -> (...)``."""
    total = torch.zeros(at.shape[:-1], dtype=torch.float64)
    for row, column, width, height in SPOTS:
        total += height * torch.exp(-((at[..., 0] - row) ** 2 + (at[..., 1] - column) ** 2) / (2 * width**2))
    return total


def _drawn(group: Projective, count: int = 6) -> Tensor:
    return group.sample(Draws(0, 0, tuple(range(count))).of("g"))


def _grid(height: int, width: int) -> Tensor:
    return places(height, width, torch.device("cpu")) / (min(height, width) / 2)


def _by_hand(g: Tensor, at: Tensor) -> Tensor:
    """Return ``g^-1 p`` for every p, pixel by pixel in homogeneous coordinates."""
    wide = torch.cat([at, torch.ones_like(at[..., :1])], -1)
    moved = torch.linalg.solve(g[:, None, None], wide[None, ..., None])[..., 0]
    return moved[..., :2] / moved[..., 2:]


def _same(group: Projective, g: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: group.act(g.expand(len(x), 3, 3), x)


@pytest.mark.parametrize("space", [(64, 64), (48, 71)])
@pytest.mark.parametrize("group", KINDS, ids=lambda one: type(one).__name__)
def test_near_the_image_in_closed_form(group: Projective, space: tuple[int, int]) -> None:
    g, at = _drawn(group), _grid(*space)
    expected = _phantom(_by_hand(g, at))[:, None]
    found = group.act(g, _phantom(at)[None, None].expand(6, 1, *space))
    disk = inscribed_disk(space, 0.8)
    gap, size = (((one * disk).flatten(1)).norm(dim=1) for one in (found - expected, expected))
    assert float((gap / size).max()) < 0.02
    still = _phantom(at)[None, None]
    assert float((((still - expected) * disk).flatten(1).norm(dim=1) / size).max()) > 0.2


def test_elements_mean_what_they_say() -> None:
    twice = Scales().element(torch.tensor([2.0]))
    assert torch.equal(
        _by_hand(twice, torch.tensor([[[1.0, -0.5]]], dtype=torch.float64)).flatten() * 2,
        torch.tensor([1.0, -0.5], dtype=torch.float64),
    )
    for direction, moved in ((0.0, [0.5, 1.5]), (90.0, [0.5 - 1.0, 1.0])):
        shear = Shears().element(torch.tensor([45.0]), torch.tensor([direction]))
        point = torch.tensor([0.5, 1.0, 1.0], dtype=torch.float64)
        assert torch.allclose((shear[0] @ point)[:2], torch.tensor(moved, dtype=torch.float64))
        assert float(torch.linalg.det(shear)) == pytest.approx(1)
    corners = torch.tensor([[[-1.1, -0.9], [-1.0, 1.05], [0.95, 1.1], [1.0, -1.0]]], dtype=torch.float64)
    g = Homographies().element(corners)
    square = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    assert torch.allclose(_by_hand(torch.linalg.inv(g), square[None])[0, 0], corners[0])


@pytest.mark.parametrize("group", KINDS, ids=lambda one: type(one).__name__)
def test_draws_stay_in_their_range(group: Projective) -> None:
    g = _drawn(group, 500)
    assert torch.equal(g[:, 2, 2], torch.ones(500, dtype=torch.float64))
    if isinstance(group, Scales):
        factor = g[:, 0, 0]
        assert torch.equal(factor, g[:, 1, 1]) and 0.6 <= float(factor.min()) < 0.65 < 1.5 < float(factor.max()) <= 1.6
        assert abs(float(factor.log().mean()) - math.log(0.6 * 1.6) / 2) < 0.05
    if isinstance(group, Shears):
        stretch = torch.linalg.matrix_norm(g[:, :2, :2], 2)
        slope = stretch - 1 / stretch  # of a shear, whatever its direction
        assert 0.55 < float(slope.max()) <= math.tan(math.radians(30)) + 1e-12
    depth = torch.linalg.inv(g)[:, 2:] @ torch.tensor([[1.0, 1.0, 1], [1, -1, 1]], dtype=torch.float64).T
    assert float(depth.min()) > 0.3


@pytest.mark.parametrize("boundary", [Zeros(), Reflected()], ids=repr)
@pytest.mark.parametrize("space", [(6, 6), (5, 7)])
@pytest.mark.parametrize("group", KINDS, ids=lambda one: type(one).__name__)
def test_adjoint_is_the_transposed_matrix_and_not_the_inverse(group: Projective, space, boundary) -> None:
    group.boundary, shape = boundary, (1, *space)
    for g in _drawn(group, 3)[:, None]:
        forward = dense_matrix(_same(group, g), shape)
        back = dense_matrix(lambda y, g=g: group.act_adjoint(g.expand(len(y), 3, 3), y), shape)
        assert torch.allclose(forward.T, back, atol=1e-13)
        inverse = dense_matrix(_same(group, group.inverse(g)), shape)
        assert float((inverse - back).norm() / back.norm()) > 0.01  # shears keep areas, so they come near
    group.boundary = Reflected()


@given(factor=st.floats(0.8, 1.6))
def test_transpose_is_the_inverse_times_the_area(factor: float) -> None:
    group, x = Scales(), _phantom(_grid(48, 48))[None, None]
    g = group.element(torch.tensor([factor]))
    transposed, back = group.act_adjoint(g, x), group.act(group.inverse(g), x)
    disk = inscribed_disk((48, 48), 0.6)
    assert float(((transposed - factor**2 * back) * disk).norm() / (transposed * disk).norm()) < 0.03


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_footprint_is_what_the_kernel_does_not_cover(entries: list[float]) -> None:
    slope = torch.tensor(entries, dtype=torch.float64).reshape(1, 1, 1, 2, 2)
    footprint, width = _footprint(slope)
    values, vectors = torch.linalg.eigh((slope @ slope.mT)[0, 0, 0])
    expected = vectors @ torch.diag((values - 1).clamp_min(0)) @ vectors.T
    assert torch.allclose((footprint @ footprint)[0, 0, 0], expected, atol=1e-7)
    assert float(width) == pytest.approx(max(0.0, float(values.max()) - 1) ** 0.5, abs=1e-7)


def test_readings_have_the_variance_of_the_square() -> None:
    for n in (2, 3, 5):
        nodes = torch.tensor(list(_nodes(n)), dtype=torch.float64)
        assert torch.allclose(nodes.T @ nodes / n**2, torch.eye(2, dtype=torch.float64) / 12)
    assert list(_nodes(1)) == [(0.0, 0.0)]


def _stripes(cycles: float, n: int = 65) -> Tensor:
    line = torch.cos(2 * math.pi * cycles * torch.arange(n, dtype=torch.float64))
    return line.expand(1, 1, n, n)


def test_shrinking_does_not_alias_and_keeps_what_it_can() -> None:
    group, disk = Scales(0.5, 2.0), inscribed_disk((65, 65), 0.45)
    half = group.element(torch.tensor([0.5]))

    def size(x: Tensor) -> float:
        return float((x * disk).square().mean() ** 0.5 / (_stripes(0.05) * disk).square().mean() ** 0.5)

    fine = _stripes(0.42)
    single = grid_sample(
        fine,
        affine_grid(torch.eye(2, 3, dtype=torch.float64)[None] * 2, [1, 1, 65, 65], align_corners=False),
        mode="bicubic",
        align_corners=False,
    )
    assert size(single) > 0.95  # one reading a pixel folds the stripes over
    assert size(group.act(half, fine)) < 0.11
    assert size(group.act(half, _stripes(0.1))) > 0.96
    sheared = Shears(45).act(Shears().element(torch.tensor([45.0]), torch.tensor([0.0])), _stripes(0.45).mT)
    assert size(sheared) > 0.3  # no shrinking along the stripes: rows only slide past each other


def test_enlarging_reads_once_and_nothing_blurs() -> None:
    at = places(8, 8, torch.device("cpu"))[None]
    slope = torch.eye(2, dtype=torch.float64).expand(1, 8, 8, 2, 2)
    counts = [int(Warp(at * s, slope * s, Bicubic(), Zeros()).count) for s in (1.0, 0.5, 1.01, 2.0, 3.0, 4.0)]
    assert counts == [0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("group", KINDS, ids=lambda one: type(one).__name__)
def test_constant_images_stay_so_and_zeros_come_from_outside(group: Projective) -> None:
    ones, g = torch.ones(6, 1, 20, 26, dtype=torch.float64), _drawn(group)
    assert torch.allclose(group.act(g, ones), ones, atol=1e-12)
    zeros = type(group)(boundary=Zeros())
    assert float(zeros.act(g, ones).min()) < 0.01 and float(zeros.act(g, ones)[..., 10, 13].min()) > 0.99


def test_identity_is_exact_and_half_precision_comes_back() -> None:
    x = torch.rand(2, 1, 15, 18, generator=torch.Generator().manual_seed(0))
    for group in KINDS:
        assert torch.equal(group.act(group.identity(2), x), x)
        assert torch.equal(group.act_adjoint(group.identity(2), x), x)
        turned = group.act(_drawn(group, 2), x.bfloat16())
        assert turned.dtype == torch.bfloat16
        assert torch.allclose(turned.float(), group.act(_drawn(group, 2), x), atol=0.03)


@pytest.mark.parametrize("group", KINDS, ids=lambda one: type(one).__name__)
def test_gradient_of_the_gradient(group: Projective) -> None:
    g = _drawn(group, 2)
    x = torch.randn(2, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: group.act(g, z), x)
    assert torch.autograd.gradgradcheck(lambda z: group.act(g, z) ** 2, x)


STATED = [
    Scales(),
    Scales(0.5, 2.0),
    Scales(boundary=Zeros()),
    Scales(interpolation=Bilinear()),
    Scales(1.0, 1.5),
    Shears(),
    Shears(45.0, Bilinear(), Zeros()),
    Homographies(),
    Homographies(0.05, Bilinear()),
]


@pytest.mark.parametrize("group", STATED, ids=repr)
def test_action_error_is_stated_from_both_sides(group: Projective) -> None:
    assert 0 < assert_action_error(group) <= group.action_error < 0.08
    assert assert_action_error(group, seed=5) > 0
    group._known["action_error"] *= 0.4
    with pytest.raises(ContractError, match="should be <="):
        assert_action_error(group)
    group._known["action_error"] *= 10
    with pytest.raises(ContractError, match="should be >="):
        assert_action_error(group)


def test_better_interpolation_has_a_better_round_trip() -> None:
    for kind in (Scales, Shears, Homographies):
        assert round_trip_error(kind()) < round_trip_error(kind(interpolation=Bilinear())) / 1.5


def test_what_is_no_such_map_is_refused() -> None:
    with pytest.raises(InputError, match="0 < low <= high"):
        Scales(0.0, 1.0)
    with pytest.raises(InputError, match="45 degrees"):
        Shears(50)
    with pytest.raises(InputError, match=r"up to 0\.2"):
        Homographies(0.3)
    group, x = Homographies(), torch.rand(1, 1, 8, 8)
    for g, images, sentence in (
        (torch.eye(3)[None].repeat(2, 1, 1), x, "one element per image"),
        (torch.zeros(1, dtype=torch.int64), x, "one element per image"),
        (torch.eye(3)[None], x[0], "expected images (batch, channels, height, width)"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            group.act(g, images)
    tilted = torch.eye(3, dtype=torch.float64)[None].clone()
    tilted[0, 2, 1] = 0.6
    assert torch.isfinite(group.act(tilted, x)).all()
    with pytest.raises(InputError, match="comes from infinity"):
        group.act(tilted, torch.rand(1, 1, 8, 16))
