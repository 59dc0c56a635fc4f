"""The recipes of the experiments can be read and built, without their data; the scripts that are beside them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.brain import eight_coils, side_by_side
from nullsight.app.table import read_rows
from nullsight.assemble import Context, build
from nullsight.diagnosis import Budget, Verdict, diagnose
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses import EquivariantSplitting, Loss
from nullsight.noise import ESTIMATES, Estimate, Noise, PoissonGaussian
from nullsight.physics import Inpainting, MultiCoilMRI, ParallelBeamCT, bernoulli_mask
from nullsight.physics.base import Physics
from nullsight.physics.mri import fourier
from nullsight.reconstructors import Helper, Reconstructor
from nullsight.schema import read_recipe
from nullsight.types import InputError
from tests.cases.coils import body, smooth_maps

ROOT = Path(__file__).parents[1] / "experiments"
MR = (2, 128, 128)
SHAPES = {
    "ct100": (1, 128, 128),
    "urban100": (3, 256, 256),
    "ct100_30_views": (1, 128, 128),
    "mr_as_ct": (1, 128, 128),
    "ct100_settings": (1, 128, 128),
    "urban100_settings": (3, 256, 256),
    "equivariant_prox": (1, 128, 128),
    "low_dose_ct": (1, 128, 128),
    "low_dose_ct_settings": (1, 128, 128),
    "mri_sigma_0": MR,
    "mri_sigma_0.05": MR,
    "mri_sigma_0.1": MR,
    "mri_sigma_0.2": MR,
    "mri_settings": MR,
    "poisson_inpainting": (3, 256, 256),
    "poisson_inpainting_settings": (3, 256, 256),
    "where_shifts_teach_low_pass": (3, 128, 128),
    "where_shifts_teach_downsampling": (3, 128, 128),
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
    noise = None
    if recipe.noise is not None and recipe.noise.name not in ESTIMATES:
        noise = build(recipe.noise.model_dump(), Noise, "[noise]", context)
    elif recipe.noise is not None:  # found in the measurements, which are not here
        build(recipe.noise.model_dump(), Estimate, "[noise]", context)
        noise = PoissonGaussian(1.0, 1.0)
    context = replace(context, group=group, noise=noise)
    f = build(recipe.reconstructor.model_dump(), Reconstructor, "[reconstructor]", context)
    learns = any(True for _ in f.parameters())
    assert learns == bool(recipe.loss), "a row without loss has nothing to learn"
    for part in recipe.loss:
        build({k: v for k, v in part.model_dump().items() if k != "weight"}, Loss, "[[loss]]", context)
    for part in recipe.helper:
        build(part.model_dump(), Helper, "[[helper]]", replace(context, reconstructor=f))


TWINS = {
    "ct100_30_views": "ct100",
    "mr_as_ct": "ct100",
    "ct100_settings": "ct100",
    "urban100_settings": "urban100",
    "low_dose_ct_settings": "low_dose_ct",
    "mri_settings": "mri_sigma_0.1",
    "poisson_inpainting_settings": "poisson_inpainting",
}


@pytest.mark.parametrize("folder", TWINS)
def test_other_data_have_the_very_same_settings(folder: str) -> None:
    for path, recipe in read_rows(ROOT / folder, []).items():
        same = ROOT / TWINS[folder] / path.name
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


def brain(folder: Path, shape: tuple[int, int]) -> Path:
    """Write half of the k-space of a body by four coils, its middle whole."""
    parts = torch.view_as_real(smooth_maps(4, shape) * body(shape, 0)).movedim(-1, -3)
    y = torch.view_as_complex(fourier(parts).movedim(-3, -1).contiguous())
    mask = bernoulli_mask(shape, 0.5, seed=1)  # another seed than that of what is held out
    mask[shape[0] // 2 - 12 : shape[0] // 2 + 12, shape[1] // 2 - 12 : shape[1] // 2 + 12] = True
    path = folder / "brain_8ch_kspace.npy"
    np.save(path, torch.where(mask, y, 0).numpy().astype(np.complex64))
    return path


def test_a_brain_by_several_coils_is_drawn_and_its_settings_chosen_on_held_out_frequencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eight_coils, "ITERATIONS", (1, 8))
    monkeypatch.setattr(eight_coils, "WEIGHTS", (0.003,))
    monkeypatch.setattr(eight_coils, "STEPS", 20)
    errors = eight_coils.main(brain(tmp_path, (40, 36)), tmp_path / "new" / "picture.png")
    assert errors["least squares, 8 iterations"] < 0.5 * errors["least squares, 1 iterations"]
    assert (tmp_path / "new" / "picture.png").read_bytes()[1:4] == b"PNG"
    assert "\nleast squares, 8 iterations: residual of all frequencies 0.0" in capsys.readouterr().out


def test_held_out_frequencies_are_measured_ones_outside_of_the_middle() -> None:
    mask = bernoulli_mask((60, 50), 0.5, seed=3)
    kept = eight_coils.held_out(mask, 24)
    assert bool((kept <= mask).all()) and not bool(kept[18:42, 13:37].any())
    assert 0.05 < float(kept.sum() / mask.sum()) < 0.12


def test_the_recipes_of_the_brain_can_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brain(tmp_path, (230, 180))
    monkeypatch.setenv("NULLSIGHT_DATA", str(tmp_path))
    physics = read_recipe(ROOT / "brain" / "cg_sense.toml").physics
    assert physics is not None
    built = build(physics.model_dump(), Physics, "[physics]", Context(ROOT / "brain"))
    assert isinstance(built, MultiCoilMRI) and built.measurement_shape == (4, 2, 230, 180)
    for name in ("cg_sense", "total_variation", "single_image"):
        reconstructor = read_recipe(ROOT / "brain" / f"{name}.toml").reconstructor
        assert reconstructor is not None
        build(
            reconstructor.model_dump(),
            Reconstructor,
            "[reconstructor]",
            Context(ROOT / "brain", image_shape=(2, 230, 180)),
        )


def test_a_brain_is_reconstructed_in_three_ways_without_what_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brain(tmp_path, (40, 36))
    monkeypatch.setenv("NULLSIGHT_DATA", str(tmp_path))
    small = ("physics.image_shape=[2,40,36]", "training.steps=2", "training.threads=1")
    picture = tmp_path / "new" / "picture.png"
    errors = side_by_side.main(picture, small)
    assert set(errors) == {"least squares", "total variation", "fit"} and max(errors.values()) < 0.5
    assert picture.read_bytes()[1:4] == b"PNG" and "fit              |A x - y|" in capsys.readouterr().out
    # what is hidden has no say: another value there gives the same image
    path, hidden = tmp_path / "brain_8ch_kspace.npy", side_by_side.hidden_of(ready(small), 24)
    y = np.load(path)
    np.save(path, np.where(hidden.numpy(), 3 * y, y))
    again = side_by_side.main(picture, small)
    assert all(again[name] > 0.5 for name in errors)


def ready(overrides: tuple[str, ...]) -> Physics:
    recipe = read_recipe(ROOT / "brain" / "cg_sense.toml", overrides)
    assert recipe.physics is not None
    found = build(recipe.physics.model_dump(), Physics, "[physics]", Context(ROOT / "brain"))
    assert isinstance(found, Physics)
    return found


VERDICTS = {
    ("where_shifts_teach_low_pass", "equivariant_imaging_shifts"): Verdict.NOTHING,
    ("where_shifts_teach_low_pass", "equivariant_imaging_scales"): Verdict.PARTLY,
    ("where_shifts_teach_downsampling", "equivariant_imaging_shifts"): Verdict.PARTLY,
}


@pytest.mark.parametrize(("folder", "name"), VERDICTS, ids=lambda one: str(one))
def test_the_verdict_of_a_recipe_is_the_one_in_its_comment(folder: str, name: str) -> None:
    path = ROOT / folder / f"{name}.toml"
    verdict = VERDICTS[folder, name]
    comment = path.read_text(encoding="utf-8").split("\nbase =")[0].replace("\n# ", " ")
    assert f"nullsight diagnose: {verdict.words}" in comment
    sizes = ["physics.image_shape=[1,16,16]"]
    if "low_pass" in folder:
        sizes.append("physics.kernel.shape=[16,16]")
    recipe = read_recipe(path, sizes)
    assert recipe.physics is not None and recipe.group is not None
    physics = build(recipe.physics.model_dump(), Physics, "[physics]", Context(path.parent))
    group = build(recipe.group.model_dump(), Family, "[group]", Context(path.parent, image_shape=physics.image_shape))
    few = Budget(elements=32, pictures=0, suggestions=0)
    assert diagnose(physics, group, budget=few).verdict is verdict


@pytest.mark.parametrize("folder", ["mri_sigma_0", "mri_sigma_0.1"])
def test_what_splitting_hides_of_k_space_are_whole_lines(folder: str) -> None:
    path = ROOT / folder / "equivariant_splitting.toml"
    recipe = read_recipe(path)
    assert recipe.physics is not None and recipe.group is not None
    physics = build(recipe.physics.model_dump(), Physics, "[physics]", Context(path.parent))
    group = build(recipe.group.model_dump(), Family, "[group]", Context(path.parent, image_shape=MR))
    written = {k: v for k, v in recipe.loss[0].model_dump().items() if k != "weight"}
    loss = build(written, Loss, "[[loss]]", Context(path.parent, group=group))
    assert isinstance(loss, EquivariantSplitting) and (loss.kept == 0) == (folder != "mri_sigma_0")
    keep = loss.split.sample(physics, Draws(0, 0, (0,)).of("split"))
    lines = keep.all(-2).all(2)
    assert torch.equal(keep.any(-2).any(2), lines)
    assert 0.4 < float(lines.sum()) / float(physics.measured.all(-2).all(2).sum()) < 0.95
