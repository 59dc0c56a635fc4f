"""The page: content in, one self-contained HTML text out."""

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from nullsight.report.charts import chart, signal
from nullsight.report.content import Diagnosed, Example, Panel, ReportContent, Table
from nullsight.report.pictures import data_uri, heat
from nullsight.storage import write_atomically

SMALL = 96  # pixels; smaller pictures are enlarged without smoothing, so that their pixels can be seen
STRETCH = 2  # a sinogram of few views would be a thin strip: beyond 1 to 2 a picture fills the square

_TOML = re.compile(
    r"""(?P<remark>^\s*\#.*$)|(?P<section>^\s*\[.*\]\s*$)|(?P<key>^\s*[\w."-]+(?=\s*=))|(?P<text>"[^"\n]*"|'[^'\n]*')""",
    re.MULTILINE,
)


def build_report(content: ReportContent) -> str:
    """Return the page of a run: one HTML file that loads nothing, for light and dark screens of any width.

    Example:
        >>> page = build_report(ReportContent("CT", "Learned from 90 sinograms, without ground truth."))
        >>> "<h1>CT</h1>" in page
        True
    """
    asset = {name: files("nullsight.report").joinpath(name).read_text("utf-8") for name in _ASSETS}
    tiles = [
        f"<li><span>{escape(one.label)}</span><b>{escape(one.value)}</b><small>{escape(one.note)}</small></li>"
        for one in content.headlines
    ]
    charts = "".join(chart(one) for one in content.charts)
    facts = "".join(_facts(title, rows) for title, rows in content.facts)
    sections = [
        ("Reconstructions", "".join(_example(one) for one in content.examples)),
        ("Scores", "".join(_table(one) for one in content.tables)),
        ("Training", f'<div class="charts">{charts}</div>' * bool(charts)),
        ("What can be learned", _diagnosed(content.diagnosis)),
        ("What can be trusted", _diagnosed(content.trust)),
        ("What this rests on", f'<div class="facts">{facts}</div>' * bool(facts)),
        ("Recipe", f'<div class="card"><pre>{_highlighted(content.recipe)}</pre></div>' * bool(content.recipe)),
    ]
    return Template(asset["page.html"]).substitute(
        title=escape(content.title),
        summary=escape(content.summary),
        headlines=f'<ul class="headlines">{"".join(tiles)}</ul>' * bool(tiles),
        body="\n".join(f"<section><h2>{title}</h2>{inner}</section>" for title, inner in sections if inner),
        style=asset["style.css"],
        script=asset["script.js"],
    )


_ASSETS = ("page.html", "style.css", "script.js")


def write_report(path: Path | str, content: ReportContent) -> Path:
    """Write the page of a run, whole or not at all, and return where it is."""
    path = Path(path)
    write_atomically(path, build_report(content))
    return path


def _example(example: Example) -> str:
    panels = "".join(_panel(one) for one in example.panels)
    slider, split = "", ""
    if example.compare is not None:
        before, after = (example.panel(label) for label in example.compare)
        slider, split = _slider(before, after), " split"
    return (
        f'<article class="card"><h3>{escape(example.name)}</h3><div class="example{split}">{slider}'
        f'<div class="panels">{panels}</div></div></article>'
    )


def _slider(before: Panel, after: Panel) -> str:
    pictures = [before.style(before.image, before.window), after.style(after.image, after.window)]
    small = " small" * (max(pictures[0].shape[:2]) < SMALL)
    labels = f"{escape(before.label)} | {escape(after.label)}"
    return (
        '<div class="slider">'
        f'<img decoding="sync" class="after{small}" src="{data_uri(pictures[1])}" alt="{escape(after.label)}">'
        f'<img decoding="sync" class="before{small}" src="{data_uri(pictures[0])}" alt="{escape(before.label)}">'
        f"<span>{escape(before.label)}</span><span>{escape(after.label)}</span>"
        f'<i class="knob"></i><input type="range" min="0" max="100" step="0.1" value="50" aria-label="{labels}"></div>'
    )


def _panel(panel: Panel) -> str:
    stretched = panel.image.ndim >= 3 and max(panel.image.shape[-2:]) > STRETCH * min(panel.image.shape[-2:])
    ramp = '<i class="ramp"></i>' * (panel.style is heat)
    remarks = [panel.caption] * bool(panel.caption) + ["stretched to a square"] * stretched
    caption = f"<small>{escape(', '.join(remarks))}</small>" * bool(remarks)
    picture = _drawn(panel) if panel.image.ndim < 3 else _pixels(panel.style(panel.image, panel.window), panel.label)
    return f'<figure class="panel">{picture}{ramp}<figcaption>{escape(panel.label)}{caption}</figcaption></figure>'


def _drawn(panel: Panel) -> str:
    return f'<div class="well">{signal(panel.image, panel.window)}</div>'


def _pixels(pixels: np.ndarray, label: str) -> str:
    high, wide = pixels.shape[:2]
    shape = " stretch" * (max(high, wide) > STRETCH * min(high, wide))
    small = " small" * (max(high, wide) < SMALL)
    return f'<img decoding="sync" class="well{shape}{small}" src="{data_uri(pixels)}" alt="{escape(label)}">'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr{_STRONG * (number == table.strong)}>{''.join(_cell(cell) for cell in row)}</tr>"
        for number, row in enumerate(table.rows)
    )
    note = f'<p class="note">{escape(table.note)}</p>' * bool(table.note)
    return (
        f'<div class="card"><h3>{escape(table.title)}</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}</div>"
    )


_STRONG = ' class="strong"'
_INTERVAL = re.compile(r"(?P<mean>[-+\d.]+) \((?P<ends>[^()]*)\)")


def _cell(text: str) -> str:
    """Return a cell; what stands in brackets after a number, its interval, goes on a line of its own."""
    found = _INTERVAL.fullmatch(text)
    if found is None:
        return f"<td>{escape(text)}</td>"
    return f"<td>{escape(found['mean'])}<small>{escape(found['ends'])}</small></td>"


def _diagnosed(found: Diagnosed | None) -> str:
    if found is None:
        return ""
    lines = escape("\n".join(found.lines))
    panels = "".join(_panel(one) for one in found.panels)
    pictures = f'<article class="card"><div class="example"><div class="panels">{panels}</div></div></article>'
    charts = "".join(chart(one) for one in found.charts)
    return (
        f'<div class="card"><h3>{escape(found.verdict.capitalize())}</h3><pre class="wrap">{lines}</pre></div>'
        f'<div class="charts">{charts}</div>{pictures * bool(panels)}'
    )


def _facts(title: str, rows: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<div class="card"><h3>{escape(title)}</h3><dl>{items}</dl></div>'


def _highlighted(recipe: str) -> str:
    """Return TOML with sections, keys, texts and remarks in spans."""
    out, end = [], 0
    for found in _TOML.finditer(recipe):
        out.append(escape(recipe[end : found.start()]))
        out.append(f'<span class="{found.lastgroup}">{escape(found.group())}</span>')
        end = found.end()
    return "".join([*out, escape(recipe[end:])])
