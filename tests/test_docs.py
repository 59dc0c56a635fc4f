"""The pages: their recipes can be built and run, the results that they name are there, numbers are those of results."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from nullsight.assemble import Context, build
from nullsight.cli import demo
from nullsight.data import to_png
from nullsight.physics import ParallelBeamCT
from nullsight.recipe import build_experiment, build_physics, write_down
from nullsight.reconstructors import Helper
from nullsight.schema import SimulateSection, parse_recipe, read_recipe
from tests.toy_recipes import Shell

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]
SIZE = 16  # pixels, in place of the 128 and 256 of the pages
# what a recipe that is shown in part has elsewhere
REST = f"""
[physics]
name = "parallel_beam_ct"
image_shape = [1, {SIZE}, {SIZE}]
angles = 10
[noise]
name = "gaussian"
sigma = 0.1
[group]
name = "rotations"
n = 360
[network]
name = "unet"
width = 4
depth = 2
[[loss]]
name = "measurement_consistency"
[training]
steps = 1
"""
IN_A_LOSS = "# in [[loss]]\n"  # the first line of a block that goes on with the term before it


def small(text: str) -> str:
    return re.sub(r"\b(128|256)\b", str(SIZE), text)


def complete(text: str) -> dict[str, object]:
    begun = '[[loss]]\nname = "bank_equivariance"\n' if text.startswith(IN_A_LOSS) else ""
    written = tomllib.loads(begun + small(text))
    written.pop("base", None)
    return {**tomllib.loads(REST), **written}


@pytest.mark.parametrize("text", BLOCKS)
def test_every_recipe_that_is_shown_can_be_built_and_written_down(text: str) -> None:
    recipe = parse_recipe(complete(text), "the page")
    assert recipe.physics is not None
    physics = build_physics(recipe.physics.model_dump(), Path(), {})
    experiment = build_experiment(recipe, physics, None, Path(), {})
    context = Context(image_shape=physics.image_shape, group=experiment.group, reconstructor=experiment.reconstructor)
    for part in recipe.helper:
        build(part.model_dump(), Helper, "[[helper]]", context)
    effective, _ = write_down(experiment, recipe)
    assert len(effective.loss) == len(recipe.loss)


def shown(page: str, words: str) -> str:
    [text] = [one.values[0] for one in BLOCKS if one.id.startswith(page) and words in one.values[0]]
    return small(str(text))


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_the_inpainting_recipe_runs_from_pictures_and_is_the_committed_one(shell: Shell) -> None:
    text = shown("recipes", "with_coverage")
    Path("pictures").mkdir()
    for number, image in enumerate(pictures(5)):
        (Path("pictures") / f"{number}.png").write_bytes(to_png(image, (0.0, 1.0)))
    Path("recipe.toml").write_text(text)
    few = ("simulate.train=[0, 3]", "simulate.test=[3, 5]")
    assert shell("simulate", "recipe.toml", *few) == 0, shell.err
    assert shell("fit", "recipe.toml", "-o", "run", *few, "training.steps=2", "loss.0.crop=8") == 0, shell.err
    assert "trained 2 steps" in shell.out and "test PSNR" in shell.out
    here, there = read_recipe(Path("recipe.toml")), read_recipe(ROOT / "experiments/urban100/cropped_splitting.toml")
    for name in ("group", "reconstructor", "loss"):
        assert getattr(here, name) == getattr(there, name), name
    assert here.training.model_copy(update={"threads": there.training.threads}) == there.training


@pytest.mark.parametrize(("page", "words"), [("README", "[data]"), ("recipes", "patients.txt")])
def test_the_recipes_of_tomography_run(shell: Shell, page: str, words: str) -> None:
    x = pictures(6).mean(1, keepdim=True)
    y = ParallelBeamCT((1, SIZE, SIZE), 50).A(x)
    for name, value in (("sinograms", y), ("test", y[:2]), ("test_images", x[:2])):
        np.save(f"{name}.npy", value.numpy())
    Path("patients.txt").write_text("a\na\nb\nb\nc\nc\n")
    Path("recipe.toml").write_text(shown(page, words))
    assert shell("fit", "recipe.toml", "-o", "run", "training.steps=1") == 0, shell.err
    assert "trained 1 step in" in shell.out


def test_every_key_of_data_and_simulate_is_explained() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    [section] = [text for text in re.findall(r"```toml\n(\[simulate\].*?)```", page, re.DOTALL) if "[data]" not in text]
    for key in SimulateSection.model_fields:
        assert re.search(rf"^(# )?{key} = |^\[simulate.{key}\]", section, re.MULTILINE), key
    for key in type(parse_recipe({}, "recipe").data).model_fields:
        assert re.search(rf"^(# )?{key} = ", page, re.MULTILINE), key


def paragraphs(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").split("\n\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_results_that_are_named_are_committed_or_said_not_to_be(page: Path) -> None:
    for text in paragraphs(page):
        named = re.findall(r"`((?:results|experiments)/[a-z0-9_/.]+\.json)`", text)
        there = [name for name in named if (ROOT / name).exists()]
        assert there == ([] if re.search(r"committed\s+yet", text) else named), f"say so in {page.name}: {text}"


@pytest.mark.parametrize("name", ["diagnosis", "trust", "uncertainty"])
def test_an_experiment_is_named_with_its_results(name: str) -> None:
    found = [text for text in paragraphs(ROOT / "docs" / f"{name}.md") if "experiments/" in text]
    assert found and all(".json`" in text for text in found)


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("ct100", "A_dagger y", "filtered back-projection |"),
        ("ct100", "equivariant imaging", "experiments/ct100/equivariant_imaging.toml"),
        ("ct100", "total variation", "total variation, exactly"),
        ("ct100", "bank equivariance", "bank_equivariance.toml"),
        ("ct100", "bank equivariance seed 1", "bank_equivariance.toml"),
        ("ct100", "supervised twin", "network, minutes and settings"),
        ("urban100", "total variation", "| total variation | nothing"),
        ("urban100", "clough tocher", "Clough-Tocher"),
        ("urban100", "equivariant imaging", "experiments/urban100/equivariant_imaging.toml"),
        ("urban100", "cropped splitting", "cropped_splitting.toml"),
        ("urban100", "supervised twin", "on whole images"),
        ("low_dose_ct", "A_dagger y", "of logarithms"),
        ("low_dose_ct", "total variation", "statistically weighted"),
        ("low_dose_ct", "equivariant imaging", "low_dose_ct/equivariant_imaging.toml"),
        ("low_dose_ct", "robust equivariant imaging", "robust_equivariant_imaging.toml"),
        ("low_dose_ct", "supervised", "`supervised.toml`"),
        ("low_dose_ct", "bank and splitting from total variation", "`bank_and_splitting_from"),
        ("low_dose_ct", "supervised from total variation", "`supervised_from_total_variation.toml`"),
        ("mri_sigma_0.1", "A_dagger y", "zero-filled"),
        ("mri_sigma_0.1", "total variation", "complex images"),
        ("mri_sigma_0.1", "equivariant imaging", "mri_sigma_0.1/equivariant_imaging.toml"),
        ("mri_sigma_0.1", "robust equivariant imaging", "as published"),
        ("mri_sigma_0.1", "robust equivariant imaging from bank", "robust_equivariant_imaging_from_bank.toml"),
        ("mri_sigma_0.1", "recorrupted equivariant imaging", "recorrupted_equivariant_imaging.toml"),
        ("mri_sigma_0.1", "robust bank and splitting", "robust_bank_and_splitting.toml"),
        ("mri_sigma_0.1", "bank and splitting from total variation", "a bank begun with"),
        ("mri_sigma_0.1", "supervised", "the same network | 170"),
        ("mri_sigma_0.1", "equivariant imaging supervised", "imaging and supervised"),
    ],
)
def test_numbers_on_the_first_page_are_those_of_the_results(name: str, row: str, words: str) -> None:
    [line] = [one for one in PAGES[0].read_text(encoding="utf-8").splitlines() if words in one and one.startswith("|")]
    methods = json.loads((ROOT / "results" / f"{name}.json").read_text())["methods"]
    [known] = [one for one in methods if one["name"] == row]
    assert f"{known['psnr_mean']:.2f}" in line
    assert known["minutes"] < 1 or f"{known['minutes']:.0f}" in line.rsplit("|", 2)[1]


def test_the_demo_takes_the_same_minutes_everywhere() -> None:
    [minutes] = re.findall(r"([\d.]+) minutes in all", PAGES[0].read_text(encoding="utf-8"))
    assert f"({minutes} minutes)" in (demo.__doc__ or "")
