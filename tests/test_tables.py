"""The page of results is what its command makes of the results files."""

import copy
import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from nullsight.evaluation import markdown_table, mean_distance, read_result
from nullsight.schema import Recipe
from nullsight.types import InputError

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "experiments" / "write_tables.py"))


def row(name: str, *psnr: float, **notes: object) -> dict[str, object]:
    return {
        "name": name,
        "uses_truth": False,
        "helpers": [],
        "psnr_mean": sum(psnr) / len(psnr),
        "psnr_ci95": [min(psnr), max(psnr)],
        "psnr": list(psnr),
        "psnr_train_mean": None,
        "ssim_mean": None,
        "minutes": 5.04,
        "setup_minutes": 0.31,
        "seeds": [0],
        "recipe": None,
    } | notes


def result(*rows: dict[str, object]) -> dict[str, object]:
    return {
        "task": "toy",
        "dataset": "toy.npy",
        "machine": "toy, 2 cores",
        "threads": 2,
        "commit": "abc",
        "date": "2000-01-01",
        "command": "nullsight table toy",
        "psnr_unit": "dB",
        "test_images": 3,
        "duplicates_counted_once": True,
        "methods": list(rows),
    }


TOY = result(
    row("measurement consistency", 11.0, 10.5, 10.1),
    row("supervised", 31.0, 30.0, 32.0, uses_truth=True, helpers=["group_average", "alternating"], seeds=[0, 1]),
    row("A_dagger y", 10.0, 11.0, 10.0, seeds=[]),
)


def cells(table: str) -> list[dict[str, str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_the_committed_page_is_the_one_made_from_the_committed_results() -> None:
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == SCRIPT["page"](ROOT / "results")


def test_a_table_says_all_that_the_file_says() -> None:
    beside = {"a paper": {"supervised": 30.5}}
    table = markdown_table(TOY, ["A_dagger y", "supervised"], beside)
    consistent, supervised, dagger = cells(table)
    assert [supervised[key] for key in ("truth used", "test-time helpers", "seeds", "a paper", "minutes")] == [
        "yes",
        "group_average, alternating",
        "0, 1",
        "30.50",
        "5.0",
    ]
    assert (consistent["truth used"], consistent["test-time helpers"], consistent["a paper"]) == ("no", "none", "n/a")
    assert (dagger["seeds"], consistent["of them setup"]) == ("none", "0.3")
    assert consistent["over A_dagger y"].startswith("+0.20 (") and dagger["over supervised"].startswith("-20.67 (")
    assert dagger["over A_dagger y"] == "n/a"
    assert "3 distinct test images, exact duplicates counted once." in table
    twice = copy.deepcopy(TOY) | {"duplicates_counted_once": False}
    assert "duplicates" not in markdown_table(twice)
    with pytest.raises(InputError, match="'none' came"):
        markdown_table(TOY, ["supervised", "none"])


def test_the_page_has_the_best_rows_first_and_says_which_commits_made_them(tmp_path: Path) -> None:
    older = [
        row("a", 40.0, 41.0, 42.0, commit="def", date="1999-12-31"),
        row("b", 1.0, 1.0, 1.0, commit="def", date="1999-12-31"),
    ]
    unknown = row("unknown", 1.0, 1.0, 1.0) | {"psnr_mean": None}
    (tmp_path / "toy.json").write_text(json.dumps(TOY | {"methods": [unknown, *TOY["methods"], *older]}))
    page = SCRIPT["page"](tmp_path)
    found = [line["method"] for line in cells(page)]
    assert found == ["a", "supervised", "measurement consistency", "A_dagger y", "b", "unknown"]
    assert "These rows were made at other commits: a, b at def (1999-12-31).\n" in page


def test_distance_is_of_images_not_of_means() -> None:
    assert mean_distance(TOY, "measurement consistency", "A_dagger y") == pytest.approx((1.0 + 0.5 + 0.1) / 3)
    with pytest.raises(InputError, match="'none' came"):
        mean_distance(TOY, "none", "supervised")


def test_the_page_has_the_papers_figures_and_the_distance_to_the_input(tmp_path: Path) -> None:
    for name in ("urban100", "other"):
        (tmp_path / f"{name}.json").write_text(json.dumps(TOY))
    other, urban = SCRIPT["page"](tmp_path).split("## toy")[1:]
    assert "Chen et al. 2021" in urban and "31.28" in urban and "10.33 dB here, 5.56 in that unit" in urban
    assert "Chen" not in other
    for section in (other, urban):
        assert "|PSNR(measurement consistency) - PSNR(A_dagger y)|: 0.53 dB" in section
        assert "over supervised" in section and "over total variation" not in section
    assert read_result(tmp_path / "other.json") == TOY


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_results_name_no_commit_of_another_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nullsight.app import results_file, runs

    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    for place, known in ((tmp_path / "lib" / "nullsight", False), (tmp_path / "src" / "nullsight", True)):
        (place / "app").mkdir(parents=True)
        monkeypatch.setattr(runs, "__file__", str(place / "app" / "runs.py"))
        commit = results_file.setting(Recipe(), "nullsight table").commit
        assert (commit != "unknown") == known
