"""Files that were simulated with other settings than the recipe's are not used in silence."""

from dataclasses import replace
from pathlib import Path

import pytest

from nullsight.app.simulated_as import settings_of, simulated_noise
from nullsight.data import read_measurements, read_truth, write_measurements, write_truth
from nullsight.data.container import read_header
from nullsight.noise import Gaussian, Noiseless
from nullsight.schema import SimulateSection, parse_recipe
from tests.toy_recipes import INPAINTING, Shell, simulated, write_recipe

OTHERWISE = {
    "seed": (["simulate.seed=1"], "0 as seed in [simulate] and the recipe says 1"),
    "training images": (["simulate.train=[1, 7]"], "[0, 6] as range in [simulate]"),
    "test images": (["simulate.test=[5, 8]"], "test.h5"),
    "images": (["simulate.images=others.npy"], "'images.npy' as images"),
    "axes": (["simulate.axes=NCHW"], "None as axes"),
    "phase": (["simulate.phase=0.0"], "None as phase"),
    "operator": (["physics.mask.seed=2"], "as mask in [physics]"),
    "noise": (["noise.name=gaussian", "noise.sigma=0.1"], "'noiseless' as name in [noise]"),
    "noise of its own": (["simulate.noise={name='gaussian', sigma=0.1}"], "'noiseless' as name in [noise]"),
}


@pytest.mark.parametrize(("overrides", "words"), OTHERWISE.values(), ids=OTHERWISE)
def test_files_of_other_settings_are_refused(shell: Shell, tmp_path: Path, overrides: list[str], words: str) -> None:
    recipe = simulated(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for more in (("-o", "run"), ("--dry-run",)):
        sentence = shell.refused("fit", recipe, *more, *overrides)
        assert words in sentence and "--overwrite" in sentence, sentence
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    for path in (tmp_path / "data").iterdir():  # as an earlier version wrote them
        if "truth" in path.name:
            write_truth(path, replace(read_truth(path), simulated={}), overwrite=True)
        else:
            write_measurements(path, replace(read_measurements(path), simulated={}), overwrite=True)
    if "[physics]" not in words:  # what a file says of its operator was always compared
        assert shell("fit", recipe, "-o", "run", *overrides) == 0, "files that do not say how they were made are taken"


def test_what_is_simulated_anew_is_used(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    other = ("simulate.seed=3", "noise.name=gaussian", "noise.sigma=0.1")
    assert "as seed" in shell.refused("fit", recipe, "-o", "run", *other)
    assert shell("simulate", recipe, "--overwrite", *other) == 0
    assert shell("fit", recipe, "-o", "run", *other) == 0
    assert "as seed" in shell.refused("fit", recipe, "-o", "second")
    level = ("simulate.seed=3", "simulate.noise={name='gaussian', sigma=0.1}", "noise.name=gaussian", "noise.sigma=0.3")
    assert shell("fit", recipe, "-o", "third", *level) == 0, "what is reckoned with may be another noise"


@pytest.mark.parametrize("noise", [{"name": "unknown_noise", "first_sigma": 0.1}, {"name": "from_neighbours"}])
def test_noise_that_is_yet_to_be_found_is_not_compared(noise: dict[str, object]) -> None:
    found = {"noise": noise}
    assert simulated_noise(parse_recipe(found, "recipe"), Path()) is None
    own = {"simulate": {"images": "x.npy", "noise": {"name": "gaussian", "sigma": 0.1}}}
    assert simulated_noise(parse_recipe(found | own, "recipe"), Path()) == Gaussian(0.1)
    assert simulated_noise(parse_recipe({}, "recipe"), Path()) == Noiseless()


def test_a_table_is_not_made_from_files_of_other_settings(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    simulated(folder)
    assert "as seed" in shell.refused("table", "toy", "simulate.seed=1")
    assert not Path("runs").exists()


def test_headers_say_what_made_a_file_and_older_ones_nothing(tmp_path: Path) -> None:
    simulated(tmp_path)
    written = settings_of(SimulateSection(images="somewhere/images.npy"), (6, 9))
    y, x = tmp_path / "data" / "test.h5", tmp_path / "data" / "test_truth.h5"
    assert read_measurements(y).simulated == read_truth(x).simulated == written
    assert read_header(y)["simulated"] == written and "arrays" in read_header(y)
    assert read_header(tmp_path / "images.npy") == read_header(tmp_path / "nothing.h5") == {}
    damaged = tmp_path / "cut.h5"
    damaged.write_bytes(y.read_bytes()[:-200])
    assert read_header(damaged) == {}


def test_least_squares_around_the_operator_are_no_other_operator(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    inner = INPAINTING.partition("[group]")[0].replace("[physics]", "[physics.physics]")
    around = f'[physics]\nname = "least_squares"\n{inner}[group]\nname = "shifts"\n'
    assert shell("fit", write_recipe(tmp_path, around, name="around.toml"), "-o", "run") == 0, shell.err
    assert recipe.exists()
