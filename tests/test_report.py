"""The report: pictures, axes and pages by what is in them, and the page as a browser shows it where there is one."""

import re
from base64 import b64decode
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nullsight import report
from nullsight.errors import InputError
from nullsight.evaluation import Evaluation, Scores
from nullsight.report import (
    Chart,
    Curve,
    Example,
    LinearAxis,
    LogAxis,
    Panel,
    ReportContent,
    Table,
    build_report,
    curves,
    error_map,
    score_table,
    write_report,
)
from nullsight.report.charts import POINTS, chart, signal
from nullsight.report.pictures import data_uri, heat, log_magnitude, plain
from tests.cases.reports import BLACK, content

# --- pictures


def test_values_become_grey_levels_within_the_window() -> None:
    image = torch.tensor([[[-1.0, 0.0, 0.5, 1.0, 7.0]]])
    assert plain(image, (0.0, 1.0)).tolist() == [[0, 0, 128, 255, 255]]
    assert plain(image, None)[0, [0, -1]].tolist() == [0, 255]
    assert plain(torch.full((1, 2, 2), 3.0), None).max() == 0
    assert plain(torch.tensor([[[torch.nan, torch.inf, -torch.inf]]]), (-1.0, 1.0)).tolist() == [[128, 255, 0]]


def test_channels_have_their_meaning() -> None:
    assert plain(torch.tensor([3.0, -4.0]).reshape(2, 1, 1), (0.0, 10.0)).tolist() == [[128]]
    assert plain(torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1), (0.0, 1.0)).tolist() == [[[0, 128, 255]]]
    with pytest.raises(InputError, match="1, 2 or 3 channels"):
        plain(torch.zeros(4, 2, 2), None)


def test_k_space_is_shown_over_decades() -> None:
    k = torch.zeros(2, 2, 1, 3)
    k[0, 0, 0] = torch.tensor([100.0, 1.0, 0.0])
    assert log_magnitude(k, None).tolist() == [[255, 153, 0]]  # two of five decades below the top: 3 / 5 of 255
    joined = torch.zeros(2, 2, 1, 2)
    joined[0, 0, 0, 0], joined[1, 1, 0, 0], joined[0, 0, 0, 1] = 3.0, 4.0, 5.0
    assert log_magnitude(joined, None).tolist() == [[255, 255]]
    assert log_magnitude(torch.zeros(2, 3, 3), None).max() == 0


def test_heat_rises_in_lightness() -> None:
    colours = heat(torch.linspace(0, 1, 256).reshape(1, 1, 256), None)[0].astype(float)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[-1] - lightness[0] > 200


def test_error_maps_hold_the_error() -> None:
    panel = error_map(torch.tensor([[[3.0]], [[0.0]]]), torch.tensor([[[0.0]], [[4.0]]]), top=10)
    assert panel.image.tolist() == [[[5.0]]]
    assert panel.window == (0.0, 10)
    with pytest.raises(InputError, match="one shape"):
        error_map(torch.zeros(1, 2, 2), torch.zeros(1, 3, 3), top=1)
    with pytest.raises(InputError, match="above 0"):
        error_map(BLACK, BLACK, top=0)


def test_embedded_pictures_are_png() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    content = b64decode(data_uri(pixels).split(",")[1])
    assert np.array_equal(imageio.imread(content), pixels)


# --- axes and charts


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_linear_ticks_are_round_and_span_the_values(low: float, span: float) -> None:
    ticks = LinearAxis().ticks(low, low + span)
    steps = np.diff(ticks)
    slack = 1e-6 * max(abs(low), span, 1)
    assert 2 <= len(ticks) <= 9
    assert np.allclose(steps, steps[0], rtol=1e-3)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack


@given(st.floats(-9, 9), st.floats(0, 9))
def test_logarithmic_ticks_span_the_values(low: float, span: float) -> None:
    ticks = LogAxis().ticks(10**low, 10 ** (low + span))
    assert 2 <= len(ticks) <= 9
    assert list(ticks) == sorted(set(ticks))
    assert ticks[0] <= 10**low * 1.001
    assert ticks[-1] >= 10 ** (low + span) * 0.999


def test_points_lie_where_their_values_are() -> None:
    text = chart(Chart("t", "step", "dB", (Curve("a", ((0.0, 10.0), (50.0, 15.0), (100.0, 20.0))),)))
    places = [tuple(map(float, p.split(","))) for p in re.findall(r'points="([^"]*)"', text)[0].split()]
    (left, low), (middle, half), (right, high) = places
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert half == pytest.approx((low + high) / 2, abs=0.1)
    assert low > high  # down is up in drawings
    grid = {float(y) for y in re.findall(r'class="grid"[^>]*y1="([\d.]+)"', text)}
    assert {low, high} <= grid  # 10 and 20 are ticks


