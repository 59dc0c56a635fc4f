"""The benchmarks: their file of results and page, and that each script runs without the peer. Nothing is timed here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.toy_recipes import CT, write_recipe

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_are_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "slow"))


def run(script, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("script", "words", "cases"),
    [
        ("operators.py", ["--sizes", "16"], ["A, 16x16, batch 2", "A^T, 16x16, batch 8", "FBP, 16x16, batch 1"]),
        ("coils.py", ["--sizes", "16", "--coils", "3"], ["A, 3 coils, 16x16, batch 1", "A^T, 3 coils, 16x16, batch 4"]),
        ("training_step.py", ["--size", "32", "--width", "4", "--depth", "2"], ["EI, U-Net, float32, channels last"]),
        (
            "robust_step.py",
            ["--size", "32", "--width", "4", "--depth", "2"],
            ["robust EI, Gaussian", "robust EI, Poisson and Gaussian"],
        ),
        (
            "equivariant_networks.py",
            ["--size", "16", "--width", "8", "--depth", "2"],
            ["shift-equivariant U-Net, 16x16, width 8", "its step, 16x16, width 8"],
        ),
        ("import_time.py", [], ["import nullsight"]),
    ],
)
def test_a_script_runs_without_the_peer_and_keeps_other_tables(script, words, cases, tmp_path):
    results = tmp_path / "speed" / "benchmarks.json"
    results.parent.mkdir()
    results.write_text(json.dumps({"rotations": {"kept": True}}))
    if script == "training_step.py":
        words = [*words, "--recipe", ROOT / "experiments" / "ct100" / "equivariant_imaging.toml"]
    out = run(script, *words, "--alone", "--seconds", "0", "--rounds", "1", "--results", results)
    found = json.loads(results.read_text())
    section = found[Path(script).stem]
    assert found["rotations"] == {"kept": True}
    assert set(cases) <= {row["case"] for row in section["rows"]}
    assert all(row["ours"] > 0 for row in section["rows"])
    assert section["versions"]["torch"] == torch.__version__
    assert section["command"].startswith(f"python benchmarks/{script}")
    assert cases[0] in out


def test_a_missing_peer_is_one_sentence(tmp_path):
    from common.peer import Peer, PeerError

    with pytest.raises(PeerError, match=r"^The peer's environment is absent \(make bench-peers makes it\)"):
        Peer(tmp_path / "python")


def test_a_peer_that_ends_is_one_sentence(tmp_path):
    from common.peer import Peer, PeerError

    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(PeerError, match=r"ended \(exit code 3\)"):
        Peer(python)


def test_both_sides_are_measured_in_turn():
    from common.timing import alternate

    order = []

    def side(name, *seconds):
        return lambda: order.append(name) or list(seconds)

    assert alternate([side("ours", 0.001, 0.002, 0.009), side("theirs", 0.5)], 2) == [2.0, 500.0]
    assert order == ["ours", "theirs", "ours", "theirs"]


def test_ratio_and_aims_are_in_the_page():
    from common.record import Row, page, table

    rows = [vars(Row("A", 2.0, 30.0, "other", 6)), vars(Row("import", 0.5, aim=300, at_most=True))]
    assert "| A | 2 | 30 | 15x | >= 6x | other |" in table(rows)
    assert "| import | 0.5 |  |  | <= 300 ms |  |" in table(rows)
    beside = vars(Row("import", 0.5, 1500.0, "other", 300, at_most=True))
    assert "| import | 0.5 | 1500 |  | <= 300 ms | other |" in table([beside]), "an aim in ms is none of the ratio"
    section = {
        "title": "Operators", "compared": "Both.", "rows": rows, "notes": ["agree"], "versions": {"torch": "2"},
        "command": "python x.py", "machine": "one", "threads": 1, "date": "2026-01-02", "commit": "abc",
    }  # fmt: skip
    text = page({"operators": section})
    assert "## Operators\n\nBoth." in text
    assert "`python x.py` on one, 1 thread, 2026-01-02, commit abc; torch 2." in text


def test_the_page_is_written_with_the_race_where_it_was_run(tmp_path):
    import write_page

    files = ["--results", str(tmp_path / "benchmarks.json"), "--page", str(tmp_path / "page.md")]
    write_page.main([*files, "--race", str(tmp_path / "race.json")])
    assert "Time to quality" not in (tmp_path / "page.md").read_text()
    sides = [
        {"name": "ours", "about": "a recipe", "looks": [{"minutes": 1.5, "psnr": 11.0}]},
        {"name": "theirs", "about": "another"},
    ]
    words = ("task", "minutes_count", "psnr", "machine", "date", "commit")
    race = {"sides": sides, "found": ["ours reached it"], "goal_db": 12.5, **{word: f"<{word}>" for word in words}}
    (tmp_path / "race.json").write_text(json.dumps(race))
    write_page.main([*files, "--race", str(tmp_path / "race.json")])
    text = (tmp_path / "page.md").read_text()
    assert "- ours: a recipe\n- theirs: another\n" in text and "- ours reached it" in text and "(race.svg)" in text
    assert all(f"<{word}>" in text for word in words)
    assert "The goal, 12.5 dB, is" in text and "has 11.0 dB after\n1.50 minutes" in text


def test_the_committed_page_is_the_one_made_from_the_committed_results(tmp_path):
    import write_page

    write_page.main(["--page", str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "benchmarks.md").read_text()


def test_our_side_of_the_race_prints_its_looks(tmp_path):
    recipe = write_recipe(tmp_path, CT)
    recipe.write_text(recipe.read_text().replace("steps = 2", "minutes = 1"))
    out = run("slow/our_side.py", recipe, "--minutes", "0.01", "--every", "1")
    lines = [json.loads(line) for line in out.splitlines()]
    assert "recipe, 32-true" in lines[0]["about"]
    assert [line["steps"] for line in lines[1:]] == list(range(len(lines) - 1)) and len(lines) > 2
    assert all(line["psnr"] > 0 and line["minutes"] > 0 for line in lines[1:])


def test_when_a_side_of_the_race_reached_the_goal():
    from time_to_quality import reached, sentence

    looks = [{"minutes": 0.5, "psnr": 30.0}, {"minutes": 1.0, "psnr": 37.0}, {"minutes": 1.5, "psnr": 36.0}]
    assert reached(looks, 36.9) == 1.0
    assert reached(looks, 38.0) is None
    assert sentence("one", looks) == "one reached 36.9 dB after 1.00 minutes; its best is 37.00 dB after 1.0 minutes"
    assert sentence("other", looks[:1]).startswith("other did not reach 36.9 dB in 0.5 minutes")


def test_the_race_is_drawn_from_its_results(tmp_path):
    from draw_race import draw

    looks = [{"minutes": m, "psnr": 30 + m} for m in (0.5, 4.0, 9.5)]
    low = [{"minutes": 1.0, "psnr": 5.0}]
    sides = [{"name": "a < b", "looks": looks}, {"name": "other", "looks": low}]
    (tmp_path / "race.json").write_text(json.dumps({"goal_db": 36.9, "sides": sides}))
    draw(tmp_path / "race.json", tmp_path / "race.svg")
    text = (tmp_path / "race.svg").read_text()
    assert text.count("<polyline") == 2
    assert "a &lt; b" in text and "36.9 dB" in text
    assert 'points="" fill' in text  # far below the goal: left out
