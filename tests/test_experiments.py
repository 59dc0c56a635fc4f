"""The recipes of the experiments can be read and built, without their data; the interpolation that is beside them."""

from pathlib import Path

import pytest
import torch

from nullsight.app.table import read_rows
from nullsight.assemble import Context, build
from nullsight.groups.base import Family
from nullsight.losses import Loss
from nullsight.physics import Inpainting, ParallelBeamCT, bernoulli_mask
from nullsight.reconstructors import Reconstructor
from nullsight.types import InputError

ROOT = Path(__file__).parents[1] / "experiments"
SHAPES = {
    "ct100": (1, 128, 128),
    "urban100": (3, 256, 256),
    "ct100_30_views": (1, 128, 128),
    "mr_as_ct": (1, 128, 128),
    "ct100_settings": (1, 128, 128),
    "urban100_settings": (3, 256, 256),
}
RECIPES = [
    pytest.param(path, id=f"{path.parent.name}/{path.stem}") for name in SHAPES for path in read_rows(ROOT / name, [])
]


def clough_tocher() -> Reconstructor:
    found = build({"name": "clough_tocher:CloughTocher"}, Reconstructor, "[reconstructor]", Context(ROOT / "urban100"))
    assert isinstance(found, Reconstructor)
    return found


@pytest.mark.parametrize("path", RECIPES)
def test_every_part_of_a_recipe_can_be_built(path: Path) -> None:
    recipe = read_rows(path.parent, [])[path]
    context = Context(root=path.parent, image_shape=SHAPES[path.parent.name], seed=0)
    assert recipe.group is not None and recipe.reconstructor is not None
    group = build(recipe.group.model_dump(), Family, "[group]", context)
    context = Context(root=path.parent, image_shape=context.image_shape, seed=0, group=group)
    f = build(recipe.reconstructor.model_dump(), Reconstructor, "[reconstructor]", context)
    learns = any(True for _ in f.parameters())
    assert learns == bool(recipe.loss), "a row without loss has nothing to learn"
    for part in recipe.loss:
        build({k: v for k, v in part.model_dump().items() if k != "weight"}, Loss, "[[loss]]", context)


@pytest.mark.parametrize("folder", ["ct100_30_views", "mr_as_ct", "ct100_settings", "urban100_settings"])
def test_other_data_have_the_very_same_settings(folder: str) -> None:
    for path, recipe in read_rows(ROOT / folder, []).items():
        same = ROOT / ("urban100" if folder.startswith("urban") else "ct100") / path.name
        there = read_rows(same.parent, [])[same]
        for name in ("seed", "group", "noise", "network", "reconstructor", "loss", "training", "helper"):
            assert getattr(recipe, name) == getattr(there, name), f"{path} differs from {same} in {name}"


def test_interpolation_is_exact_for_planes_and_keeps_what_is_seen() -> None:
    mask = bernoulli_mask((12, 10), 0.6, seed=1)
    mask[0, 0] = mask[0, -1] = mask[-1, 0] = mask[-1, -1] = True  # the hull is the whole image
    physics = Inpainting((3, 12, 10), mask)
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    plane = torch.stack([rows, columns - 2 * rows, 3 + rows + columns])
    x = torch.stack([plane, plane.flip(0)])
    found = clough_tocher()(physics.A(x), physics)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)
    noise = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    filled = clough_tocher()(physics.A(noise), physics)
    assert torch.equal(filled[:, :, mask], noise[:, :, mask]) and not torch.allclose(filled, noise, atol=1e-2)


def test_interpolation_takes_the_nearest_pixel_outside_the_hull() -> None:
    mask = torch.zeros(6, 6)
    mask[1:5, 1:5] = 1
    physics = Inpainting((1, 6, 6), torch.stack([mask, mask.roll(1, 0)])[:, None])  # one mask a sample
    x = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    found = clough_tocher()(physics.A(x), physics)
    torch.testing.assert_close(found[0, 0, 0, 0], x[0, 0, 1, 1])
    torch.testing.assert_close(found[1, 0, 0, 3], x[1, 0, 2, 3])
    full = Inpainting((1, 6, 6), torch.ones(6, 6))
    assert torch.equal(clough_tocher()(x, full), x)


def test_interpolation_refuses_other_operators() -> None:
    physics = ParallelBeamCT((1, 8, 8), 4)
    with pytest.raises(InputError, match="inpainting of 2-D images with one mask for all channels"):
        clough_tocher()(torch.zeros(1, *physics.measurement_shape), physics)
