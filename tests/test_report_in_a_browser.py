"""The report as a browser shows it, where there is one."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from nullsight.report import (
    ReportContent,
    build_report,
)
from tests.cases.reports import content

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--no-first-run", "--hide-scrollbars", "--enable-logging=stderr", "--force-device-scale-factor=1"),
    *("--virtual-time-budget=3000", "--run-all-compositor-stages-before-draw"),
)


def _browse(folder: Path, page: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page and return what the browser printed: the document where asked for, and the console."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [str(CHROMIUM), *OFFLINE, f"--user-data-dir={folder / 'profile'}", *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def _complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def _seen(folder: Path, page: str, size: str = "1280,1100") -> np.ndarray:
    done = _browse(folder, page, f"--screenshot={folder / 'seen.png'}", f"--window-size={size}")
    assert _complaints(done) == []
    return np.asarray(imageio.imread(folder / "seen.png"))[..., :3].astype(int)


@BROWSER
def test_browser_shows_the_page_and_the_slider_moves(tmp_path: Path) -> None:
    page = build_report(content())
    left, middle, right = (_seen(tmp_path, page.replace('value="50"', f'value="{v}"')) for v in (0, 50, 100))
    assert middle.std() > 20  # not blank
    # the picture after the slider is white, the one before is black: what the slider uncovers is all the page's change
    changed = np.abs(right - left).max(-1) > 200
    rows, columns = np.nonzero(changed)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 300 < width < 700
    assert width == pytest.approx(height, abs=12)
    box = (slice(rows.min() + 20, rows.min() + height // 3), slice(columns.min() + 8, columns.max() - 8))
    shown = middle[box].mean((0, 2))
    assert shown[: width // 2 - 20].max() < 20
    assert shown[width // 2 + 20 : width - 40].min() > 235


@BROWSER
@pytest.mark.parametrize("width", [320, 400, 900])
def test_nothing_overflows_and_the_slider_follows_its_input(tmp_path: Path, width: int) -> None:
    page = build_report(content())
    ask = f"""<iframe style="width:{width}px;height:900px" srcdoc="{html.escape(page)}"></iframe><script>
    onload = () => {{
      const page = frames[0].document, range = page.querySelector(".slider input");
      range.value = 25;
      range.dispatchEvent(new Event("input"));
      const svg = page.querySelector(".chart svg"), frame = svg.getBoundingClientRect();
      const place = {{clientX: frame.right - 1, clientY: frame.top + 9}};
      svg.dispatchEvent(new frames[0].PointerEvent("pointermove", place));
      const told = page.querySelector("output").textContent;
      const cut = page.querySelector(".slider").style.getPropertyValue("--cut");
      const wide = page.documentElement.scrollWidth, clip = frames[0].getComputedStyle(page.querySelector(".before"));
      document.title = [wide, cut, clip.clipPath, told].join(" | ");
    }};</script>"""
    done = _browse(tmp_path, ask, "--dump-dom")
    assert _complaints(done) == []
    [title] = re.findall(r"<title>([^<]*)</title>", done.stdout.split("<iframe")[0]) or [""]
    wide, cut, clip, told = title.split(" | ")
    assert int(wide) <= width
    assert cut == "25%"
    assert "75%" in clip
    assert told == "0.001 at 999"


@BROWSER
def test_dark_screens_get_a_dark_page(tmp_path: Path) -> None:
    page = build_report(ReportContent("Title", "Summary."))
    light = _seen(tmp_path, page.replace("(prefers-color-scheme: dark)", "print"), "500,400")
    dark = _seen(tmp_path, page.replace("(prefers-color-scheme: dark)", "screen"), "500,400")
    assert light.mean() > 200
    assert dark.mean() < 60
    assert dark.max() > 200  # the text is light


@BROWSER
def test_a_page_that_loads_or_fails_is_noticed(tmp_path: Path) -> None:
    page = build_report(ReportContent("Title", "Summary."))
    loads = page.replace("<main>", '<main><img src="http://127.0.0.1:9/x.png">')
    assert _complaints(_browse(tmp_path, loads, "--dump-dom"))
    fails = page.replace('"use strict";', '"use strict"; missing();')
    assert _complaints(_browse(tmp_path, fails, "--dump-dom"))
