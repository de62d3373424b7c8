"""Curves as text: one drawn as a line of braille dots, the others as marks on top of it.

         2 ┤                ⣀⠤⠒⠉
           │        ⣀⠤⠒⠉
         0 ┤⠤⠤o⠤⠤o⠊
           └┬───────┬────────┬
           -3       0        3     x
            ⠤⠤ numerical   o backward

Where the encoding has no braille, the line is dotted with `.` and the frame is drawn in ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MARKS: Final = "ox+#"
"""The marks of the curves after the first."""

_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # braille: 4 rows of 2
_BRAILLE: Final = 0x2800
_FRAME: Final = {"line": "⠤⠤", "tick": "┤", "side": "│", "corner": "└", "floor": "─", "foot": "┬"}
_ASCII: Final = {"line": "..", "tick": "+", "side": "|", "corner": "+", "floor": "-", "foot": "+"}
_LABEL: Final = 9  # cells of the labels on the left
_BETWEEN_MARKS: Final = 3  # columns from one mark to the next, so that the line is seen between them


@dataclass(frozen=True, slots=True)
class Trace:
    """One curve, its points in the order of `x`. Where `y` is NaN or infinite there is a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Axes:
    """What stands at the axes; with `log`, both are logarithmic, and what is not above zero is left out."""

    x_label: str = "x"
    y_label: str = ""
    log: bool = False


def plot(
    traces: Sequence[Trace],
    axes: Axes = Axes(),
    *,
    width: int = 80,
    height: int = 11,
    encoding: str = "utf-8",
) -> list[str]:
    """Rows of at most `width` cells: the plot (`height` rows), its x axis, labels, and a legend.

    Empty where no curve has two finite points.
    """
    shown = [_usable(trace, axes.log) for trace in traces]
    points = [point for trace in shown for point in zip(trace.x, trace.y, strict=True) if _finite(point)]
    if len(points) < 2:
        return []
    x_range = _range([x for x, _ in points], axes.log)
    y_range = _range([y for _, y in points], axes.log, room=not axes.log)
    frame = _FRAME if _encodes("⠤┤", encoding) else _ASCII
    columns = max(10, width - _LABEL - len(axes.x_label) - 4)
    grid = _Grid(columns, max(4, height), x_range, y_range, frame is _FRAME)
    grid.line(shown[0])
    for mark, trace in zip(MARKS, shown[1:], strict=False):
        grid.marks(trace, mark)
    heading = [f"{'':{_LABEL}} {axes.y_label}"] if axes.y_label else []
    return [
        row.rstrip()
        for row in (
            *heading,
            *_rows(grid, frame, y_range, axes.log),
            *_floor(grid, frame, x_range, axes),
            _legend(traces, frame),
        )
    ]


# ---------------------------------------------------------------- the area


