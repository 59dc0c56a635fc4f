"""What ``diagnose RUN`` and the report say beyond residuals: predicted errors with maps, whether the symmetry holds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.diagnose_run import examine_run, page
from nullsight.app.examined import examined
from nullsight.app.opened import Opened
from nullsight.app.runs import untrained
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.noise import Gaussian
from nullsight.recipe import Experiment, NoLoss
from nullsight.schema import Recipe
from nullsight.trust import Calibration, save_calibration
from tests.test_invariance import FILL, MASK, any_direction, bars
from tests.toy_recipes import Shell, simulated

SIGMA = Gaussian(0.02)


def opened(x: Tensor, group: Family | None) -> Opened:
    """Return a run whose f fills masks smoothly, with measurements of images."""
    y = SIGMA.observe(MASK.A(x), MASK.measured, Draws(0, 0, tuple(range(len(x)))).of("noise"))
    experiment = Experiment(MASK, SIGMA, group, FILL, NoLoss(), ns.training.Settings(steps=1))
    run = untrained(experiment)
    return Opened(run, experiment, Recipe(), ns.data.MeasurementSet(y, MASK), "nowhere")


def test_images_with_a_direction_bring_a_warning_and_a_remedy() -> None:
    x = bars(24, 3, 70 + 20 * (any_direction(24, 5) / 180 - 1))
    found = examined(opened(x, ns.groups.QuarterTurns()), images=2, copies=2, tested=24)
    [test] = found.symmetry
    assert test.rejected and test.images == 24
    [warning] = [line for line in found.lines() if line.startswith("warning: ")]
    assert "not invariant" in warning
    assert found.angles is not None and abs(found.angles.direction - 70) < 12
    assert repr(found.angles.family) in "\n".join(found.lines())
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["symmetry"][0]["rejected"] and plain["angles"]["images"] == 24 and found.code == plain["code"]


def test_invariant_images_bring_none() -> None:
    found = examined(opened(bars(12, 0, any_direction(12, 0)), ns.groups.QuarterTurns()), images=2, copies=0, tested=12)
    assert not found.symmetry[0].rejected and found.angles is None and found.errors is None
    assert not [line for line in found.lines() if line.startswith("warning")]
    assert any("Nothing speaks against" in line for line in found.lines())


@pytest.mark.parametrize(
    ("group", "tests", "said"),
    [
        (None, 0, "errors are not predicted"),
        (ns.groups.Trivial(), 0, "Measured part only"),
        (ns.groups.ColourInversion(), 1, "errors are not predicted"),
    ],
    ids=["none", "identity", "inversion"],
)
def test_what_cannot_be_asked_is_left_out(group: Family | None, tests: int, said: str) -> None:
    found = examined(opened(bars(4, 0, any_direction(4, 0)), group), images=1, copies=2)
    assert len(found.symmetry) == tests and any(said in line for line in found.lines())
    assert json.dumps(found.to_json(), allow_nan=False)


def test_images_that_are_not_square_are_not_tested_and_it_is_said() -> None:
    physics = ns.physics.Inpainting((1, 8, 10), ns.physics.bernoulli_mask((8, 10), 0.7, seed=0))
    data = ns.data.MeasurementSet(physics.A(torch.rand(4, 1, 8, 10)), physics)
    start = opened(bars(2, 0, any_direction(2, 0)), ns.groups.Shifts((8, 10)))
    experiment = replace(start.experiment, physics=physics)
    wide = Opened(untrained(experiment), experiment, Recipe(), data, "nowhere")
    found = examined(wide, images=1, copies=2)
    assert found.symmetry == () and "not tested" in found.notes[0] and "square" in found.notes[0]


def test_predicted_errors_are_those_of_the_bootstrap_and_drawn() -> None:
    start = opened(bars(6, 0, any_direction(6, 0)), ns.groups.QuarterTurns())
    found = examined(start, images=3, copies=6, tested=0)
    assert found.errors is not None and not found.errors.whole and len(found.errors.centre) == 3
    few = start.few(3)
    again = ns.trust.predict_errors(FILL, few, ns.groups.QuarterTurns(), SIGMA, copies=6)
    wanted = again.psnr(ns.metrics.reference_peak(again.x1))
    torch.testing.assert_close(found.errors.psnr, wanted)
    shown = page(found, start, Path("run"))
    assert [one.panels[-1].label for one in shown.examples] == ["90 % half width, measured part only"] * 3
    assert shown.trust is not None and any("predicted PSNR" in line for line in shown.trust.lines)
    inside = examine_run(start, images=1, copies=2, tested=0)
    assert inside.panels[-1].label.startswith("90 % half width")
    calibrated = examined(start, images=3, copies=6, tested=0, calibration=Calibration("toys", 30, 0.9, 1, -1, 2, 2))
    assert calibrated.errors is not None and calibrated.errors.whole
    torch.testing.assert_close(calibrated.errors.psnr, wanted + 1)
    plain = calibrated.to_json()["errors"]
    assert plain["psnr_interval"][0] == pytest.approx([float(wanted[0]) - 1, float(wanted[0]) + 2])


def test_the_command_and_the_report_have_maps(shell: Shell, tmp_path: Path) -> None:
    recipe, run = simulated(tmp_path), tmp_path / "run"
    assert shell("fit", recipe, "--out", run) == 0
    shell("diagnose", run, "--copies", "3", "--out", "page.html")
    assert "Measured part only" in shell.out and "invariant under Shifts" in shell.out
    assert "half width" in Path("page.html").read_text()
    save_calibration(tmp_path / "known.json", Calibration("toys", 30, 0.9, 0.5, -1, 2, 2))
    shell("diagnose", run, "--copies", "3", "--calibration", tmp_path / "known.json", "--json")
    assert "30 images of toys" in json.loads(shell.out)["errors"]["words"]
    shell("diagnose", run, "--copies", "0", "--json")
    assert json.loads(shell.out)["errors"] is None
    assert "calibration as JSON" in shell.refused("diagnose", run, "--calibration", recipe)
    assert shell("report", run) == 0
    assert "half width, measured part only" in (run / "report.html").read_text()
