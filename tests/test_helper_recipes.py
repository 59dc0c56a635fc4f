"""Helpers named in recipes: rows of a table, and options of evaluate and reconstruct; never used unasked."""

import json
from pathlib import Path

import numpy as np
import torch

import nullsight as ns
from nullsight.app.helpers import read_helpers, run_owners
from nullsight.schema import read_recipe
from tests.toy_recipes import CT, LOSS, Shell, simulated, write_recipe

AVERAGE = '[[helper]]\nname = "group_average"\ngroup = { name = "dihedral", n = 4 }\n'
SPLITS = '[[helper]]\nname = "split_average"\nsplit = { name = "random_entries", keep = 0.7 }\ncount = 2\n'
ALTERNATING = '[[helper]]\nname = "alternating"\nconstraint = { name = "non_negative" }\n'


def rows_of(path: str) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(Path(path).read_text())["methods"]}


def test_a_row_with_helpers_uses_the_run_of_the_row_without(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    write_recipe(folder, loss="", name="common.toml")
    (folder / "imaging.toml").write_text('base = "common.toml"\n' + LOSS)
    (folder / "helped_imaging.toml").write_text('base = "imaging.toml"\n' + AVERAGE + ALTERNATING)
    (folder / "splits_alone.toml").write_text('base = "common.toml"\nseed = 1\n' + SPLITS + LOSS)
    assert shell("table", "toy", "training.steps=1") == 0, shell.err
    rows = rows_of("results/toy.json")
    assert [rows[name]["helpers"] for name in ("imaging", "helped imaging", "splits alone")] == [
        [],
        ["group_average", "alternating"],
        ["split_average"],
    ]
    assert "the run of imaging, helped by group_average, alternating" in shell.out
    assert sorted(path.name for path in Path("runs/toy").iterdir()) == ["imaging", "splits_alone"]
    assert rows["helped imaging"]["psnr"] != rows["imaging"]["psnr"]
    assert rows["helped imaging"]["psnr_train_mean"] != rows["imaging"]["psnr_train_mean"]
    assert rows["helped imaging"]["minutes"] == rows["imaging"]["minutes"]
    assert rows["helped imaging"]["recipe"] == "toy/helped_imaging.toml"
    before = rows["imaging"]["psnr"]
    (folder / "misspelt.toml").write_text('base = "imaging.toml"\n[[helper]]\nname = "group_averag"\n')
    assert "group_average" in shell.refused("table", "toy", "training.steps=1")
    (folder / "misspelt.toml").unlink()
    assert shell("table", "toy", "training.steps=1") == 0 and rows_of("results/toy.json")["imaging"]["psnr"] == before


def test_evaluate_and_reconstruct_help_only_where_asked(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    assert shell("fit", recipe, "-o", "run") == 0, shell.err
    Path("helped.toml").write_text(AVERAGE)
    assert shell("evaluate", "run", "--helpers", "helped.toml", "-o", "scores.json") == 0, shell.err
    rows = rows_of("scores.json")
    assert rows["run"]["helpers"] == [] and rows["run with group_average"]["helpers"] == ["group_average"]
    for out, words in (("plain.npy", []), ("helped.npy", ["--helpers", "helped.toml"])):
        assert shell("reconstruct", "run", "data/test.h5", "-o", out, *words) == 0, shell.err
    run = ns.load("run")
    from_file = ns.reconstructors.GroupAverage(run.reconstructor, ns.groups.Dihedral(4))
    x = torch.from_numpy(np.load("images.npy"))[6:9].float()
    with torch.no_grad():
        wanted = from_file(run.physics.A(x), run.physics)
    assert torch.allclose(torch.from_numpy(np.load("helped.npy")), wanted, rtol=1e-4, atol=1e-6)
    assert not np.allclose(np.load("plain.npy"), np.load("helped.npy"), rtol=1e-3)
    assert "expected [[helper]] in" in shell.refused("evaluate", "run", "--helpers", recipe)
    Path("own.toml").write_text(AVERAGE + 'f = { name = "linear_inverse" }\n')
    assert "remove f" in shell.refused("evaluate", "run", "--helpers", "own.toml")


def test_helpers_take_the_recipes_group_and_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "helped.toml"
    path.write_text('[group]\nname = "quarter_turns"\n[[helper]]\nname = "group_average"\n' + ALTERNATING)
    found = read_helpers(path)
    assert found.names == ("group_average", "alternating")
    physics = ns.physics.Inpainting((1, 8, 8), torch.ones(8, 8))
    inner = ns.reconstructors.LinearInverse()
    outer = found.build(inner, physics)
    assert isinstance(outer, ns.reconstructors.Alternating) and outer.constraint == ns.constraints.NonNegative()
    assert isinstance(outer.f, ns.reconstructors.GroupAverage) and outer.f.f is inner
    assert isinstance(outer.f.group, ns.groups.QuarterTurns)


def test_which_row_is_trained(tmp_path: Path) -> None:
    texts = {"a_helped": AVERAGE, "b": "", "c": 'title = "c"\n' + SPLITS, "d": "seed = 1\n" + SPLITS, "e": ""}
    rows = {}
    for name, text in texts.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        rows[path] = read_recipe(path)
    owners = {path.stem: owner.stem for path, owner in run_owners(rows).items()}
    assert owners == {"a_helped": "b", "b": "b", "c": "b", "d": "d", "e": "e"}
    both = {path: recipe for path, recipe in rows.items() if recipe.helper}
    owners = {path.stem: owner.stem for path, owner in run_owners(both).items()}
    assert owners == {"a_helped": "a_helped", "c": "a_helped", "d": "d"}


def test_a_helper_can_be_trained_as_the_reconstructor(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    text = recipe.read_text() + (
        '[reconstructor]\nname = "group_average"\ngroup = { name = "reflections" }\nf = { name = "artifact_removal" }\n'
    )
    recipe.write_text(text.replace('name = "equivariance"', 'name = "splitting"\nsplit = { name = "random_blocks" }'))
    assert shell("fit", recipe, "-o", "run") == 0, shell.err
    again = ns.load("run").reconstructor
    assert isinstance(again, ns.reconstructors.GroupAverage)
    assert float(again.scale) == float(again.f.scale) != 1.0


CT_LOSSES = """
[[loss]]
name = "equivariant_splitting"
split = { name = "random_lines", keep = 0.7, axis = 1 }
residual = { name = "weighed_square" }
kept = 0.5
[[loss]]
name = "splitting"
split = { name = "random_lines" }
residual = { name = "through_dagger", error = { name = "l1" } }
"""


def test_splitting_losses_train_from_recipes(shell: Shell, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, CT, loss=CT_LOSSES)
    assert shell("simulate", recipe) == 0 and shell("fit", recipe, "-o", "run") == 0, shell.err
    kept = read_recipe(Path("run/recipe.toml"))
    assert kept.loss[0].arguments()["kept"] == 0.5
    assert kept.loss[1].arguments()["residual"] == {"name": "through_dagger", "error": {"name": "l1"}}
    losses = [line["EquivariantSplitting"] for line in ns.load("run").history if "EquivariantSplitting" in line]
    assert losses and np.isfinite(losses).all()
