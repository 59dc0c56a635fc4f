"""Draw the race from its results: ``python benchmarks/slow/draw_race.py`` writes docs/race.svg."""

import argparse
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nullsight.report.axes import LinearAxis, written
from nullsight.storage import write_atomically

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "results" / "speed" / "race_ct100.json"
PICTURE = ROOT / "docs" / "race.svg"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 680, 380, 56, 16, 34, 46
COLOURS = ("#0b6e99", "#c2571a")


def svg(title: str, curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], goal: float) -> str:
    """Return PSNR over minutes as a picture that stands alone; the goal is a dashed line.

    What lies more than 12 dB below the goal is left out: an untrained network says nothing.
    """
    shown = [(name, [(x, y) for x, y in points if y > goal - 12]) for name, points in curves]
    every = [point for _, points in shown for point in points] or [(0.0, goal)]
    across, up = LinearAxis(), LinearAxis()
    end = max(max(x for x, _ in every), 1e-3)
    x_ticks = [tick for tick in across.ticks(0.0, end) if tick <= end]
    y_ticks = up.ticks(min(*(y for _, y in every), goal), max(*(y for _, y in every), goal + 1))
    low, high = y_ticks[0], y_ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        right = LEFT + x / end * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    for tick, text in zip(y_ticks, written(y_ticks), strict=True):
        _, y = at(0, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for tick, text in zip(x_ticks, written(x_ticks), strict=True):
        x, _ = at(tick, low)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">wall minutes on one core</text>')
    _, y = at(0, goal)
    parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#666" stroke-dasharray="5 4"/>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end" fill="#666">{goal:g} dB</text>')
    for number, (name, points) in enumerate(shown):
        colour, row = COLOURS[number % len(COLOURS)], HEIGHT - BOTTOM - 14 - 18 * (len(shown) - 1 - number)
        track = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in points)
        parts.append(f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<path d="M{WIDTH - 150} {row - 4}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{WIDTH - 122}" y="{row}">{escape(name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def draw(file: Path, picture: Path) -> None:
    """Write the picture of a results file."""
    result = json.loads(file.read_text(encoding="utf-8"))
    curves = [(side["name"], [(one["minutes"], one["psnr"]) for one in side["looks"]]) for side in result["sides"]]
    write_atomically(
        picture, svg("Test PSNR in dB on CT100 (50 views), from sinograms alone", curves, result["goal_db"])
    )


def main(words: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--results", type=Path, default=FILE)
    options.add_argument("--picture", type=Path, default=PICTURE)
    chosen = options.parse_args(words)
    draw(chosen.results, chosen.picture)
    print(f"wrote {chosen.picture}")


if __name__ == "__main__":
    main()
