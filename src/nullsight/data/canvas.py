"""Painting with edges as soft as a pixel is wide, so that a shape looks the same wherever it lies between pixels."""

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]
Wave = tuple[int, float, float]


class Dice:
    """A row of numbers, uniform on [0, 1), used one after the other."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = iter(numbers.tolist())

    def between(self, low: float, high: float) -> float:
        """Return a number, uniform on [low, high)."""
        return low + (high - low) * float(next(self._numbers))

    def choice(self, count: int) -> int:
        """Return one of 0 .. count - 1."""
        return int(self.between(0, count))


class Canvas:
    """A square image on [-1, 1] x [-1, 1]; what is painted later covers what was there.

    Args:
        size: pixels a side.
        turn: degrees by which everything painted is turned around the middle, counter-clockwise.
        channels: values a pixel has.
        softness: width of an edge in pixels.
    """

    def __init__(self, size: int, turn: float = 0.0, *, channels: int = 1, softness: float = 1.5) -> None:
        self.size, self.turn, self.channels, self.softness = size, turn, channels, softness
        self.values = np.zeros((channels, size, size), np.float32)
        self._line = ((2 * np.arange(size) + 1 - size) / size).astype(np.float32)
        self._turn = np.deg2rad(turn)

    def ellipse(
        self,
        center: Point,
        axes: Point,
        value: float | np.ndarray,
        *,
        turn: float = 0.0,
        waves: Sequence[Wave] = (),
    ) -> None:
        """Paint an ellipse whose edge may undulate.

        Args:
            center: (right, up).
            axes: half axes.
            value: one number, or one a channel.
            turn: degrees, counter-clockwise, of the first axis from the right.
            waves: (number of bulges, relative height, phase in radians), added to the radius.
        """
        reach = max(axes) * (1 + sum(abs(height) for _, height, _ in waves))
        (rows, columns), right, up = self._near(center, reach)
        if not right.size or not up.size:
            return
        u, v = _turned(right, up, -np.deg2rad(turn) - self._turn)
        u, v = u / axes[0], v / axes[1]
        radius = np.sqrt(u * u + v * v) + np.float32(1e-6)
        slope = np.sqrt((u / axes[0]) ** 2 + (v / axes[1]) ** 2) / radius + np.float32(1e-6)
        if waves:
            angle = np.arctan2(v, u)
            edge = sum(np.float32(height) * np.cos(count * angle + np.float32(phase)) for count, height, phase in waves)
            radius = radius / (1 + edge)
        self._cover(rows, columns, (radius - 1) / slope, value)

    def segment(self, start: Point, end: Point, radius: float, value: float | np.ndarray) -> None:
        """Paint all points within ``radius`` of the line from ``start`` to ``end``."""
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        half = np.hypot(end[0] - start[0], end[1] - start[1]) / 2
        (rows, columns), right, up = self._near(middle, float(half) + radius)
        if not right.size or not up.size:
            return
        u, v = _turned(right, up, -np.arctan2(end[1] - start[1], end[0] - start[0]) - self._turn)
        self._cover(rows, columns, np.hypot(np.maximum(np.abs(u) - half, 0), v) - np.float32(radius), value)

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (right, up) of every pixel in the frame that was turned, ``(size, size)`` each."""
        return _turned(self._line[None, :], -self._line[:, None], -self._turn)

    def _near(self, center: Point, reach: float) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        cosine, sine = np.cos(self._turn), np.sin(self._turn)
        x, y = cosine * center[0] - sine * center[1], sine * center[0] + cosine * center[1]
        far = reach + 2 * self.softness / self.size
        rows, columns = self._span(-y, far), self._span(x, far)
        right = (self._line[columns] - np.float32(x))[None, :]
        up = (-self._line[rows] - np.float32(y))[:, None]
        return (rows, columns), right, up

    def _span(self, middle: float, far: float) -> slice:
        first, last = ((side * self.size + self.size - 1) / 2 for side in (middle - far, middle + far))
        return slice(max(int(np.floor(first)), 0), max(int(np.ceil(last)) + 1, 0))

    def _cover(self, rows: slice, columns: slice, distance: np.ndarray, value: float | np.ndarray) -> None:
        part = np.clip(0.5 - distance * (self.size / (2 * self.softness)), 0, 1)
        part = part * part * (3 - 2 * part)
        here = self.values[:, rows, columns]
        here += part * (np.reshape(np.asarray(value, np.float32), (-1, 1, 1)) - here)


def _turned(right: np.ndarray, up: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * right - sine * up, sine * right + cosine * up
