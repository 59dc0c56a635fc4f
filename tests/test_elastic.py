"""Elastic deformations: smooth, without folds, the border in place, near deformed images in closed form."""

import pytest
import torch
from torch import Tensor

from nullsight.contracts.groups import inscribed_disk
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Bilinear, Elastic, Group
from nullsight.groups.warping import places
from nullsight.linalg import dense_matrix


def _drawn(family: Elastic, count: int = 6) -> Tensor:
    return family.sample(Draws(0, 0, tuple(range(count))).of("g"))


def _phantom(at: Tensor) -> Tensor:
    """Return waves and a spot at (row, column) in units of half the shorter side."""
    down, right = at[..., 0], at[..., 1]
    spot = torch.exp(-((down - 0.2) ** 2 + (right + 0.3) ** 2) / (2 * 0.15**2))
    return 0.5 + 0.2 * torch.sin(7 * down + 1) + 0.2 * torch.cos(6 * right - 2 * down) + spot


@pytest.mark.parametrize("space", [(64, 64), (48, 71)])
@pytest.mark.parametrize("family", [Elastic(), Elastic(0.4, 3), Elastic(interpolation=Bilinear())], ids=repr)
def test_near_the_deformed_image_in_closed_form(family: Elastic, space: tuple[int, int]) -> None:
    g, unit = _drawn(family), min(space) / 2
    at = places(*space, torch.device("cpu"))
    d, _ = family.displacement(g, *space)
    expected = _phantom((at + d) / unit)[:, None]
    still = _phantom(at / unit)[None, None].expand(6, 1, *space)
    disk = inscribed_disk(space)
    size = (expected * disk).flatten(1).norm(dim=1)
    found, rest = (((x - expected) * disk).flatten(1).norm(dim=1) / size for x in (family.act(g, still), still))
    assert float(found.max()) < min(0.01, family.action_error) and float(rest.max()) > 0.03


def test_the_border_stays_and_nothing_folds() -> None:
    family = Elastic(0.5, 6)
    g = _drawn(family, 40)
    d, slope = family.displacement(g, 97, 97)
    reach = d.abs().amax((1, 2, 3))
    border = torch.cat([d[:, 0], d[:, -1], d[:, :, 0], d[:, :, -1]], 1).abs().amax((1, 2))
    assert float((border / reach).max()) < 0.15  # half a pixel inside of where it vanishes
    whole = slope + torch.eye(2, dtype=torch.float64)
    assert float(torch.linalg.det(whole).min()) > 0.2
    at = places(97, 97, torch.device("cpu")) + d
    assert float(at.abs().max()) < 48.5  # what is read lies inside
    stretch = torch.linalg.matrix_norm(slope, 2).amax((1, 2))
    assert float(stretch.max()) < 0.51 and 0.15 < float(stretch.mean()) < 0.35


def test_the_derivative_is_that_of_the_displacement() -> None:
    family = Elastic(0.4, 3)
    d, slope = family.displacement(_drawn(family, 3), 201, 301)
    by_row, by_column = d[:, 2:] - d[:, :-2], d[:, :, 2:] - d[:, :, :-2]
    assert torch.allclose(by_row[:, :, 1:-1] / 2, slope[:, 1:-1, 1:-1, :, 0], atol=1e-3)
    assert torch.allclose(by_column[:, 1:-1] / 2, slope[:, 1:-1, 1:-1, :, 1], atol=1e-3)
    assert float(slope.abs().max()) > 0.1


def test_one_element_means_the_same_at_every_size() -> None:
    family = Elastic()
    g = _drawn(family, 2)
    small, large = family.displacement(g, 15, 21)[0], family.displacement(g, 45, 63)[0]
    assert torch.allclose(small / 7.5, large[:, 1::3, 1::3] / 22.5)


@pytest.mark.parametrize("space", [(6, 6), (5, 7)])
def test_adjoint_is_the_transposed_matrix(space: tuple[int, int]) -> None:
    family = Elastic(0.5, 2)
    for g in _drawn(family, 2)[:, None]:
        forward = dense_matrix(lambda x, g=g: family.act(g.expand(len(x), -1, -1, -1), x), (1, *space))
        back = dense_matrix(lambda x, g=g: family.act_adjoint(g.expand(len(x), -1, -1, -1), x), (1, *space))
        assert torch.allclose(forward.T, back, atol=1e-13)
        assert torch.allclose(forward.sum(1), torch.ones(forward.shape[0], dtype=torch.float64))
        assert float((forward @ back - torch.eye(len(back))).norm()) > 0.5  # not orthogonal


def test_a_family_without_law() -> None:
    family = Elastic()
    assert not isinstance(family, Group) and family.linear and family.action_error > 0
    x = torch.rand(1, 1, 9, 9)
    assert torch.equal(family.act(torch.zeros(1, 2, 4, 4), x), x)
    with pytest.raises(InputError, match=r"shape \(1, 2, 4, 4\)"):
        family.act(torch.zeros(1, 2, 3, 3), x)
    with pytest.raises(InputError, match="batch, channels, height, width"):
        family.act(torch.zeros(1, 2, 4, 4), x[0])
    for stretch, modes in ((0.0, 4), (0.6, 4), (0.2, 0), (0.2, 17)):
        with pytest.raises(InputError, match="stretch"):
            Elastic(stretch, modes)