class _Grid:
    """Cells of dots (2 by 4 in braille, one in ASCII) and of marks over them."""

    def __init__(
        self,
        columns: int,
        rows: int,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        braille: bool,
    ) -> None:
        self.columns, self.rows = columns, rows
        self.across, self.down = (2, 4) if braille else (1, 1)
        self._x, self._y = x_range, y_range
        self._dots = [[0] * columns for _ in range(rows)]
        self._marks = [[""] * columns for _ in range(rows)]

    def column(self, x: float) -> int:
        """The column of dots."""
        return _scaled(x, self._x, self.columns * self.across - 1)

    def row(self, y: float) -> int:
        """The row of dots, 0 at the top."""
        return self.rows * self.down - 1 - _scaled(y, self._y, self.rows * self.down - 1)

    def line(self, trace: Trace) -> None:
        """Joins the points of a curve."""
        pairs = list(zip(trace.x, trace.y, strict=True))
        for point, following in zip(pairs, [*pairs[1:], pairs[-1]], strict=True):
            if _finite(point):
                self._stroke(point, following if _finite(following) else point)

    def marks(self, trace: Trace, mark: str) -> None:
        """Marks some points of a curve, so that what lies below is seen between them; every one that is
        another row than the last.
        """
        last = (-_BETWEEN_MARKS, -1)
        for point in zip(trace.x, trace.y, strict=True):
            if not _finite(point):
                continue
            column, row = self.column(point[0]) // self.across, self.row(point[1]) // self.down
            if column - last[0] >= _BETWEEN_MARKS or (row != last[1] and column != last[0]):
                self._marks[row][column] = mark
                last = (column, row)

    def text(self, row: int) -> str:
        """One row of cells."""
        pairs = zip(self._dots[row], self._marks[row], strict=True)
        return "".join(mark or self._glyph(dots) for dots, mark in pairs)

    def _glyph(self, dots: int) -> str:
        if not dots:
            return " "
        return chr(_BRAILLE + dots) if self.down == 4 else "."

    def _stroke(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        (x0, y0), (x1, y1) = ((self.column(x), self.row(y)) for x, y in (start, end))
        count = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(count + 1):
            self._dot(x0 + round((x1 - x0) * i / count), y0 + round((y1 - y0) * i / count))

    def _dot(self, column: int, row: int) -> None:
        bit = _DOTS[row % 4][column % 2] if self.down == 4 else 1
        self._dots[row // self.down][column // self.across] |= bit


def _scaled(value: float, over: tuple[float, float], last: int) -> int:
    low, high = over
    return min(last, max(0, round((value - low) / (high - low) * last)))


# ---------------------------------------------------------------- values and their ranges


def _usable(trace: Trace, log: bool) -> Trace:
    if not log:
        return trace
    return Trace(trace.label, [_log(x) for x in trace.x], [_log(y) for y in trace.y])


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan


def _finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _range(values: Sequence[float], log: bool, *, room: bool = False) -> tuple[float, float]:
    """Lowest and highest; with `log` whole powers of ten, with `room` a little more than the values take."""
    low, high = min(values), max(values)
    if log:
        low, high = math.floor(low), math.ceil(high)
    if low == high:
        gap = 2.0 if log else abs(low) or 1.0
        return low - gap / 2, high + gap / 2
    extra = 0.03 * (high - low) if room else 0.0
    return low - extra, high + extra


# ---------------------------------------------------------------- the frame


def _rows(grid: _Grid, frame: dict[str, str], y_range: tuple[float, float], log: bool) -> Iterator[str]:
    labels = {grid.row(value) // grid.down: text for value, text in _ticks(y_range, grid.rows, log)}
    for row in range(grid.rows):
        label = labels.get(row, "")
        yield f"{label:>{_LABEL}} {frame['tick' if label else 'side']}{grid.text(row)}"


def _floor(grid: _Grid, frame: dict[str, str], x_range: tuple[float, float], axes: Axes) -> Iterator[str]:
    ticks = [
        (grid.column(x) // grid.across, text) for x, text in _ticks(x_range, grid.columns // 10, axes.log)
    ]
    floor = [frame["floor"]] * grid.columns
    labels = [" "] * (grid.columns + _LABEL + 2)
    taken = 0
    for column, text in sorted(ticks):
        start = max(column + _LABEL + 2 - len(text) // 2, 0)
        if start < taken or start + len(text) > len(labels):
            continue
        floor[column] = frame["foot"]
        labels[start : start + len(text)] = text
        taken = start + len(text) + 1
    yield f"{'':{_LABEL}} {frame['corner']}{''.join(floor)}"
    yield f"{''.join(labels)}  {axes.x_label}"


def _ticks(over: tuple[float, float], most: int, log: bool) -> list[tuple[float, str]]:
    """Round values within a range, at most about so many, with their text."""
    low, high = over
    if log:
        stride = max(1, math.ceil((high - low) / max(2, most)))
        first = math.ceil(low)
        return [(float(power), f"1e{power}") for power in range(first, math.floor(high) + 1, stride)]
    step = _round_up((high - low) / max(2, min(most, 8)))
    first = math.ceil(low / step - 1e-9)
    values = [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]
    return [(value, f"{value:.4g}") for value in values]


def _round_up(step: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step * (1 - 1e-9))


def _legend(traces: Sequence[Trace], frame: dict[str, str]) -> str:
    names = [frame["line"], *MARKS]
    told = [f"{name} {trace.label}" for name, trace in zip(names, traces, strict=False)]
    return f"{'':{_LABEL}}  {'   '.join(told)}"


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
