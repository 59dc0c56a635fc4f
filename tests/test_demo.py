"""The demonstration at toy size: everything it writes is there, and a second call goes on instead of beginning anew."""

from pathlib import Path

import pytest

from nullsight import demo
from nullsight.evaluation import read_result


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    text = demo.COMMON.replace("[0, 300]", "[0, 6]").replace("[300, 330]", "[6, 9]").replace("64, 64", "32, 32")
    small = (
        text.replace("minutes = 1.05", "steps = 2")
        .replace("width = 24", "width = 4")
        .replace("copies = 5", "copies = 2")
    )
    assert small.count("steps = 2") == 1 and "[6, 9]" in small and "32, 32" in small
    monkeypatch.setattr(demo, "COMMON", small)
    monkeypatch.setattr(demo, "PHANTOMS", 9)
    monkeypatch.setattr(demo, "SIZE", 32)


def test_demonstration_ends_with_a_table_and_a_report(tmp_path: Path, toy: None) -> None:
    said: list[str] = []
    outcome = demo.demo(tmp_path / "demo", say=said.append)
    text = "\n".join(outcome.lines)
    assert outcome.code == 0
    assert str(tmp_path / "demo" / "report.html") in text
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "equivariant imaging" in page or "equivariant_imaging" in page
    names = [row["name"] for row in read_result(tmp_path / "demo" / "results.json")["methods"]]
    assert set(names) == {"equivariant imaging", "measurement consistency", "supervised", "A_dagger y"}
    assert all(name in text for name in names)


def test_second_call_trains_nothing_again(tmp_path: Path, toy: None) -> None:
    demo.demo(tmp_path / "demo", say=lambda line: None)
    weights = sorted((tmp_path / "demo").rglob("weights.safetensors"))
    times = [path.stat().st_mtime_ns for path in weights]
    said: list[str] = []
    demo.demo(tmp_path / "demo", say=said.append)
    assert [path.stat().st_mtime_ns for path in weights] == times and len(times) >= 3
    assert sum("is finished" in line for line in said) == 3
