"""The experiment that holds diagnoses against trainings, at toy size."""

import json
from pathlib import Path

import pytest
import torch

from experiments.forecast import forecast as f
from experiments.forecast.pairs import GROUPS, OPERATORS, PAIRS, images, operator

PLAN = f.Plan(size=8, train=40, test=10, steps=2)


def test_pairs_are_enough_each_named_once_and_fit() -> None:
    assert len(PAIRS) >= 30 and len(set(PAIRS)) == len(PAIRS)
    assert {name for name, _ in PAIRS} == set(OPERATORS) and {name for _, name in PAIRS} == set(GROUPS)
    for name in OPERATORS:
        rows = operator(name, 8).matrix.double()
        assert 0.2 < len(rows) / 64 < 0.7, f"{name}: {len(rows)} of 64"
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows), dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "group", "predicted"),
    [
        ("half of the pixels", "none", 0.0),
        ("half of the pixels", "shifts", 1.0),
        ("every other column", "shifts", 0.0),  # all in view, nothing linked
        ("upper half", "reflections", 0.0),
        ("low frequencies", "shifts", 0.0),
        ("few patterns", "quarter turns", 0.0),  # four times a quarter of the directions, none of them twice
        ("few patterns", "shifts", 1.0),
    ],
)
def test_what_is_known_is_predicted(name: str, group: str, predicted: float) -> None:
    x = images(10, 8, seed=0)
    found = f.forecast(operator(name, 8), GROUPS[group](8), x)
    assert found.predicted == pytest.approx(predicted, abs=0.02), found


def test_the_energy_that_comes_into_view_is_counted_pixel_by_pixel() -> None:
    physics, group, x = operator("half of the pixels", 8), GROUPS["mirror"](8), images(10, 8, seed=0)
    seen = physics.matrix.square().sum(0).reshape(8, 8) > 0.5
    null, brought = ~seen, seen.flip(-1) & ~seen
    found = f.forecast(physics, group, x)
    assert found.energy == pytest.approx(
        float(x[:, 0, brought].square().sum() / x[:, 0, null].square().sum()), abs=1e-4
    )
    assert found.share == pytest.approx(float(brought.sum() / null.sum()))


def test_zeros_miss_everything_and_moments_help_where_the_group_does() -> None:
    physics, x = operator("half of the pixels", 8), images(300, 8, seed=0)
    y = physics.A(x)
    assert f.missed(physics, torch.zeros_like(x), x) == pytest.approx(1)
    errors = {}
    for name in ("none", "shifts"):
        L = f.moments(physics, GROUPS[name](8), y[:250])
        errors[name] = f.missed(physics, (y[250:].double() @ L.T).reshape(-1, 1, 8, 8).float(), x[250:])
    assert errors["none"] == pytest.approx(1, abs=1e-4)
    assert errors["shifts"] < 0.8


def test_rows_are_kept_and_an_interrupted_experiment_goes_on(tmp_path: Path) -> None:
    path, pairs = tmp_path / "rows.json", (("half of the pixels", "shifts"), ("every other column", "mirror"))
    [first] = f.complete(path, PLAN, pairs[:1])
    rows = f.complete(path, PLAN, pairs)
    assert rows[0] == first and [(one.operator, one.group) for one in rows] == list(pairs)
    assert json.loads(path.read_text())["spearman"] == f.correlations(rows)
    assert all(0 < one.error < 2 for one in rows)
    with pytest.raises(SystemExit, match="another plan"):
        f.complete(path, f.Plan(steps=3), pairs)


def test_rank_correlations() -> None:
    def row(predicted: float, error: float) -> f.Row:
        return f.Row("a", "b", "partly", 0.5, predicted, predicted, error, 1.0, error**2, 0.0)

    found = f.correlations([row(0.0, 1.0), row(0.2, 0.7), row(0.9, 0.3)])
    assert found == {"predicted": 1.0, "share": None, "energy": 1.0, "linear estimate": 1.0}
    assert f.correlations([row(0.9, 1.0), row(0.2, 0.7), row(0.0, 0.3)])["predicted"] == -1
