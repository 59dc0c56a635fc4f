"""Vector fields: the gradient of a turned image is the turned gradient."""

import pytest
import torch
from torch import Tensor

from nullsight.contracts.groups import assert_action_error, inscribed_disk
from nullsight.errors import InputError
from nullsight.groups import Dihedral, PointGroup, QuarterTurns, Reflections, Rotations, VectorFields
from nullsight.linalg import dense_matrix


def _gradient(x: Tensor) -> Tensor:
    """Return symmetric differences (down, right) on the periodic grid, (batch, 2, height, width)."""
    parts = [(x.roll(-1, axis) - x.roll(1, axis)) / 2 for axis in (-2, -1)]
    return torch.cat(parts, 1)


def _smooth(n: int) -> Tensor:
    at = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    spots = [(0.15, 0.1, 0.10, 1.0), (-0.2, 0.12, 0.13, -0.7), (0.0, -0.22, 0.09, 0.8)]
    image = torch.zeros(n, n, dtype=torch.float64)
    for row, column, width, height in spots:
        down, right = (torch.exp(-((at / n - middle) ** 2) / (2 * width**2)) for middle in (row, column))
        image += height * down[:, None] * right
    return image[None, None]


@pytest.mark.parametrize("group", [QuarterTurns(), Dihedral(4), Reflections(), Dihedral(2), Rotations(4)], ids=repr)
@pytest.mark.parametrize("n", [6, 7])
def test_gradient_of_the_turned_image_is_the_turned_gradient(group: PointGroup, n: int) -> None:
    g = torch.arange(group.order)
    x = torch.randn(1, 1, n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x.expand(group.order, 1, n, n)
    turned = VectorFields(group).act(g, _gradient(x))
    assert torch.allclose(_gradient(group.act(g, x)), turned, rtol=0, atol=1e-14)
    still = group.act(g, _gradient(x))  # without turning the vectors it is not
    assert not torch.allclose(turned, still, atol=0.1)


@pytest.mark.parametrize("group", [Rotations(360), Dihedral(12)], ids=repr)
def test_gradients_turn_with_smooth_images_by_any_angle(group: PointGroup) -> None:
    g = torch.arange(0, group.order, max(1, group.order // 24))
    x, disk = _smooth(65).expand(len(g), 1, 65, 65), inscribed_disk((65, 65), 0.9)
    expected, vectors = _gradient(group.act(g, x)), VectorFields(group)
    size = (expected * disk).flatten(1).norm(dim=1)

    def error(found: Tensor) -> Tensor:
        return ((found - expected) * disk).flatten(1).norm(dim=1) / size

    assert float(error(vectors.act(g, _gradient(x))).max()) < 0.01
    assert float(error(group.act(g, _gradient(x))).max()) > 1
    back = vectors.act(vectors.inverse(g), expected)
    assert float((((back - _gradient(x)) * disk).flatten(1).norm(dim=1) / size).max()) < 0.01


def test_quarter_turns_are_exact_in_every_precision() -> None:
    v = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    for k, (down, right) in enumerate([(0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)]):
        assert VectorFields(QuarterTurns()).act(torch.tensor([k]), v).flatten().tolist() == [down, right]


@pytest.mark.parametrize("group", [Rotations(7), Dihedral(3)], ids=repr)
def test_adjoint_is_the_transposed_matrix(group: PointGroup) -> None:
    vectors = VectorFields(group)
    for k in range(group.order):
        forward = dense_matrix(lambda v, k=k: vectors.act(torch.full((len(v),), k), v), (2, 4, 4))
        back = dense_matrix(lambda v, k=k: vectors.act_adjoint(torch.full((len(v),), k), v), (2, 4, 4))
        assert torch.allclose(forward.T, back, atol=1e-13)


def test_error_is_that_of_the_group_from_both_sides() -> None:
    assert assert_action_error(VectorFields(Rotations(360)), (2, 64, 64)) > 0


def test_what_has_no_pairs_of_components_is_refused() -> None:
    with pytest.raises(InputError, match="expected vector fields"):
        VectorFields(QuarterTurns()).act(torch.tensor([0]), torch.zeros(1, 3, 4, 4))
    with pytest.raises(InputError, match="expected vector fields"):
        VectorFields(Reflections(("horizontal",))).act(torch.tensor([0]), torch.zeros(1, 2, 4))
