"""``nullsight diagnose RUN``, ``select``, ``evaluate`` without a reference, the committed experiment: at toy size."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nullsight as ns
from experiments.trust import selection
from nullsight.app.opened import Opened
from nullsight.app.runs import untrained
from nullsight.recipe import Experiment, NoLoss
from nullsight.schema import read_recipe
from nullsight.types import InputError
from tests.toy_recipes import Shell, simulated, write_recipe


@pytest.fixture
def runs(shell: Shell, tmp_path: Path) -> list[Path]:
    recipe = simulated(tmp_path)
    made = [tmp_path / "runs" / name for name in ("short", "long")]
    assert shell("fit", recipe, "--out", made[0], "training.steps=1", "data.held_out=0.4") == 0
    assert shell("fit", recipe, "--out", made[1], "training.steps=12", "data.held_out=0.4") == 0
    return made


def test_runs_are_examined_and_ranked_without_truth(shell: Shell, tmp_path: Path, runs: list[Path]) -> None:
    assert shell("diagnose", runs[1], "--out", "page.html") == 0 and "not explained" not in shell.out
    assert "measured" in shell.out and "Shifts" in shell.out and "left-out measurements" in shell.out
    assert "equivariance error" in shell.out and "wrote page.html" in shell.out
    page = Path("page.html").read_text()
    assert "What can be trusted" in page and "unlearnable" in page
    assert shell("diagnose", runs[1], "--json", "--images", "2") == 0
    found = json.loads(shell.out)
    assert found["images"] == 2 and sum(found["shares"].values()) == pytest.approx(1)
    assert found["shares"]["unlearnable"] < 1e-9, "shifts make every pixel visible"

    assert shell("select", *runs, "--json") == 0
    ranked = json.loads(shell.out)
    assert {one["name"] for one in ranked["scores"]} == {"short", "long"} and ranked["best"] == "long"
    assert shell("select", runs[1]) == 0
    assert "score, dB" in shell.out and ("last" in shell.out or "long" in shell.out)
    assert "twice" in shell.refused("select", runs[0], runs[0])

    assert shell("evaluate", runs[1], "--measurements", tmp_path / "data" / "test.h5") == 0
    assert "as far as it is known without truth" in shell.out and "fixed point" in shell.out
    assert shell("report", runs[1]) == 0
    assert "What can be trusted" in (runs[1] / "report.html").read_text()
    assert "expected a file" in shell.refused("select", runs[0], "--measurements", "none.npy")

    out = tmp_path / "selection.json"
    selection.main([*map(str, runs), "--out", str(out), "--images", "3"])
    first = json.loads(out.read_text())
    [table] = first["tables"]
    assert {row["name"] for row in table["runs"]} == {"short", "long"} and table["chosen"] == "long"
    truth = {row["name"]: row["psnr"] for row in table["runs"]}
    assert table["regret"] == max(truth.values()) - truth["long"]
    assert first["pairs"] == 1 and first["pairs_within"] == first["tables_within"] == int(table["regret"] <= 0.3)
    made = out.stat().st_mtime_ns
    selection.main([*map(str, runs), "--out", str(out), "--images", "3"])
    assert out.stat().st_mtime_ns == made, "what is known is not computed again"


def test_a_run_that_does_not_explain_noiseless_measurements_says_so(shell: Shell, tmp_path: Path) -> None:
    wild = "training.optimiser={name='adam', learning_rate=0.3}"
    assert shell("fit", simulated(tmp_path), "--out", "wild", wild) == 0
    assert shell("diagnose", "wild") == 1
    assert shell.out.count("not explained") == 2, "in the summary and where the number is"
    assert shell("diagnose", "wild", "--json") == 1 and json.loads(shell.out)["residuals"]["explained"] is False


def test_a_noise_level_that_was_learned_is_that_of_the_end(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path))
    physics = ns.physics.Inpainting((1, 4, 4), torch.ones(4, 4))
    unknown, settings = ns.noise.UnknownNoise(first_sigma=0.5), ns.training.Settings(steps=1)
    experiment = Experiment(physics, unknown, None, ns.reconstructors.LinearInverse(), NoLoss(), settings)
    history = [{"step": 1, "SURE sigma": 0.4}, {"step": 2, "SURE sigma": 0.25}, {"step": 3, "observed/x": 1.0}]
    run = replace(untrained(experiment), history=history)
    opened = Opened(run, experiment, recipe, ns.data.MeasurementSet(torch.ones(1, 1, 4, 4), physics), "nowhere")
    assert opened.noise == ns.noise.Gaussian(0.25)
    first = Opened(untrained(experiment), experiment, recipe, opened.data, "nowhere")
    assert first.noise == ns.noise.Gaussian(0.5)


def test_regret_and_rank_correlation() -> None:
    rows = [{"name": n, "score": s, "psnr": p} for n, s, p in (("a", 30, 31), ("b", 29, 31.2), ("c", 20, 25))]
    found = selection.judged("toy", rows)
    assert found["chosen"] == "a" and found["best"] == "b" and found["regret"] == pytest.approx(0.2)
    assert found["rank_correlation"] == pytest.approx(0.5)
    summary = selection.summary([found])
    assert (summary["pairs"], summary["pairs_within"], summary["tables_within"]) == (3, 3, 1)
    far = selection.summary([selection.judged("toy", [{**rows[0], "psnr": 20.0}, rows[1]])])
    assert (far["pairs_within"], far["tables_within"]) == (0, 0)
    with pytest.raises(InputError, match="two runs"):
        selection.main([])
