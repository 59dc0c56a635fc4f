"""The command line from recipe to report, and what it says of itself."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import nullsight as ns
from nullsight import __version__
from nullsight.data import read_images, to_png
from nullsight.training.metrics_file import read_metrics
from tests.toy_recipes import CT, DATA, INPAINTING, LOSS, NETWORK, TRAINING, Shell, images, simulated, write_recipe

COMMANDS = ("demo", "simulate", "check", "diagnose", "fit", "reconstruct", "evaluate", "select", "report", "table")


def test_help_names_every_command_and_version_is_said(shell: Shell) -> None:
    assert shell("--help") == 0
    assert all(re.search(rf"^\W*{name}\b", shell.out, re.MULTILINE) for name in COMMANDS), shell.out
    assert shell("--version") == 0 and shell.out.strip() == __version__
    assert shell("fit", "--help") == 0 and "--dry-run" in shell.out


def test_help_needs_no_torch() -> None:
    code = "import sys, nullsight.cli; assert nullsight.cli.main(['--help']) == 0; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize("physics", [INPAINTING, CT], ids=["inpainting", "ct"])
def test_from_recipe_to_report(shell: Shell, tmp_path: Path, physics: str) -> None:
    recipe = write_recipe(tmp_path, physics)
    assert shell("simulate", recipe) == 0 and shell.out.count("wrote") == 4
    assert shell("check", recipe) == 0 and "checks passed" in shell.out
    assert "no bound is stated" in shell.out and "inf" not in shell.out
    assert shell("fit", recipe, "--out", "runs/toy", "training.steps=3", "--training.averaging", "0.9") == 0
    first, done, *_ = shell.out.splitlines()
    assert first.endswith(": runs/toy/recipe.toml") and done.startswith("trained 3 steps"), "the recipe is not printed"
    saved = tomllib.loads(Path("runs/toy/recipe.toml").read_text())
    assert (saved["training"]["averaging"], saved["training"]["steps"]) == (0.9, 3)
    assert saved["reconstructor"]["network"]["channels"] == 1, "what was not written is there"

    assert shell("reconstruct", "runs/toy", "data/test.h5", "-o", "images.npz") == 0
    assert np.load("images.npz")["images"].shape == (3, 1, 12, 12)
    assert shell("evaluate", "runs/toy", "--out", "result.json") == 0
    assert shell.out.count("A_dagger y") == 4 and "data range = peak of each reference" in shell.out
    assert re.search(r"^6 +toy +\d+\.\d\d", shell.out, re.MULTILINE), "every image has a line"
    [ours, dagger] = json.loads(Path("result.json").read_text())["methods"]
    assert (ours["name"], ours["uses_truth"], len(ours["psnr"])) == ("toy", False, 3)
    assert ours["psnr_train_mean"] is not None and dagger["name"] == "A_dagger y"
    assert shell("report", "runs/toy") == 0
    page = Path("runs/toy/report.html").read_text()
    assert "A_dagger y" in page and "<html" in page


def test_run_folder_says_where_it_comes_from_and_may_be_moved(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    assert shell("fit", recipe, "-o", "runs/toy") == 0
    about = json.loads(Path("runs/toy/about.json").read_text())
    assert about["nullsight"] == __version__ and about["torch"] == torch.__version__
    assert set(about["sources"]) == {str(tmp_path / "data" / f"{n}.h5") for n in ("train", "test", "test_truth")}
    assert all(len(digest) == 64 for digest in about["sources"].values())
    assert {p.name for p in Path("runs/toy").iterdir()} == {
        "recipe.toml", "arrays.safetensors", "about.json", "metrics.jsonl", "plan.json", "checkpoints",
    }  # fmt: skip
    assert shell("reconstruct", "runs/toy", "data/test.h5", "-o", "before.npy") == 0
    shutil.move("runs/toy", "elsewhere")
    shutil.rmtree("runs")
    recipe.unlink()
    assert shell("reconstruct", "elsewhere", "data/test.h5", "-o", "after.npy") == 0
    assert np.array_equal(np.load("before.npy"), np.load("after.npy"))
    assert shell("fit", "--resume", "elsewhere", "training.steps=3") == 0
    assert shell("report", "elsewhere", "-o", "page.html") == 0 and Path("page.html").exists()


def test_run_is_named_after_its_recipe(shell: Shell, tmp_path: Path) -> None:
    assert shell("fit", simulated(tmp_path)) == 0
    [folder] = Path("runs").iterdir()
    assert folder.name.startswith("recipe-")


def test_finished_run_is_lengthened(shell: Shell, tmp_path: Path) -> None:
    assert shell("fit", simulated(tmp_path), "-o", "run") == 0
    assert shell("fit", "--resume", "run", "training.steps=4") == 0 and "trained 4 steps in" in shell.out
    assert shell("fit", "recipe.toml", "-o", "one", "training.steps=1") == 0 and "trained 1 step in" in shell.out
    assert tomllib.loads(Path("run/recipe.toml").read_text())["training"]["steps"] == 4
    assert [line["step"] for line in read_metrics(Path("run")) if "total" in line] == [1, 2, 3, 4]
    recipe = Path("run/recipe.toml").read_bytes()
    assert "above the 4 steps" in shell.refused("fit", "--resume", "run", "training.steps=2")
    for override in ("loss.0.weight=3", "seed=1", "training.batch_size=3", "network.width=8"):
        assert override in shell.refused("fit", "--resume", "run", override)
    assert Path("run/recipe.toml").read_bytes() == recipe
    assert shell("fit", "--resume", "run") == 0, "a finished run is finished again"


def test_run_starts_from_anothers_weights(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    assert shell("fit", recipe, "-o", "first", "training.steps=5") == 0
    rate = "training.optimiser={name='adam', learning_rate=1e-12}"
    assert shell("fit", recipe, "-o", "second", "--start-from", "first", rate, "training.steps=1") == 0
    first, second = (dict(ns.load(name).reconstructor.named_parameters()) for name in ("first", "second"))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=1e-6)


def test_dry_run_estimates_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert shell("fit", recipe, "--dry-run", "training.steps=1000") == 0
    assert "getting ready with all" in shell.out, "which may take minutes"
    assert "1000 steps, in all" in shell.out and "an epoch of 3 steps" in shell.out
    assert "GiB" in shell.out and "nothing was written" in shell.out
    assert shell("fit", recipe, "--dry-run", "training.epochs=2", "data.held_out=0.5") == 0
    assert "2 epochs are 4 steps" in shell.out
    assert sorted(tmp_path.rglob("*")) == before


def test_held_out_measurements_are_scored(shell: Shell, tmp_path: Path) -> None:
    assert shell("fit", simulated(tmp_path), "-o", "run", "data.held_out=0.34") == 0
    scored = [line for line in read_metrics(Path("run")) if "held_out/total" in line]
    assert scored and {"held_out/MeasurementConsistency", "held_out/Equivariance"} <= scored[0].keys()
    assert shell("report", "run") == 0


def test_plain_arrays_and_folders_of_pictures(shell: Shell, tmp_path: Path) -> None:
    data = '[data]\nmeasurements = "masked"\n'
    recipe = write_recipe(tmp_path, data=data)
    mask = ns.physics.bernoulli_mask((12, 12), 0.7, seed=1)
    (tmp_path / "masked").mkdir()
    for i, image in enumerate(images(4)):
        seen = torch.where(mask, image, torch.ones_like(image))  # white where a pixel is missing
        (tmp_path / "masked" / f"scan{i}.png").write_bytes(to_png(seen, (0.0, 1.0)))
    assert shell("fit", recipe, "-o", "pictures") == 0
    assert shell("reconstruct", "pictures", "masked", "-o", "filled") == 0
    assert sorted(p.name for p in Path("filled").iterdir()) == [f"scan{i}.png" for i in range(4)]
    assert shell("evaluate", "pictures") == 0 and "PSNR" not in shell.out and "scan0.png" in shell.out
    dagger = re.search(r"^A_dagger y.*residual ([\d.]+)", shell.out, re.MULTILINE)
    assert dagger is not None and float(dagger[1]) == 0, "missing pixels are zero, whatever colour they had"

    y = torch.where(mask, images(4), torch.zeros(()))[:, 0].numpy()  # no channel axis
    np.save("y.npy", y)
    assert shell("fit", recipe, "-o", "arrays", "data.measurements=y.npy") == 0
    assert shell("reconstruct", "arrays", "y.npy", "-o", "x.h5") == 0
    assert read_images("x.h5", key="images").values.shape == (4, 1, 12, 12)

    np.savez("several.npz", y=y, mask=mask.numpy())
    named = ("data.measurements=several.npz", "data.key=y", "data.axes=NHW")
    assert shell("fit", recipe, "-o", "keyed", *named) == 0
    for other in ("y.npy", "several.npz", "masked"):  # what was said of one file does not stand in the way of others
        assert shell("reconstruct", "keyed", other, "-o", f"from_{Path(other).stem}.h5") == 0, shell.err


def test_trained_f_runs_on_other_masks_angles_and_sizes(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path, CT)
    assert shell("fit", recipe, "-o", "run") == 0
    other = [
        "physics.angles=9",
        "physics.image_shape=[1, 16, 14]",
        "data.measurements=other.h5",
        "data.truth=other_x.h5",
    ]
    np.save("images.npy", torch.nn.functional.pad(images(3), (1, 1, 2, 2)).numpy())
    rest = ["simulate.train=[0, 3]", "simulate.test=[0, 1]", "data.test_measurements=a.h5", "data.test_truth=b.h5"]
    assert shell("simulate", recipe, *other, *rest) == 0, shell.err
    assert shell("reconstruct", "run", "other.h5", "-o", "other.npy") == 0, shell.err
    assert np.load("other.npy").shape == (3, 1, 16, 14)
    assert shell("evaluate", "run", "--measurements", "other.h5", "--truth", "other_x.h5") == 0 and "PSNR" in shell.out

    physics = ns.physics.ParallelBeamCT((1, 12, 12), 4)
    np.save("four.npy", physics.A(images(2)).numpy())
    assert "shape" in shell.refused("reconstruct", "run", "four.npy", "-o", "no.npy")
    Path("four.toml").write_text(CT.replace("angles = 6", "angles = 4"))
    assert shell("reconstruct", "run", "four.npy", "-o", "four_x.npy", "--physics", "four.toml") == 0
    assert np.load("four_x.npy").shape == (2, 1, 12, 12)


def test_supervised_run_takes_truth(shell: Shell, tmp_path: Path) -> None:
    simulated(tmp_path)
    recipe = write_recipe(tmp_path, loss='[[loss]]\nname = "supervised"\n')
    assert shell("fit", recipe, "-o", "run", "data.held_out=0.34") == 0
    assert str(tmp_path / "data" / "train_truth.h5") in json.loads(Path("run/about.json").read_text())["sources"]
    assert shell("evaluate", "run", "-o", "r.json") == 0
    assert json.loads(Path("r.json").read_text())["methods"][0]["uses_truth"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_says_how_to_go_on_and_goes_on(shell: Shell, tmp_path: Path, number: signal.Signals) -> None:
    recipe = simulated(tmp_path)
    command = [sys.executable, "-m", "nullsight.cli", "fit", str(recipe), "-o", "run", "training.steps=100000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "training.log_every=5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    metrics = Path("run/metrics.jsonl")
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "nullsight fit --resume run" in out and "Traceback" not in err
    step = int(re.search(r"interrupted at step (\d+)", out)[1])  # type: ignore[index]
    assert shell("fit", "--resume", "run", f"training.steps={step + 2}") == 0
    assert f"trained {step + 2} steps" in shell.out


def test_debug_shows_where(shell: Shell, tmp_path: Path) -> None:
    shell.refused("fit", tmp_path / "none.toml")
    with pytest.raises(ns.InputError):
        shell("fit", tmp_path / "none.toml", "--debug")


TABLE = {"measurement_consistency": LOSS.split("[[loss]]\nname = \"eq")[0], "equivariant_imaging": LOSS,
         "supervised": '[[loss]]\nname = "supervised"\n'}  # fmt: skip


def test_table_trains_scores_and_goes_on(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "toy_table"
    folder.mkdir()
    write_recipe(folder, loss="", name="common.toml")
    for name, loss in TABLE.items():
        (folder / f"{name}.toml").write_text('base = "common.toml"\n' + loss)
    assert shell("table", "toy_table", "training.steps=1") == 0, shell.err
    result = json.loads(Path("results/toy_table.json").read_text())
    rows = {row["name"]: row for row in result["methods"]}
    assert list(rows) == ["equivariant imaging", "measurement consistency", "supervised", "A_dagger y"]
    assert [rows[name]["uses_truth"] for name in rows] == [False, False, True, False]
    assert rows["supervised"]["recipe"] == "toy_table/supervised.toml"
    assert all(rows[name]["psnr_train_mean"] is not None for name in rows if name != "A_dagger y")
    assert result["command"] == "nullsight table toy_table training.steps=1" and result["test_images"] == 3
    assert "over measurement consistency" in shell.out
    made = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*.safetensors")}
    shutil.rmtree("runs/toy_table/supervised/checkpoints")  # as if killed while the first one was written
    Path("runs/toy_table/supervised/checkpoints/.writing-step-000000001").mkdir(parents=True)
    about = Path("runs/toy_table/equivariant_imaging/about.json")
    about.write_text(json.dumps({**json.loads(about.read_text()), "commit": "0ld", "date": "2001-02-03T04:05:06"}))
    assert shell("table", "toy_table", "training.steps=1") == 0 and shell.out.count("is finished") == 2
    again = json.loads(Path("results/toy_table.json").read_text())
    assert [row["psnr"] for row in again["methods"]] == [row["psnr"] for row in result["methods"]]
    made_by = [(row.get("commit"), row.get("date")) for row in again["methods"]]
    assert made_by == [("0ld", "2001-02-03"), *[(None, None)] * 3]  # of its training, not of its scoring
    assert all(p.stat().st_mtime_ns == when for p, when in made.items() if "supervised" not in str(p))
    assert "training.steps" in shell.refused("table", "toy_table", "training.steps=2")
    (folder / "other.toml").write_text('base = "common.toml"\n' + LOSS)
    assert shell("table", "toy_table", "training.steps=1", "--only", "other") == 0, shell.err
    assert "finished" not in shell.out and {path.name for path in Path("runs/toy_table").iterdir()} == {*TABLE, "other"}
    more = json.loads(Path("results/toy_table.json").read_text())
    assert [row["name"] for row in more["methods"]] == [*rows, "other"]
    assert [row["psnr"] for row in more["methods"][:4]] == [row["psnr"] for row in result["methods"]]
    assert "did you mean 'other'" in shell.refused("table", "toy_table", "training.steps=1", "--only", "othre")
    assert "recipes" in shell.refused("table", "runs")
    Path("results/toy_table.json").write_text(json.dumps({**more, "machine": "another"}))
    shutil.rmtree("runs/toy_table/other")
    assert "the same machine" in shell.refused("table", "toy_table", "training.steps=1", "--only", "other")
    assert not Path("runs/toy_table/other").exists()  # nothing is trained that could not be written down


def test_recipe_without_parts_takes_defaults(shell: Shell, tmp_path: Path) -> None:
    simulated(tmp_path)
    other = tmp_path / "short.toml"
    other.write_text(DATA + LOSS.split('[[loss]]\nname = "eq')[0] + NETWORK + TRAINING)
    assert shell("fit", other, "-o", "run") == 0, "the container says its physics"
    assert ns.load("run").physics.measurement_shape == (1, 12, 12)
