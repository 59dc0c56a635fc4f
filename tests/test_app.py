"""The Python face: fit, load, evaluate, and the way between Python and the command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nullsight as ns
from nullsight.app import fit
from nullsight.app.prepare import prepare
from nullsight.data import MeasurementFile, MeasurementSet, TruthFile, TruthSet, write_measurements, write_truth
from nullsight.losses.base import Loss
from nullsight.recipe import load_recipe
from nullsight.schema import read_recipe
from nullsight.training import Interrupted, Settings, Silent
from nullsight.types import InputError
from tests.toy_recipes import NETWORK, TRAINING, Shell, images, simulated

SHAPE = (1, 12, 12)


class Gain(nn.Module):
    """A network of one's own with weights."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.start = start
        self.gain = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


class Forgetful(nn.Module):
    """Keeps another number than it was given."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 2 * width + 1, padding=width)
        self.width = 3 * width

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def network() -> nn.Module:
    return ns.networks.UNet(channels=1, width=4, depth=2, seed=0)


def inpainting() -> ns.physics.Inpainting:
    return ns.physics.Inpainting(SHAPE, ns.physics.bernoulli_mask((12, 12), 0.7, seed=0))


def loss() -> Loss:
    group = ns.groups.Shifts((12, 12))
    return ns.losses.MeasurementConsistency() + ns.losses.Ramp(0, 2, end=0.5) * ns.losses.Equivariance(group)


def test_the_face_as_the_design_writes_it(tmp_path: Path) -> None:
    physics = ns.physics.ParallelBeamCT(image_shape=SHAPE, angles=ns.physics.equispaced(7))
    group = ns.groups.Rotations(360)
    measurements = physics.A(images(5))
    f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(channels=1, width=4, depth=2, seed=0))
    objective = ns.losses.MeasurementConsistency() + 100 * ns.losses.Equivariance(group)
    run = ns.fit(f, measurements, physics, objective, steps=2, out=str(tmp_path / "runs" / "ct"), seed=0)
    again = ns.load(str(tmp_path / "runs" / "ct"))
    assert again.finished and again.step == 2
    torch.testing.assert_close(again.reconstruct(measurements), run.reconstruct(measurements), rtol=0, atol=0)
    found = ns.evaluate(run.reconstruct, MeasurementSet(measurements, physics), TruthSet(images(5)))
    assert {"psnr", "ssim", "nmse", "residual"} == set(found.metrics)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (ns.reconstructors.NullSpace(network(), iterations=2), inpainting()),
        lambda: (ns.reconstructors.ArtifactRemoval(Gain(0.3)), inpainting()),
        lambda: (
            ns.reconstructors.UnrolledUntied(ns.networks.copies(ns.networks.DnCNN(1, 4, 3, seed=1), 2)),
            ns.physics.MatrixOperator(SHAPE, ns.physics.gaussian_matrix(40, 144, seed=0)),
        ),
    ],
)
def test_run_made_from_python_is_rebuilt(tmp_path: Path, make: Callable[[], tuple[Any, ns.physics.Physics]]) -> None:
    f, physics = make()
    y = physics.A(images(4))
    run = fit(f, y, physics, loss(), steps=1, out=tmp_path / "run", display=Silent())
    again = ns.load(tmp_path / "run")
    torch.testing.assert_close(again.reconstruct(y), run.reconstruct(y), rtol=0, atol=0)
    recipe, _ = load_recipe(tmp_path / "run")
    assert [part.name for part in recipe.loss] == ["measurement_consistency", "equivariance"]
    assert recipe.loss[1].weight == pytest.approx(2) or recipe.loss[1].weight.stop == 2


def test_scaled_ramp_is_still_written_down(tmp_path: Path) -> None:
    physics = inpainting()
    fit(network_f(), physics.A(images(3)), physics, 10 * loss(), steps=1, out=tmp_path / "run", display=Silent())
    recipe, _ = load_recipe(tmp_path / "run")
    assert recipe.loss[0].weight == 10 and recipe.loss[1].weight.stop == 20


def network_f() -> ns.reconstructors.Reconstructor:
    return ns.reconstructors.ArtifactRemoval(network())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: {"f": ns.reconstructors.ArtifactRemoval(Forgetful())}, "other weights"),
        (lambda: {"f": ns.reconstructors.ArtifactRemoval(nn.Conv2d(1, 1, 3, padding=1))}, "class of your own"),
        (lambda: {"loss": ns.losses.MeasurementConsistency(lambda a, b: (a - b).abs())}, "cannot be imported again"),
        (lambda: {"loss": (lambda p: 1.0) * ns.losses.MeasurementConsistency()}, "numbers or ramps"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_before_training(
    tmp_path: Path, change: Callable[[], dict[str, object]], words: str
) -> None:
    physics = inpainting()
    parts = {"f": network_f(), "loss": loss(), **change()}
    y = physics.A(images(3))
    with pytest.raises(ns.InputError, match=words):
        fit(parts["f"], y, physics, parts["loss"], steps=1, out=tmp_path / "run", display=Silent())
    assert not (tmp_path / "run").exists(), "nothing half-written"
    run = fit(parts["f"], y, physics, parts["loss"], steps=1, display=Silent())
    assert run.step == 1, "without a folder anything may be trained"


def test_part_in_a_script_is_refused_with_a_sentence(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, nullsight as ns\n"
        "class Mine(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return 0 * x\n"
        "physics = ns.physics.Inpainting((1, 4, 4), torch.ones(4, 4))\n"
        "f = ns.reconstructors.ArtifactRemoval(Mine())\n"
        "ns.fit(f, torch.ones(2, 1, 4, 4), physics, ns.losses.MeasurementConsistency(), steps=1, out='run')\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "Mine of __main__ cannot be imported again" in done.stderr
    assert not (tmp_path / "run").exists()


def test_own_part_beside_the_recipe_travels_with_the_run(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "toy_own_network.py").write_text(
        "import torch\n"
        "class Half(torch.nn.Module):\n"
        "    def __init__(self, start: float) -> None:\n"
        "        super().__init__()\n"
        "        self.start = start\n"
        "        self.gain = torch.nn.Parameter(torch.tensor(start))\n"
        "    def forward(self, x):\n"
        "        return self.gain * x\n"
    )
    physics = inpainting()
    np.save(tmp_path / "mask.npy", physics.mask[0].numpy())
    np.save(tmp_path / "y.npy", physics.A(images(3)).numpy())
    (tmp_path / "recipe.toml").write_text(
        '[data]\nmeasurements = "y.npy"\n[physics]\nname = "inpainting"\nimage_shape = [1, 12, 12]\nmask = "mask.npy"\n'
        '[network]\nname = "toy_own_network:Half"\nstart = 0.25\n[[loss]]\nname = "measurement_consistency"\n'
        + TRAINING
    )
    try:
        assert shell("fit", "recipe.toml", "-o", "elsewhere/run") == 0, shell.err
        (tmp_path / "toy_own_network.py").unlink()
        (tmp_path / "mask.npy").unlink()
        sys.modules.pop("toy_own_network")
        assert shell("reconstruct", "elsewhere/run", "y.npy", "-o", "x.npy") == 0, shell.err
    finally:
        sys.modules.pop("toy_own_network", None)
        sys.path[:] = [one for one in sys.path if not one.startswith(str(tmp_path))]


def test_python_run_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    physics = inpainting()
    y = physics.A(images(4))
    run = ns.fit(network_f(), y, physics, loss(), steps=2, out="run", display=Silent())
    np.save("new.npy", y.numpy())
    np.save("x.npy", images(4).numpy())
    assert shell("reconstruct", "run", "new.npy", "-o", "images.npy") == 0
    np.testing.assert_array_equal(np.load("images.npy"), run.reconstruct(y).numpy())
    for command in ("report", "evaluate"):
        assert "--measurements" in shell.refused(command, "run")
        assert shell(command, "run", "--measurements", "new.npy", "--truth", "x.npy") == 0, shell.err
    page = Path("run/report.html").read_text()
    assert page.count("<dt>action_error</dt><dd>0 (Shifts)</dd>") == 1, "that of the loss: no section names a group"
    assert "data.measurements" in shell.refused("fit", "--resume", "run")
    assert shell("fit", "--resume", "run", "training.steps=3", "data.measurements=new.npy") == 0, shell.err
    np.save("other.npy", (y + 1).numpy())
    assert "measurements" in shell.refused("fit", "--resume", "run", "training.steps=4", "data.measurements=other.npy")


class Stop:
    """An observer that interrupts."""

    def __call__(self, step: int, reconstruct: object) -> dict[str, float]:
        import signal

        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return {}


def test_interrupted_python_run_goes_on(tmp_path: Path) -> None:
    physics = inpainting()
    y = physics.A(images(4))
    settings, quiet, folder = Settings(steps=4, evaluate_every=1, seed=3), Silent(), tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        fit(
            network_f(),
            y,
            physics,
            loss(),
            settings=settings,
            out=folder,
            observers=[Stop()],
            display=quiet,
        )
    assert caught.value.run.step == 2
    other = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(channels=1, width=8, depth=2, seed=0))
    with pytest.raises(ns.InputError, match="reconstructor"):
        fit(other, y, physics, loss(), settings=settings, out=folder, resume=True, display=quiet)
    resumed = fit(network_f(), y, physics, loss(), settings=settings, out=folder, resume=True, display=quiet)
    whole = fit(network_f(), y, physics, loss(), settings=settings, out=tmp_path / "whole", display=quiet)
    for one, same in zip(resumed.reconstructor.parameters(), whole.reconstructor.parameters(), strict=True):
        assert torch.equal(one, same)


def test_one_mask_a_sample_is_trained_split_and_scored(shell: Shell, tmp_path: Path) -> None:
    masks = torch.stack([ns.physics.bernoulli_mask((1, 12, 12), 0.7, seed=s) for s in range(6)])
    physics = ns.physics.Inpainting(SHAPE, masks)
    y = physics.A(images(6))
    written = {"name": "inpainting", "image_shape": list(SHAPE), "mask": {"array": "mask"}}
    names, groups = tuple(f"p{i}" for i in range(6)), ("a", "a", "b", "b", "c", "c")
    write_measurements("y.h5", MeasurementFile(y, written, names=names, groups=groups, arrays={"mask": masks}))
    write_truth("x.h5", TruthFile(images(6), names=names))
    Path("recipe.toml").write_text(
        '[data]\nmeasurements = "y.h5"\ntruth = "x.h5"\nheld_out = 0.3\n[group]\nname = "shifts"\n' + NETWORK
        + '[[loss]]\nname = "measurement_consistency"\n[[loss]]\nname = "equivariance"\n' + TRAINING
    )  # fmt: skip
    assert shell("fit", "recipe.toml", "-o", "run") == 0, shell.err
    assert shell("fit", "--resume", "run", "training.steps=3") == 0, shell.err
    assert shell("evaluate", "run") == 0 and "p5" in shell.out and "PSNR" in shell.out
    assert shell("reconstruct", "run", "y.h5", "-o", "pictures") == 0
    assert {p.stem for p in Path("pictures").iterdir()} == set(names)


def test_patients_in_a_text_file_are_held_out_whole(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(Path("."))
    Path("patients.txt").write_text("anna\n" + "bert\n" * 5)
    overrides = ["data.groups=patients.txt", "data.held_out=0.5"]
    ready = prepare(read_recipe(recipe, overrides), Path("."), {})
    assert ready.held_out is not None and {len(ready.data), len(ready.held_out)} == {1, 5}
    Path("patients.txt").write_text("anna\n")
    with pytest.raises(InputError, match=r"expected 6 groups"):
        prepare(read_recipe(recipe, overrides), Path("."), {})
    with pytest.raises(InputError, match=r"nobody\.txt"):
        prepare(read_recipe(recipe, ["data.groups=nobody.txt", "data.held_out=0.5"]), Path("."), {})


def test_arguments_of_fit_are_checked(tmp_path: Path) -> None:
    physics = inpainting()
    y = physics.A(images(3))
    supervised = ns.losses.Supervised()
    wrong: list[tuple[dict[str, object], str]] = [
        ({"measurements": y[0]}, "batch axis"),
        ({"measurements": y[..., :-1]}, "shape"),
        ({"measurements": torch.full_like(y, torch.nan)}, "NaN"),
        ({"measurements": y[:0]}, "at least one"),
        ({"physics": None}, "physics"),
        ({"truth": images(3)}, "no ground truth"),
        ({"loss": supervised}, "ground truth"),
        ({"loss": supervised, "truth": images(2)}, "shape"),
        ({"loss": supervised, "truth": torch.full_like(images(3), torch.inf)}, "finite"),
        ({"steps": None}, "exactly one"),
        ({"minutes": 1.0}, "exactly one"),
        ({"steps": 0}, "above 0"),
    ]
    for number, (change, words) in enumerate(wrong):
        given = {"measurements": y, "physics": physics, "loss": loss(), "steps": 1, **change}
        first = [given.pop(name) for name in ("measurements", "physics", "loss")]
        with pytest.raises(ns.InputError, match=words):
            fit(network_f(), *first, out=tmp_path / f"run{number}", display=Silent(), **given)
        assert not (tmp_path / f"run{number}").exists()


def test_complex_images_are_shown_from_their_smallest_to_their_largest_magnitude() -> None:
    from nullsight.app.report_runs import _window

    assert _window(torch.tensor([[[-3.0, 0.0]], [[-4.0, 1.0]]])) == (1, 5)
    assert _window(torch.tensor([[[-3.0, 2.0]]])) == (-3, 2)
