"""The script on unknown noise levels: the risk of runs in units of the noise, and the levels that they learned."""

from pathlib import Path

import pytest

import nullsight as ns
from experiments import unknown_level
from nullsight.schema import read_recipe
from tests.toy_recipes import Shell, write_recipe

GAUSSIAN = '[noise]\nname = "gaussian"\nsigma = 0.3\n'
UNKNOWN = '[simulate.noise]\nname = "gaussian"\nsigma = 0.3\n[noise]\nname = "unknown_noise"\nfirst_sigma = 0.5\n'
SURE = '[[loss]]\nname = "sure"\n'


def test_the_risk_of_returning_what_was_measured_is_that_of_the_noise(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    common = write_recipe(folder, loss="", name="common.toml")
    common.write_text(common.read_text() + GAUSSIAN)
    known = folder / f"{unknown_level.KNOWN}.toml"
    known.write_text('base = "common.toml"\n[reconstructor]\nname = "linear_inverse"\n')
    (folder / f"{unknown_level.LEARNED}.toml").write_text('base = "common.toml"\n' + UNKNOWN + SURE)
    assert shell("table", "toy", "training.steps=1") == 0, shell.err
    r, learned = unknown_level.main(folder, Path("runs/toy"))
    assert r == pytest.approx(1, abs=0.3)  # chi-squared over about 300 pixels
    assert 0 < learned != r
    found = unknown_level.levels(Path("runs/toy") / unknown_level.LEARNED)
    assert set(found) == {"sigma"} and found["sigma"] == pytest.approx(0.5, rel=0.1)
    assert f"levels found: sigma {found['sigma']:.4g}" in capsys.readouterr().out
    recipe = read_recipe(known)
    with pytest.raises(ns.InputError, match="expected a known noise"):
        unknown_level.risk(Path("runs/toy") / known.stem, recipe.model_copy(update={"noise": None}), folder)
