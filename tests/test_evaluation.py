"""Evaluation against NumPy, SciPy and what is known by construction."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nullsight import evaluation as ev
from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.errors import InputError
from nullsight.physics import Inpainting
from nullsight.physics.base import Physics

SETTING = ev.Setting("toy", "noise", "a processor", 1, "abc", "2026-01-01", "make it")


def _world(samples: int = 5) -> tuple[MeasurementSet, TruthSet]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand((samples, 1, 12, 12), generator=generator) + 0.1
    physics = Inpainting((1, 12, 12), torch.arange(144).reshape(1, 12, 12) % 3 > 0)
    return MeasurementSet(physics.A(x), physics), TruthSet(x)


def _half(y: Tensor, physics: Physics) -> Tensor:
    return physics.A_dagger(y) * 0.5


def test_scores_agree_with_numpy() -> None:
    data, truth = _world()
    found = ev.evaluate(_half, data, truth, batch_size=2)
    got = data.physics.A_dagger(data.y).double().numpy() * 0.5
    x, y = truth.x.double().numpy(), data.y.double().numpy()
    flat = (-1, 144)
    mse = np.square(got - x).reshape(flat).mean(1)
    psnr = 10 * np.log10(x.reshape(flat).max(1) ** 2 / mse)
    nmse = np.square(got - x).reshape(flat).sum(1) / np.square(x).reshape(flat).sum(1)
    assert found.values("f(y)", "psnr") == pytest.approx(psnr, abs=1e-5)
    assert found.values("f(y)", "nmse") == pytest.approx(nmse, rel=1e-5)
    assert found.values("f(y)", "residual") == pytest.approx([0.5] * 5, rel=1e-5)
    assert found.values("A_dagger y", "residual") == pytest.approx([0.0] * 5, abs=1e-6)
    assert np.linalg.norm(y) > 0
    assert found.range_statement == "data range = peak of each reference"


def test_batches_do_not_matter() -> None:
    data, truth = _world()
    one, many = (ev.evaluate(_half, data, truth, batch_size=n) for n in (1, 7))
    assert one.methods[0].values["ssim"] == pytest.approx(many.methods[0].values["ssim"], abs=1e-9)
    assert one.methods[0].values["psnr"] == pytest.approx(many.methods[0].values["psnr"], abs=1e-5)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_interval_is_that_of_scipy(values: list[float]) -> None:
    found = ev.t_interval(values)
    error = scipy.stats.sem(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    if error > 1e-9:
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


def test_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 6)).tolist()
    hits = sum(found.low <= 0 <= found.high for found in map(ev.t_interval, rows))
    assert 0.93 < hits / 2000 < 0.97


def test_intervals_that_do_not_exist() -> None:
    assert math.isnan(ev.t_interval([3.0]).low)
    perfect = ev.t_interval([math.inf, 30.0])
    assert perfect.mean == math.inf
    assert not perfect.excludes_zero
    with pytest.raises(InputError, match="at least one value"):
        ev.t_interval([])
    with pytest.raises(InputError, match="between 0 and 1"):
        ev.t_interval([1.0], level=95)


def test_differences_are_paired() -> None:
    data, truth = _world()
    found = ev.evaluate(_half, data, truth, baselines={"more": lambda y, p: p.A_dagger(y) * 0.6})
    pairs = np.subtract(found.values("more", "psnr"), found.values("f(y)", "psnr"))
    gain = found.difference("more", "f(y)", "psnr")
    assert gain.mean == pytest.approx(pairs.mean())
    assert gain.high - gain.low < found.mean("more", "psnr").high - found.mean("more", "psnr").low
    assert found.difference("f(y)", "f(y)", "psnr").excludes_zero is False


def test_duplicates_count_once_and_close_ones_twice() -> None:
    data, truth = _world(4)
    x = truth.x.clone()
    x[2] = x[0]
    x[3] = x[1] + 1e-6
    found = ev.evaluate(_half, MeasurementSet(data.physics.A(x), data.physics), TruthSet(x))
    assert found.counted == (True, True, False, True)
    assert found.mean("f(y)", "psnr").count == 3
    assert len(found.methods[0].values["psnr"]) == 4


def test_samples_without_truth_are_left_out_even_where_their_rows_are_not_finite() -> None:
    data, truth = _world(3)
    x = truth.x.clone()
    x[1] = math.nan
    found = ev.evaluate(_half, data, TruthSet(x, torch.tensor([True, False, True])))
    assert found.counted == (True, False, True)
    assert math.isnan(found.methods[0].values["psnr"][1])
    assert math.isfinite(found.mean("f(y)", "psnr").mean)


def test_without_truth_there_is_the_residual_alone() -> None:
    data, _ = _world()
    found = ev.evaluate(_half, data)
    assert found.metrics == ("residual",)
    with pytest.raises(InputError, match="metric among residual"):
        found.mean("f(y)", "psnr")


def test_evaluation_changes_nothing() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)
            self.norm = nn.BatchNorm2d(1).eval()

        def forward(self, y: Tensor, physics: Physics) -> Tensor:
            return self.norm(self.drop(physics.A_dagger(y)))

    data, truth = _world()
    module = Mixed()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    drawn = torch.get_rng_state()
    found = ev.evaluate(module, data, truth)
    assert found.methods[0].values["psnr"] == pytest.approx(found.methods[1].values["psnr"], abs=1e-3)
    assert (module.training, module.drop.training, module.norm.training) == (True, True, False)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())


def test_ranges_and_views_of_complex_images() -> None:
    x = torch.zeros(2, 2, 12, 12)
    x[:, 0, :6], x[:, 1, 6:] = 3.0, -4.0
    physics = Inpainting((2, 12, 12), torch.ones(2, 12, 12, dtype=torch.bool))
    data, truth = MeasurementSet(x, physics), TruthSet(x)

    def turned(y: Tensor, p: Physics) -> Tensor:
        return torch.stack([-y[:, 1], y[:, 0]], 1)  # the same magnitude, another phase

    plain = ev.evaluate(turned, data, truth, data_range=ev.MagnitudePeak())
    assert plain.mean("f(y)", "psnr").mean == pytest.approx(10 * math.log10(16 / 12.5), abs=1e-5)
    sized = ev.evaluate(turned, data, truth, view=ev.magnitude)
    assert sized.mean("f(y)", "nmse").mean == pytest.approx(0.0, abs=1e-12)
    fixed = ev.evaluate(turned, data, truth, data_range=ev.FixedRange(40))
    assert fixed.mean("f(y)", "psnr").mean == pytest.approx(plain.mean("f(y)", "psnr").mean + 20, abs=1e-5)


def test_bad_input_is_refused_in_a_sentence() -> None:
    data, truth = _world()
    with pytest.raises(InputError, match="one image a measurement"):
        ev.evaluate(_half, data, truth.take([0, 1]))
    with pytest.raises(InputError, match="came twice"):
        ev.evaluate(_half, data, truth, name="A_dagger y")
    with pytest.raises(InputError, match="batch size"):
        ev.evaluate(_half, data, truth, batch_size=0)
    with pytest.raises(InputError, match=r"expected f\(y\) to return images of shape"):
        ev.evaluate(lambda y, p: y[..., :4], data, truth)
    with pytest.raises(InputError, match="peak above 0"):
        ev.evaluate(_half, data, TruthSet(-truth.x))
    with pytest.raises(InputError, match="method among"):
        ev.evaluate(_half, data, truth).mean("g", "psnr")
    with pytest.raises(InputError, match="data range above 0"):
        ev.FixedRange(0)


KEYS = {
    *("task", "dataset", "machine", "threads", "commit", "date", "command", "psnr_unit", "test_images"),
    *("duplicates_counted_once", "methods"),
}
ROW = {
    *("name", "uses_truth", "helpers", "psnr_mean", "psnr_ci95", "psnr", "psnr_train_mean", "ssim_mean", "minutes"),
    *("setup_minutes", "seeds", "recipe"),
}


def _result(name: str, factor: float) -> ev.Result:
    data, truth = _world()
    found = ev.evaluate(lambda y, p: p.A_dagger(y) * factor, data, truth, name=name, baselines={})
    return ev.to_result(found, SETTING, {name: ev.Method(uses_truth=True, minutes=2.5, seeds=(0,), recipe="a.toml")})


def test_results_have_the_shape_and_the_numbers() -> None:
    result = _result("half", 0.5)
    assert set(result) == KEYS
    [row] = result["methods"]
    assert set(row) == ROW
    assert row["psnr_mean"] == pytest.approx(np.mean(row["psnr"]))
    assert row["psnr_ci95"][0] < row["psnr_mean"] < row["psnr_ci95"][1]
    assert (row["minutes"], row["seeds"], row["uses_truth"], row["helpers"]) == (2.5, [0], True, [])


def test_results_are_merged_and_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "toy.json"
    ev.write_result(path, _result("half", 0.5))
    ev.write_result(path, _result("more", 0.6))
    ev.write_result(path, _result("half", 0.7))
    found = ev.read_result(path)
    assert [row["name"] for row in found["methods"]] == ["half", "more"]
    assert found["methods"][0]["psnr"] == pytest.approx(_result("half", 0.7)["methods"][0]["psnr"])
    assert [p.name for p in path.parent.iterdir()] == ["toy.json"]
    with pytest.raises(InputError, match="same task"):
        ev.write_result(path, {**_result("half", 0.5), "task": "other"})
    assert ev.read_result(path) == found


def test_results_hold_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    result = _result("half", 0.5)
    result["methods"][0]["psnr_ci95"] = [math.nan, math.inf]
    ev.write_result(path, result)
    assert json.loads(path.read_text())["methods"][0]["psnr_ci95"] == [None, None]
    assert "n/a .. n/a" in ev.markdown_table(ev.read_result(path))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"task": 1}', b"\xff\xfe"])
def test_files_that_are_no_results(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "toy.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected a result"):
        ev.write_result(path, _result("half", 0.5))
    assert path.read_bytes() == content


def test_methods_of_another_commit_say_so() -> None:
    old, new = _result("half", 0.5), _result("more", 0.6)
    assert all("commit" not in row for row in ev.merge(old, new)["methods"])
    merged = ev.merge({**old, "commit": "abc1234", "date": "2026-01-02"}, new)
    assert merged["commit"] == new["commit"]
    assert (merged["methods"][0]["commit"], merged["methods"][0]["date"]) == ("abc1234", "2026-01-02")
    assert "commit" not in merged["methods"][1]
    data, truth = _world()
    found = ev.evaluate(_half, data, truth, name="half", baselines={})
    for commit, known in (("7654321", ("7654321", "2025-12-31")), (SETTING.commit, (None, None))):
        [row] = ev.to_result(found, SETTING, {"half": ev.Method(commit=commit, date="2025-12-31")})["methods"]
        assert (row.get("commit"), row.get("date")) == known
    third = ev.merge({**merged, "commit": "def5678"}, _result("other", 0.7))["methods"]
    assert [row.get("commit") for row in third] == ["abc1234", "def5678", None]


def test_markdown_table() -> None:
    merged = ev.merge(_result("half", 0.5), _result("more", 0.6))
    table = ev.markdown_table(merged, against="half")
    head, _, first, second, *_, note = table.strip().splitlines()
    assert len({line.count("|") for line in (head, first, second)}) == 1
    assert "over half" in head
    gain = np.mean(np.subtract(merged["methods"][1]["psnr"], merged["methods"][0]["psnr"]))
    assert f"{gain:+.2f} (" in second
    assert "peak of each reference" in note
    with pytest.raises(InputError, match="method among half, more"):
        ev.markdown_table(merged, against="none")


def test_signals_and_tiny_images_are_scored_without_ssim() -> None:
    for shape in ((1, 32), (1, 8, 8)):
        x = torch.rand((4, *shape), generator=torch.Generator().manual_seed(2)) + 0.1
        physics = Inpainting(shape, torch.arange(x[0].numel()).reshape(shape[1:]) % 3 > 0)
        found = ev.evaluate(_half, MeasurementSet(physics.A(x), physics), TruthSet(x))
        assert set(found.metrics) == {"residual", "psnr", "nmse"}
        row = ev.to_result(found, SETTING, {})["methods"][0]
        assert row["ssim_mean"] is None and row["psnr_mean"] > 0
        assert "| n/a |" in ev.markdown_table(ev.to_result(found, SETTING, {}))
