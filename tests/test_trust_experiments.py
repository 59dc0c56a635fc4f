"""The experiments on uncertainty and on oriented images at toy size: they go on where they were."""

import json
from pathlib import Path

import pytest
from torch import Tensor

import nullsight as ns
from experiments.oriented import full_against_restricted as oriented
from experiments.uncertainty import calibrated_on_ct as calibrated
from nullsight.data import MeasurementSet, TruthSet
from nullsight.noise import Gaussian
from nullsight.physics.base import Physics
from nullsight.trust.orientation import axes


def _known(name: str, count: int, seed: int) -> calibrated.Known:
    x = ns.data.disks(count, 16, seed)
    physics = ns.physics.ParallelBeamCT((1, 16, 16), 8)
    return calibrated.Known(name, MeasurementSet(physics.A(x), physics), TruthSet(x))


def test_a_calibration_is_made_and_checked_and_goes_on(tmp_path: Path) -> None:
    calls = []

    def dagger(y: Tensor, physics: Physics) -> Tensor:
        calls.append(len(y))
        return physics.A_dagger(y)

    known, new = _known("disks", 14, 0), _known("other disks", 6, 1)
    rest = (ns.groups.Rotations(360), Gaussian(0.01), tmp_path)
    found = calibrated.study(dagger, known, new, *rest, copies=3, together=4)
    assert sum(calls) == 20 * 4
    again = calibrated.study(dagger, known, new, *rest, copies=3, together=4)
    assert sum(calls) == 20 * 4 and again == found  # kept files were read
    rows = {(row["data"], row["claim"]): row for row in json.loads(json.dumps(found, allow_nan=False))["rows"]}
    assert len(rows) == 6
    assert rows["disks", "calibrated"]["pixels_covered"] >= 0.9 - 1e-6
    assert 0.75 < rows["other disks", "calibrated"]["pixels_covered"] < 1
    assert (
        rows["other disks", "calibrated"]["psnr_error_db"] < rows["other disks", "bootstrap as it is"]["psnr_error_db"]
    )
    assert rows["disks", "measured part only"]["psnr_error_db"] is None
    assert found["calibration"]["data"] == "disks" and found["calibration"]["images"] == 14


def test_leaves_lie_along_their_direction() -> None:
    direction, _ = axes(oriented.leaves(30, 48, 0))
    apart = (direction - oriented.DIRECTION + 90) % 180 - 90
    assert float(apart.abs().median()) < 15
    assert float(apart.abs().quantile(0.9)) < 30


@pytest.mark.filterwarnings("ignore::nullsight.app.hope.NothingToLearn")
def test_families_are_compared_and_finished_rows_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "oriented.json"
    study = oriented.Study(oriented.leaves(26, 16, 0), 20, 6, 2, 4, 0, oriented.TILT)
    found = oriented.main(study, out, "toy", "toy")
    assert [row["family"] for row in found["rows"]][-1] == "all rotations" and len(found["rows"]) == 4
    assert len(found["rows"][0]["psnr"]) == 6
    assert found["invariance"]["p_value"] < 0.05
    text = out.read_text()
    assert oriented.main(study, out, "toy", "toy") == found and out.read_text() == text
    with pytest.raises(ns.InputError, match="the same study"):
        oriented.main(study, out, "another", "toy")
