"""``nullsight diagnose`` from the shell, its page, what fit says before a training in vain, and large problems."""

import json
import re
import warnings
from pathlib import Path

import pytest
import torch

import nullsight as ns
from nullsight.app.hope import NothingToLearn, nothing_to_learn
from tests.toy_recipes import CT, INPAINTING, Shell, simulated, write_recipe

P, G = ns.physics, ns.groups
PERIODIC = INPAINTING.replace(
    '{ make = "bernoulli_mask", shape = [12, 12], keep = 0.7, seed = 1 }',
    '{ make = "periodic_mask", shape = [12, 12], period = 3 }',
)
assert PERIODIC != INPAINTING


def test_the_command_says_why_shifts_teach_nothing_of_a_periodic_mask(shell: Shell, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, PERIODIC)
    assert shell("diagnose", recipe) == 4
    assert "nothing gained" in shell.out and "every 3 rows and every 3 columns" in shell.out
    assert "what to do: break the period" in shell.out and "identifiable" not in shell.out
    assert shell("diagnose", recipe, "physics.mask.period=1") == 0


def test_exit_codes_json_and_a_page(shell: Shell, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, CT)
    assert shell("diagnose", recipe, "--json", "--out", tmp_path / "page.html") == 3
    found = json.loads(shell.out)
    assert found["verdict"] == "partly" and 0 < found["sight"]["alone"] < found["sight"]["visible"] < 1
    assert found["group"].startswith("Rotations(n=360")
    page = (tmp_path / "page.html").read_text()
    assert "<h3>Partly</h3>" in page and "invisible direction 1" in page and "with the group" in page
    assert shell("diagnose", recipe, "group.name=reflections") == 2, "n is no argument of theirs"
    quarters = write_recipe(tmp_path, CT.replace('"rotations"\nn = 360', '"quarter_turns"'), name="quarters.toml")
    assert shell("diagnose", quarters) == 4 and "measure 7 equispaced views in place of 6" in shell.out
    nothing = write_recipe(tmp_path, CT[: CT.index("[group]")], name="none.toml")
    assert "[group]" in shell.refused("diagnose", nothing)


def test_noise_is_held_against_the_images_that_were_measured(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path, CT)
    assert shell("diagnose", recipe, "noise.name=gaussian", "noise.sigma=0.3") == 3
    value = re.search(r"noise of 0.3 against images of (\d\.\d+)", shell.out)
    assert value is not None and 0.1 < float(value[1]) < 1


def test_fit_says_so_before_it_trains_in_vain(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path, PERIODIC)
    assert shell("fit", recipe, "--out", "runs/vain") == 0
    line, *_ = [one for one in shell.out.splitlines() if one.startswith("warning: ")]
    assert "teaches nothing" in line and "every 3 rows" in line
    assert shell("report", "runs/vain") == 0
    assert "<h2>What can be learned</h2>" in Path("runs/vain/report.html").read_text()
    assert shell("fit", recipe, "--out", "runs/hope", "physics.mask.period=1", "data.measurements=m.npy") == 2


def test_python_warns_and_a_training_with_hope_is_silent() -> None:
    loss = ns.losses.MeasurementConsistency() + ns.losses.Equivariance(G.Shifts((8, 8)))
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    f = ns.reconstructors.ArtifactRemoval(network)
    blur = P.Blur((1, 8, 8), P.box_kernel(4))
    y = blur.A(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    with pytest.warns(NothingToLearn, match="commute"):
        ns.fit(f, y, blur, loss, steps=1)
    mask = P.Inpainting((1, 8, 8), P.bernoulli_mask((8, 8), 0.5, seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ns.fit(f, mask.A(y), mask, loss, steps=1)
        ns.fit(f, y, blur, ns.losses.MeasurementConsistency(), steps=1)


def test_what_is_judged_in_vain() -> None:
    turns = ns.losses.Equivariance(G.QuarterTurns())
    fine = ns.losses.Equivariance(G.Rotations(360))
    large = P.ParallelBeamCT((1, 40, 40), 10)
    said = nothing_to_learn(turns, large)
    assert said is not None and "10 views" in said
    assert nothing_to_learn(fine, large) is None
    assert nothing_to_learn(turns + fine, large) is None, "one of the two teaches"
    assert nothing_to_learn(ns.losses.Supervised(), large) is None
    generic = P.Hadamard((1, 32, 32), 200)
    assert nothing_to_learn(ns.losses.Equivariance(G.Shifts((32, 32))), generic) is None


LARGE = {
    "mask, shifts": (P.Inpainting((1, 128, 128), P.bernoulli_mask((128, 128), 0.3, seed=0)), G.Shifts((128, 128)), 0),
    "k-space, dihedral": (
        P.CartesianMRI((2, 128, 128), P.cartesian_mask((128, 128), 4, 0.08, seed=0)), G.Dihedral(4), 3
    ),
    "patterns, shifts": (P.Hadamard((1, 64, 64), 300), G.Shifts((64, 64)), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_large_problems(name: str) -> None:
    physics, group, code = LARGE[name]
    found = ns.diagnose(physics, group, budget=ns.diagnosis.Budget(steps=20, deviation=0.02, suggestions=0))
    assert found.code == code, str(found)
    assert found.sight.visible > found.sight.alone


def test_an_estimated_spectrum_of_a_large_problem_agrees_with_the_closed_form() -> None:
    physics, group = P.CartesianMRI((2, 48, 48), P.cartesian_mask((48, 48), 4, 0.08, seed=0)), G.Dihedral(4)
    known = ns.diagnose(physics, group, budget=ns.diagnosis.Budget(suggestions=0, pictures=0))
    rough = ns.diagnosis.Budget(closed_forms={}, steps=20, deviation=0.01, suggestions=0, pictures=0)
    found = ns.diagnose(physics, group, budget=rough)
    assert found.sight.error > 0 and found.rank_visible is None and known.rank_visible is not None
    for one, other in zip(found.curve, known.curve, strict=True):
        assert abs(one.visible - other.visible) <= 3 * found.sight.error
        assert abs(one.alone - other.alone) <= 3 * found.sight.error
    assert found.sight.distinct == known.sight.distinct and found.verdict is known.verdict


def test_the_report_and_the_command_hold_noise_against_the_same_images(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path, CT)
    noisy = ("noise.name=gaussian", "noise.sigma=0.3", "simulate.noise.name=noiseless")
    assert shell("fit", recipe, "--out", "runs/noisy", *noisy) == 0
    assert shell("report", "runs/noisy", "--measurements", tmp_path / "data/train.h5") == 0
    assert shell("diagnose", recipe, *noisy) == 3
    said = re.search(r"noise of 0.3 against images of (\d\.\d+)", shell.out)
    page = Path("runs/noisy/report.html").read_text()
    assert said is not None and said[0] in page and "|N v| / |v|" in page
