"""Noise in recipes: known, estimated from the measurements, or learned; written down, built again and resumed."""

import json
import tomllib
from pathlib import Path

from nullsight.app.runs import rebuild
from nullsight.data import read_measurements
from nullsight.losses import SURE, Equivariance
from nullsight.noise import Gaussian, UnknownNoise
from tests.toy_recipes import Shell, write_recipe

ROBUST = """
[[loss]]
name = "sure"
[[loss]]
name = "equivariance"
weight = 0.1
"""


def recipe_with(folder: Path, noise: str, simulated: str = "") -> Path:
    """Return a recipe for robust equivariant imaging, with measurements whose noise is sigma = 0.1."""
    recipe = write_recipe(folder, loss=ROBUST)
    made = 'noise = { name = "gaussian", sigma = 0.1 }\n' if simulated == "" else simulated
    text = recipe.read_text().replace("[simulate]\n", "[simulate]\n" + made)
    recipe.write_text(text + noise)
    return recipe


def test_the_container_says_what_was_simulated_whatever_is_reckoned_with(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "gaussian"\nsigma = 0.7\n')
    assert shell("simulate", recipe) == 0
    assert read_measurements(tmp_path / "data" / "train.h5").noise == {"name": "gaussian", "sigma": 0.1}
    assert shell("fit", recipe, "-o", tmp_path / "run") == 0
    sure, equivariance = (loss for _, loss in rebuild(tmp_path / "run")[0].loss.terms())
    assert sure.noise == equivariance.noise == Gaussian(0.7)


def test_unknown_levels_are_shared_after_rebuilding(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "unknown_noise"\nfirst_sigma = 0.3\n')
    assert shell("simulate", recipe) == 0
    assert shell("fit", recipe, "-o", tmp_path / "run") == 0
    (_, sure), (_, equivariance) = rebuild(tmp_path / "run")[0].loss.terms()
    assert isinstance(sure, SURE)
    assert isinstance(equivariance, Equivariance)
    assert isinstance(sure.noise, UnknownNoise)
    assert sure.noise is equivariance.noise


def test_an_estimate_is_made_once_and_written_into_the_run(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "from_detail"\naxes = [-2]\n')
    assert shell("simulate", recipe) == 0
    assert shell("fit", recipe, "-o", tmp_path / "run") == 0
    written = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())["noise"]
    assert written["name"] == "gaussian"
    assert 0.05 < written["sigma"] < 0.2
    assert written["sigma"] == float(f"{written['sigma']:.6g}"), "the same at every reading of the same measurements"
    assert f"noise found in the measurements: Gaussian(sigma={written['sigma']})" in shell.out


def test_no_simulation_with_an_unknown_level(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "unknown_noise"\nfirst_sigma = 0.3\n', "shrink = 1\n")
    assert "add [simulate.noise]" in shell.refused("simulate", recipe)
    assert not (tmp_path / "data").exists()


def test_an_estimate_that_finds_nothing_is_one_sentence(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "from_neighbours"\n', 'noise = { name = "noiseless" }\n')
    assert shell("simulate", recipe) == 0
    assert "expected" in shell.refused("fit", recipe, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_learned_is_logged(tmp_path: Path, shell: Shell) -> None:
    recipe = recipe_with(tmp_path, '[noise]\nname = "unknown_noise"\nfirst_sigma = 0.3\n')
    assert shell("simulate", recipe) == 0
    assert shell("fit", recipe, "-o", tmp_path / "run", "training.steps=6", "training.log_every=1") == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    levels = [line["SURE sigma"] for line in lines if "SURE sigma" in line]
    assert len(set(levels)) == 6
    assert 0 < max(abs(one - 0.3) for one in levels) < 0.1
