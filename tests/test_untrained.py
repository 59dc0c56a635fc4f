"""Reconstructors without weights as rows of a table, as runs and straight from a recipe."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import nullsight as ns
from tests.toy_recipes import CT, INPAINTING, Shell, simulated, write_recipe

VARIATION = '[reconstructor]\nname = "total_variation"\niterations = 60\n'
LOSS = '[[loss]]\nname = "measurement_consistency"\n'
AROUND = '[physics]\nname = "{name}"\niterations = 3\n[physics.physics]\nname = "parallel_beam_ct"\n'


def recipes(folder: Path, physics: str, rows: dict[str, str]) -> None:
    folder.mkdir()
    write_recipe(folder, physics, loss="", name="common.toml")
    for name, text in rows.items():
        (folder / f"{name}.toml").write_text('base = "common.toml"\n' + text)


def test_rows_without_training_stand_beside_trained_ones(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "toy_own_half.py").write_text(
        "from nullsight.reconstructors import Reconstructor\n"
        "class Half(Reconstructor):\n"
        "    def _reconstruct(self, y, physics, start, draws):\n"
        "        return 0.5 * physics.A_dagger(y)\n"
    )
    shutil.copytree("rows", "kept")
    shutil.rmtree("rows")
    rows = {"total_variation": VARIATION, "network": LOSS, "half": '[reconstructor]\nname = "toy_own_half:Half"\n'}
    recipes(tmp_path / "rows", INPAINTING, {**rows, "linear": '[reconstructor]\nname = "linear_inverse"\n'})
    shutil.copy("kept/toy_own_half.py", "rows")
    assert shell("table", "rows") == 0, shell.err
    assert shell.out.count("has nothing to train") == 3
    result = json.loads(Path("results/rows.json").read_text())
    found = {row["name"]: row for row in result["methods"]}
    assert list(found) == ["half", "linear", "network", "total variation", "A_dagger y"]
    assert not any(row["uses_truth"] for row in found.values())
    assert found["linear"]["psnr"] == found["A_dagger y"]["psnr"]
    assert found["total variation"]["psnr_mean"] > found["linear"]["psnr_mean"] > found["half"]["psnr_mean"]
    assert found["total variation"]["recipe"] == "rows/total_variation.toml"
    assert found["total variation"]["seeds"] == [] and found["network"]["seeds"] == [0]
    assert found["total variation"]["psnr_train_mean"] is None and found["network"]["psnr_train_mean"] is not None
    assert found["total variation"]["minutes"] > 0
    assert not list(Path("runs/rows/total_variation").glob("checkpoints"))
    assert shell("table", "rows") == 0, shell.err
    again = {row["name"]: row for row in json.loads(Path("results/rows.json").read_text())["methods"]}
    assert all(again[name]["psnr"] == row["psnr"] for name, row in found.items())
    for command in ("report", "evaluate"):
        assert shell(command, "runs/rows/total_variation", "runs/rows/network") == 0, shell.err
    page = Path("runs/rows/total_variation/report.html").read_text(encoding="utf-8")
    assert "which learns nothing." in page and "trained from" not in page
    (tmp_path / "rows" / "total_variation.toml").write_text('base = "common.toml"\n' + VARIATION.replace("60", "50"))
    assert "reconstructor" in shell.refused("table", "rows")


def test_operators_with_their_own_inverse_are_scored_on_one_set(shell: Shell, tmp_path: Path) -> None:
    inside = "image_shape = [1, 12, 12]\nangles = 6\n"
    linear = '[reconstructor]\nname = "linear_inverse"\n'
    rows = {
        "fbp": linear,
        "a_least_squares": linear + AROUND.format(name="least_squares") + inside,
        "weighted": linear + AROUND.format(name="weighted_least_squares") + inside,
        "learned": LOSS + AROUND.format(name="least_squares") + inside,
    }
    recipes(tmp_path / "rows", CT, rows)
    (tmp_path / "rows" / "a_least_squares.toml").rename(tmp_path / "least.toml")
    assert shell("simulate", "rows/common.toml") == 0, shell.err
    (tmp_path / "least.toml").rename(tmp_path / "rows" / "a_least_squares.toml")
    assert shell("table", "rows") == 0, shell.err
    found = {row["name"]: row for row in json.loads(Path("results/rows.json").read_text())["methods"]}
    assert found["fbp"]["psnr"] == found["A_dagger y"]["psnr"], "the baseline is the operator's own"
    assert len({round(found[name]["psnr_mean"], 4) for name in ("fbp", "a least squares", "weighted")}) == 3
    y = ns.data.read_measurements(Path("rows/data/test.h5")).y
    truth = ns.data.read_truth(Path("rows/data/test_truth.h5")).x
    for name, kind in (("a least squares", ns.physics.LeastSquares), ("weighted", ns.physics.WeightedLeastSquares)):
        x = kind(ns.physics.ParallelBeamCT((1, 12, 12), 6), 3).A_dagger(y)
        error = (x - truth).square().mean((1, 2, 3))
        psnr = 10 * torch.log10(truth.amax((1, 2, 3)) ** 2 / error)
        assert found[name]["psnr"] == pytest.approx(psnr.tolist(), abs=1e-3)
    network = ns.load("runs/rows/learned")
    assert isinstance(network.physics, ns.physics.LeastSquares)
    assert shell("reconstruct", "runs/rows/learned", "rows/data/test.h5", "-o", "x.npy") == 0, shell.err
    np.testing.assert_allclose(np.load("x.npy"), network.reconstruct(y, network.physics).numpy(), atol=1e-5)
    (tmp_path / "rows" / "fbp.toml").write_text('base = "common.toml"\n' + linear + "[physics]\nangles = 7\n")
    shutil.rmtree("runs")
    assert "angles" in shell.refused("table", "rows")


def test_images_straight_from_a_recipe(shell: Shell, tmp_path: Path) -> None:
    simulated(tmp_path)
    Path("tv.toml").write_text('base = "recipe.toml"\nloss = []\n' + VARIATION)
    assert shell("reconstruct", "tv.toml", "data/train.h5", "-o", "bank.npy") == 0, shell.err
    file = ns.data.read_measurements(Path("data/train.h5"))
    physics = ns.physics.Inpainting((1, 12, 12), ns.physics.bernoulli_mask((12, 12), 0.7, seed=1))
    x = ns.reconstructors.TotalVariation(iterations=60)(file.y, physics)
    np.testing.assert_allclose(np.load("bank.npy"), x.numpy(), atol=1e-6)
    assert "free" in shell.refused("reconstruct", "tv.toml", "data/train.h5", "-o", "bank.npy")
    np.save("y.npy", file.y.numpy())
    assert shell("reconstruct", "tv.toml", "y.npy", "-o", "other.npy") == 0, shell.err
    np.testing.assert_array_equal(np.load("other.npy"), np.load("bank.npy"))


def test_what_needs_training_is_not_used_untrained(shell: Shell, tmp_path: Path) -> None:
    simulated(tmp_path)
    Path("none.toml").write_text('base = "recipe.toml"\nloss = []\n')
    Path("tv.toml").write_text('base = "recipe.toml"\nloss = []\n' + VARIATION)
    words = ("data/train.h5", "-o", "bank.npy")
    assert "nullsight fit recipe.toml" in shell.refused("reconstruct", "recipe.toml", *words)
    for refused in (shell.refused("reconstruct", "none.toml", *words), shell.refused("fit", "none.toml")):
        assert "[[loss]]" in refused and "ArtifactRemoval has weights" in refused
    for extra in ((), ("--dry-run",)):
        assert "TotalVariation has no weights" in shell.refused("fit", "tv.toml", *extra)
    assert not Path("bank.npy").exists() and not Path("runs").exists()
    assert "path" in shell.refused("reconstruct", "nowhere", *words)