def test_logarithmic_charts_leave_out_zero_and_below() -> None:
    points = ((0.0, 0.0), (1.0, 1e-3), (2.0, float("nan")), (3.0, -1.0), (4.0, 1e-1))
    text = chart(Chart("t", "step", "loss", (Curve("a", points),), LogAxis()))
    assert re.findall(r'data-values="([^"]*)"', text) == ["1:0.001;4:0.1"]
    assert "No values to draw" in chart(Chart("t", "step", "loss", (Curve("a", ((0.0, 0.0),)),), LogAxis()))


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    text = chart(Chart("t", "s", "l", (Curve("a", tuple((float(i), float(i)) for i in range(5000))),)))
    [values] = re.findall(r'data-values="([^"]*)"', text)
    assert len(values.split(";")) == POINTS
    assert (values.split(";")[0], values.split(";")[-1]) == ("0:0", "4999:4999")
    assert len(re.findall(r'points="([^"]*)"', text)[0].split()) == POINTS


def test_signals_are_lines() -> None:
    assert signal(torch.zeros(2, 30), None).count("<polyline") == 2
    assert signal(torch.zeros(30), (0.0, 1.0)).count("<polyline") == 1


def test_curves_from_rows_that_lack_keys() -> None:
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "psnr": 20.0}, {"event": "saved"}, {"step": 3, "loss": None}]
    found = curves(rows, {"loss": "total", "psnr": "held out", "ssim": "nowhere"})
    assert found == (Curve("total", ((1.0, 2.0),)), Curve("held out", ((2.0, 20.0),)))


# --- content and page


def test_content_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="panel among a, but 'b' came"):
        Example("e", (Panel("a", BLACK),), ("a", "b"))
    with pytest.raises(InputError, match="one size under the slider"):
        Example("e", (Panel("a", BLACK), Panel("b", torch.zeros(1, 4, 4))), ("a", "b"))
    with pytest.raises(InputError, match="2 cells a row"):
        Table("t", ("a", "b"), (("1",),))
    with pytest.raises(InputError, match="empty"):
        Panel("a", torch.zeros(1, 0, 4))


def test_score_table_states_means_gains_and_what_was_counted() -> None:
    ours = Scores("f(y)", {"residual": (0.1, 0.2, 0.1), "psnr": (30.0, 32.0, 30.0)}, 1.0)
    base = Scores("A_dagger y", {"residual": (0.0, 0.0, 0.0), "psnr": (20.0, 21.0, 20.0)}, 1.0)
    found = score_table(Evaluation((ours, base), ("a", "b", "a again"), (True, True, False), "data range = 1"))
    assert found.head == ("method", "PSNR, dB", "residual", "PSNR gained over it, dB")
    assert found.rows[0][1].startswith("31.00 (")
    assert found.rows[0][-1] == ""
    assert found.rows[1][-1].startswith("+10.50 (+")
    assert "2 of 3 images counted" in found.note
    assert "data range = 1" in found.note
    images = report.image_table(Evaluation((ours,), ("a", "b", "c"), (True, True, False), "r"), "psnr", "t")
    assert images.rows[2] == ("c *", "30.00")


class _Reader(HTMLParser):
    """Collects what a browser would load, and whether every element is closed in its order."""

    VOID = frozenset({"meta", "img", "input", "br", "line", "polyline", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "xlink:href", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page_is_whole_loads_nothing_and_says_what_was_given() -> None:
    page = build_report(content())
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.addresses
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert re.search(r"https?://|@import|url\(", page) is None
    text = "".join(reader.text)
    for said in (
        "Sparse <views> & more",
        "33.4 dB",
        "32.12 .. 34.70",
        "scale 0 .. 0.5",
        "stretched to a square",
        "# <b>",
    ):
        assert said in text
    assert "<views>" not in page
    assert "$" not in page.replace("${", "").split("<script>")[0]


def test_empty_page_is_a_page() -> None:
    reader = _Reader()
    reader.feed(build_report(ReportContent("t", "s")))
    assert reader.open == []
    assert "<h2>" not in build_report(ReportContent("t", "s"))


def test_report_is_written_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / "report.html"
    write_report(path, ReportContent("old", "s"))
    assert write_report(path, ReportContent("new", "s")) == path
    assert "<h1>new</h1>" in path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


# --- in a browser
