"""Curves as results: written row by row, never mixed with those of another setting, and shown as a table."""

import runpy
from pathlib import Path

import pytest

from nullsight.evaluation import (
    Axes,
    CurveRow,
    Setting,
    curve_names,
    curves_table,
    paired_difference,
    read_curves,
    t_interval,
    write_curve,
)
from nullsight.types import InputError
from tests.test_tables import TOY

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "experiments" / "write_tables.py"))
SETTING = Setting("toy", "toy.npy", "toy, 2 cores", 2, "abc", "2000-01-01", "python toy.py")
AXES = Axes("noise, dB", (30.0, 10.0), "PSNR, dB")
ONE = CurveRow("one", ((30.0, 32.0, 31.0), (20.0, 22.0, 21.0)), True, 5.0, (0,))
OTHER = CurveRow("other", ((29.0, 30.0, 31.0), (10.0, 12.0, 12.5)))


def test_rows_are_added_one_at_a_time_and_replaced_by_name(tmp_path: Path) -> None:
    path = tmp_path / "curves" / "toy.json"
    path.parent.mkdir()
    assert curve_names(path) == ()
    write_curve(path, SETTING, AXES, ONE)
    assert curve_names(path) == ("one",)
    written = write_curve(path, SETTING, AXES, OTHER)
    assert read_curves(path) == written
    assert curve_names(path) == ("one", "other") and written["x"] == [30.0, 10.0]
    again = write_curve(path, SETTING, AXES, CurveRow("one", ((1.0,) * 3, (2.0,) * 3)))
    assert [row["name"] for row in again["rows"]] == ["one", "other"]
    assert again["rows"][0]["values"] == [[1.0] * 3, [2.0] * 3] and again["rows"][1] == written["rows"][1]


@pytest.mark.parametrize(
    ("setting", "axes", "said"),
    [
        (Setting("another", *list(vars(SETTING).values())[1:]), AXES, "same task"),
        (SETTING, Axes("noise, dB", (30.0, 9.9), "PSNR, dB"), "same x "),
        (SETTING, Axes("noise, dB", (30.0, 10.0), "SSIM"), "same value_label"),
    ],
)
def test_curves_of_other_settings_are_refused(tmp_path: Path, setting: Setting, axes: Axes, said: str) -> None:
    path = tmp_path / "toy.json"
    write_curve(path, SETTING, AXES, ONE)
    before = path.read_bytes()
    with pytest.raises(InputError, match=said):
        write_curve(path, setting, axes, OTHER)
    assert path.read_bytes() == before


def test_values_and_files_that_make_no_curves_are_refused(tmp_path: Path) -> None:
    for values in (((1.0,),), ((1.0,), (1.0, 2.0))):
        with pytest.raises(InputError, match="as many values at each of the 2 places"):
            write_curve(tmp_path / "toy.json", SETTING, AXES, CurveRow("one", values))
    with pytest.raises(InputError, match="places on the axis"):
        Axes("noise", (), "PSNR")
    for text, said in (("{", "cannot be read"), ("[]", "something else")):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(InputError, match=said):
            read_curves(tmp_path / "broken.json")


def test_the_table_has_means_intervals_and_paired_differences(tmp_path: Path) -> None:
    write_curve(tmp_path / "toy.json", SETTING, AXES, ONE)
    write_curve(tmp_path / "toy.json", SETTING, AXES, OTHER)
    table = curves_table(read_curves(tmp_path / "toy.json"), [("one", "other"), ("one", "absent")])
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    half = t_interval([30.0, 32.0, 31.0]).high - 31.0
    assert lines[0] == ["method", "truth used", "30.0", "10.0", "minutes"]
    assert lines[2] == ["one", "yes", f"31.00 ± {half:.2f}", f"21.00 ± {half:.2f}", "5.0"]
    assert lines[4][0] == "one minus other" and lines[4][2].startswith("+1.00 ±") and len(lines) == 5
    assert lines[4][3].startswith("+9.50 ±")
    assert "3 images" in table


def test_the_page_has_curves_and_the_differences_that_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "curves").mkdir()
    write_curve(tmp_path / "curves" / "bias.json", SETTING, AXES, ONE)
    page = SCRIPT["page"](tmp_path)
    assert "## toy, by noise" in page and "Mohan et al." in page and "`python toy.py`" in page
    section = SCRIPT["_section"](TOY, SCRIPT["Beside"](pairs=(("supervised", "A_dagger y"), ("supervised", "absent"))))
    gain = paired_difference(TOY, "supervised", "A_dagger y")
    assert gain == t_interval([21.0, 19.0, 22.0]) and gain.excludes_zero
    assert f"supervised minus A_dagger y: {gain.mean:+.2f} dB ({gain.low:+.2f} .. {gain.high:+.2f}).\n" in section
    assert "minus absent" not in section
    near = SCRIPT["_section"](TOY, SCRIPT["Beside"](pairs=(("measurement consistency", "A_dagger y"),)))
    assert "; not separated from zero." in near
    with pytest.raises(InputError, match="'none' came"):
        paired_difference(TOY, "none", "supervised")
