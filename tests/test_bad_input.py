"""What must not come in: one clear sentence, exit code 2, nothing lost and nothing half-written."""

import errno
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nullsight.data import MeasurementFile, write_measurements
from nullsight.storage import whole_file
from tests.toy_recipes import (
    CT,
    DATA,
    INPAINTING,
    LOSS,
    NETWORK,
    SIMULATE,
    TRAINING,
    Shell,
    images,
    simulated,
    write_recipe,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with measurement files and a trained run."""
    from nullsight.cli import main

    folder = tmp_path_factory.mktemp("made")
    recipe = simulated(folder)
    assert main(["fit", str(recipe), "-o", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


def contents(folder: Path = Path()) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


WRONG = {
    "misspelt in physics": ("physics.maks=1", ["maks", "mask"]),
    "misspelt in loss": ("loss.1.wieght=2", ["wieght"]),
    "misspelt in training": ("training.minuts=2", ["minuts", "minutes"]),
    "misspelt section": ("trainig.steps=2", ["trainig", "training"]),
    "unknown name": ("physics.name=inpaint", ["inpaint", "inpainting"]),
    "unknown optimiser": ("training.optimiser.name=sgd", ["sgd", "adam"]),
    "wrong type": ("network.width=wide", ["width", "wide"]),
    "wrong type in training": ("training.steps=many", ["training.steps", "many"]),
    "negative": ("training.batch_size=-2", ["batch_size"]),
    "no such file": ("data.measurements=none.h5", ["none.h5"]),
    "truth as measurements": ("data.measurements=data/train_truth.h5", ["train_truth.h5", "ground truth"]),
    "another geometry": ("physics.mask.seed=2", ["mask", "physics"]),
    "another size": ("physics.image_shape=[1, 6, 6]", ["mask"]),
    "variable not set": ("data.measurements=$NULLSIGHT_NO_DATA/y.h5", ["NULLSIGHT_NO_DATA"]),
    "no loss": ("loss=[]", ["[[loss]]"]),
    "two budgets": ("training={steps=1, minutes=1}", ["minutes and steps"]),
    "patience without held out": ("training.patience=2", ["held-out"]),
    "all held out of two": ("data.held_out=1.0", ["held_out"]),
    "own part not there": ("network.name=no_such_file:Network", ["no_such_file"]),
    "other test truth": ("data.test_truth=data/train_truth.h5", ["truth"]),
    "precision": ("training.precision=half", ["precision"]),
}


@pytest.mark.parametrize(("override", "words"), WRONG.values(), ids=WRONG)
def test_wrong_recipe_makes_no_run_folder(shell: Shell, override: str, words: list[str]) -> None:
    before = contents()
    for more in ((), ("--dry-run",)):
        sentence = shell.refused("fit", "recipe.toml", "-o", "new", override, *more)
        assert all(word in sentence for word in words), sentence
    shell.refused("fit", "recipe.toml", override)
    assert contents() == before and not Path("new").exists()
    assert not Path("runs").exists() or not any(Path("runs").iterdir())


@pytest.mark.parametrize(
    "override",
    ["data.measurements=lost.h5", "data.test_truth=lost.h5", "data.test_measurements=lost.npy", "data.groups=lost.txt",
     "physics.mask=lost.npy", "simulate.images=lost.npy"],
)  # fmt: skip
def test_a_missing_file_is_named_as_found_from_the_recipes_folder(shell: Shell, tmp_path: Path, override: str) -> None:
    command = "simulate" if "simulate" in override else "fit"
    more = ("--overwrite",) if command == "simulate" else ("data.held_out=0.5",)
    name = str(tmp_path / override.rpartition("=")[2])
    for recipe in ("recipe.toml", tmp_path / "recipe.toml", Path("run", "..", "recipe.toml")):
        assert f" {name}" in shell.refused(command, recipe, override, *more)


def test_loss_that_needs_truth_without_it(shell: Shell, tmp_path: Path) -> None:
    data = '[data]\nmeasurements = "data/train.h5"\n'
    recipe = write_recipe(tmp_path, data=data, loss='[[loss]]\nname = "supervised"\n', name="s.toml")
    assert "truth" in shell.refused("fit", recipe, "-o", "new")
    assert "ground truth" in shell.refused("fit", recipe, "-o", "new", "data.truth=data/train.h5")
    assert not Path("new").exists()


def test_existing_run_is_not_touched(shell: Shell) -> None:
    before = contents()
    assert "holds a run" in shell.refused("fit", "recipe.toml", "-o", "run")
    assert "exists" in shell.refused("simulate", "recipe.toml")
    assert "exists" in shell.refused("reconstruct", "run", "data/test.h5", "-o", "images.npy")
    assert contents() == before


def arrays() -> dict[str, np.ndarray]:
    y = images(3).numpy()
    holes = y.copy()
    holes[1, 0, 2, 2] = np.nan
    endless = y.copy()
    endless[2, 0, 0, 0] = np.inf
    return {"one image": y[0, 0], "another size": y[..., :-1], "NaN": holes, "infinite": endless, "none": y[:0],
            "text": np.array(["a", "b"]), "objects": np.array([None, {}], dtype=object)}  # fmt: skip


@pytest.mark.parametrize("name", arrays())
def test_measurements_that_do_not_fit(shell: Shell, name: str) -> None:
    np.save("y.npy", arrays()[name])
    shell.refused("fit", "recipe.toml", "-o", "new", "data.measurements=y.npy")
    shell.refused("reconstruct", "run", "y.npy", "-o", "x.npy")
    shell.refused("evaluate", "run", "--measurements", "y.npy")
    assert not Path("new").exists() and not Path("x.npy").exists()


@pytest.mark.parametrize(
    "name", ["empty.npy", "empty.h5", "empty.npz", "empty.png", "noise.npy", "noise.h5", "cut.h5", "x.txt"]
)
def test_files_that_cannot_be_read(shell: Shell, name: str) -> None:
    content = {
        "empty": b"",
        "noise": bytes(range(256)) * 8,
        "cut": Path("data/test.h5").read_bytes()[:-100],
        "x": b"1 2",
    }
    Path(name).write_bytes(content[Path(name).stem])
    assert name in shell.refused("fit", "recipe.toml", "-o", "new", f"data.measurements={name}")
    assert name in shell.refused("reconstruct", "run", name, "-o", "x.npy")
    assert not Path("new").exists() and not Path("x.npy").exists()


def test_container_of_another_geometry(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    recipe = simulated(tmp_path / "ct", CT)
    sentence = shell.refused("fit", recipe, "physics.angles=7", "-o", "new")
    assert "angles" in sentence and "[physics]" in sentence
    assert not Path("new").exists()


def test_container_with_measurements_that_its_physics_does_not_make(shell: Shell) -> None:
    written = {"name": "inpainting", "image_shape": [1, 12, 12], "mask": {"array": "m"}}
    file = MeasurementFile(torch.ones(2, 1, 12, 11), written, arrays={"m": torch.ones(12, 12)})
    write_measurements("y.h5", file)
    assert "shape" in shell.refused("reconstruct", "run", "y.h5", "-o", "x.npy")


@pytest.mark.parametrize("file", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("damage", ["cut", "empty", "pickle", "gone"])
def test_damaged_checkpoint(shell: Shell, file: str, damage: str) -> None:
    [path] = Path("run/checkpoints").rglob(file)
    content = path.read_bytes()
    new = {"cut": content[: len(content) // 2], "empty": b"", "pickle": pickle.dumps({"a": os.system}), "gone": b""}[
        damage
    ]
    path.write_bytes(new)
    if damage == "gone":
        path.unlink()
    if file == "weights.safetensors":
        shell.refused("reconstruct", "run", "data/test.h5", "-o", "x.npy")
        assert not Path("x.npy").exists()
    before = contents(Path("run"))
    shell.refused("fit", "--resume", "run", "training.steps=4")
    assert contents(Path("run")) == before, "nothing is lost by trying"


@pytest.mark.parametrize("file", ["recipe.toml", "about.json", "plan.json", "arrays.safetensors"])
def test_damaged_run_folder(shell: Shell, file: str) -> None:
    (Path("run") / file).write_bytes(b"\xff{")
    shell.refused("fit", "--resume", "run", "training.steps=4")
    shell.refused("report", "run")
    assert not Path("run/report.html").exists()


def test_no_run_there(shell: Shell) -> None:
    Path("empty").mkdir()
    for words in (("reconstruct", "empty", "data/test.h5", "-o", "x.npy"), ("evaluate", "empty"), ("report", "none"),
                  ("fit", "--resume", "none"),
                  ("fit", "recipe.toml", "--start-from", "none", "-o", "new")):  # fmt: skip
        shell.refused(*words)
    assert not Path("new").exists() and "twice" in shell.refused("evaluate", "run", "run")


def test_changed_measurements_are_not_trained_on(shell: Shell) -> None:
    assert shell("fit", "recipe.toml", "-o", "new") == 0
    assert shell("simulate", "recipe.toml", "simulate.train=[1, 7]", "--overwrite") == 0
    assert "has changed" in shell.refused("fit", "--resume", "new", "training.steps=4")


def test_full_disk(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = contents()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ValueError, match="full"), whole_file(Path("probe")) as file:
        file.write(b"1")
    assert "full" in shell.refused("fit", "recipe.toml", "-o", "new")
    assert "full" in shell.refused("simulate", "recipe.toml", "--overwrite")
    assert "full" in shell.refused("reconstruct", "run", "data/test.h5", "-o", "x.npy")
    assert "full" in shell.refused("report", "run")
    assert "full" in shell.refused("evaluate", "run", "-o", "r.json")
    assert contents() == before and not Path("new").exists()


@pytest.mark.parametrize(
    "words",
    [("fit",), ("nonsense",), ("fit", "recipe.toml", "--no-such-flag"), ("reconstruct", "run"),
     ("fit", "recipe.toml", "x"),
     ("report",), ("fit", "recipe.toml", "--training.steps"), ("table", "none")],
)  # fmt: skip
def test_wrong_words_on_the_command_line(shell: Shell, words: tuple[str, ...]) -> None:
    shell.refused(*words)


def test_simulate_without_its_sections(shell: Shell) -> None:
    for name, text in {
        "no images": DATA + INPAINTING,
        "no physics": DATA + SIMULATE,
        "no places": SIMULATE + INPAINTING,
    }.items():
        Path("other.toml").write_text(text + NETWORK + LOSS + TRAINING)
        assert "expected" in shell.refused("simulate", "other.toml", "--overwrite"), name
    shell.refused("simulate", "recipe.toml", "simulate.train=[4, 99]", "--overwrite")
    shell.refused("simulate", "recipe.toml", "physics.image_shape=[1, 12, 11]", "--overwrite")
