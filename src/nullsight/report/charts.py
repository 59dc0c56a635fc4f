"""Charts and signals as inline SVG: axes, grid, legend and the values under the pointer."""

from collections.abc import Sequence
from html import escape

import numpy as np
from torch import Tensor

from nullsight.report.axes import LinearAxis, written
from nullsight.report.content import Chart, Curve

WIDTH, HEIGHT = 560, 300  # user units; the page scales the drawing to its column
LEFT, RIGHT, TOP, BOTTOM = 66, 24, 14, 46
POINTS = 400  # at most this many points a curve: more cannot be told apart at this width


def chart(of: Chart) -> str:
    """Return a chart as a ``<figure>``; one without any value that can be drawn says so."""
    shown = [
        Curve(one.name, tuple((x, y) for x, y in one.points if np.isfinite(x) and of.y_axis.shows(y)))
        for one in of.curves
    ]
    points = [point for one in shown for point in one.points]
    title = f"<figcaption>{escape(of.title)}</figcaption>"
    if not points:
        return f'<figure class="chart">{title}<p class="note">No values to draw.</p></figure>'
    across, up = LinearAxis(), of.y_axis
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    x_ticks = [t for t in across.ticks(x_low, x_high) if x_low <= t <= x_high] or [x_low]
    y_ticks = up.ticks(min(y for _, y in points), max(y for _, y in points))
    x_span = (x_low, x_high) if x_high > x_low else (x_low - 1, x_high + 1)
    y_span = (up.place(y_ticks[0]), up.place(y_ticks[-1]))

    def at(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (x - x_span[0]) / (x_span[1] - x_span[0]) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (up.place(y) - y_span[0]) / (y_span[1] - y_span[0]) * (HEIGHT - TOP - BOTTOM)
        return right, down

    grid = []
    for tick, text in zip(y_ticks, written(y_ticks), strict=True):
        _, y = at(x_span[0], tick)
        grid.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        grid.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for tick, text in zip(x_ticks, written(x_ticks), strict=True):
        x, _ = at(tick, y_ticks[0])
        grid.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>')
    grid.append(
        f'<text class="axis" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(of.x_label)}</text>'
    )
    lines = "".join(_line(one, number, [at(x, y) for x, y in _thinned(one.points)]) for number, one in enumerate(shown))
    legend = "".join(
        f'<li><i class="s{number % 6}"></i>{escape(one.name)} <output></output></li>'
        for number, one in enumerate(shown)
    )
    return (
        f'<figure class="chart">{title}<p class="unit">{escape(of.y_label)}</p>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(of.title)}">{"".join(grid)}'
        f'<line class="cross" x1="-9" x2="-9" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>{lines}</svg>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def signal(values: Tensor, window: tuple[float, float] | None) -> str:
    """Return a signal ``(length,)`` or ``(channels, length)`` as a small line drawing in ``window``."""
    rows = values.detach().cpu().double().reshape(-1, values.shape[-1]).numpy()
    low, high = (float(rows.min()), float(rows.max())) if window is None else window
    spread = (high - low) or 1.0
    lines = []
    for number, row in enumerate(rows):
        places = _thinned([(float(i), float(v)) for i, v in enumerate(row) if np.isfinite(v)])
        end = max(len(row) - 1, 1)
        dots = [(4 + 192 * i / end, 196 - 192 * (min(max(v, low), high) - low) / spread) for i, v in places]
        lines.append(_line(Curve("", tuple(places)), number, dots))
    return f'<svg class="signal" viewBox="0 0 200 200" preserveAspectRatio="none">{"".join(lines)}</svg>'


def _line(curve: Curve, number: int, dots: Sequence[tuple[float, float]]) -> str:
    values = _thinned(curve.points)
    track = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    told = ";".join(f"{x:.6g}:{y:.4g}" for x, y in values)
    mark = (
        f'<circle class="s{number % 6}" cx="{dots[0][0]:.1f}" cy="{dots[0][1]:.1f}" r="3"/>' if len(dots) == 1 else ""
    )
    return f'<polyline class="s{number % 6}" points="{track}" data-values="{told}"/>{mark}'


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most ``POINTS`` of the points, evenly, the first and the last among them."""
    if len(points) <= POINTS:
        return list(points)
    return [points[round(i * (len(points) - 1) / (POINTS - 1))] for i in range(POINTS)]
