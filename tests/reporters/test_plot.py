"""Curves as text."""

from __future__ import annotations

import math

import pytest

from gradscope.facts.ways import Curve, Ways
from gradscope.reporters.screen.curves import curve_lines, step_lines
from gradscope.reporters.screen.plot import Axes, Trace, plot

X = [-3 + i / 10 for i in range(61)]
RELU = [max(0.0, x) for x in X]
SLOPE = [0.0 if x < 0 else 1.0 for x in X]


def area(lines: list[str]) -> list[str]:
    """The cells inside of the frame, row by row."""
    return [line[11:] for line in lines if len(line) > 10 and line[10] in "┤│+|"]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_plot_fits_its_page_and_its_encoding(width: int, encoding: str) -> None:
    lines = plot([Trace("f", X, RELU), Trace("g", X, SLOPE)], width=width, height=9, encoding=encoding)
    assert max(map(len, lines)) <= width
    assert len(lines) == 9 + 3
    "\n".join(lines).encode(encoding)


def test_a_line_in_ascii_is_where_its_points_are() -> None:
    rows = area(plot([Trace("f", [0, 1, 2], [0, 0, 1])], width=40, height=4, encoding="ascii"))
    assert rows[-1].strip(" +-").startswith(".") or rows[-2].startswith(".")
    assert rows[0].rstrip().endswith(".")
    lowest = next(row for row in reversed(rows) if "." in row)
    assert lowest.startswith(".")


def test_marks_stand_on_the_line_where_the_curves_agree() -> None:
    lines = plot([Trace("numerical", X, SLOPE), Trace("backward", X, SLOPE)])
    rows = area(lines)
    assert {index for index, row in enumerate(rows) if "o" in row} <= {
        index for index, row in enumerate(rows) if any("⠀" < c <= "⣿" for c in row)
    }
    assert lines[-1].split() == ["⠤⠤", "numerical", "o", "backward"]


def test_marks_stand_away_from_it_where_they_do_not() -> None:
    rows = area(plot([Trace("numerical", X, [0.0] * 61), Trace("backward", X, [1.0] * 61)]))
    marked = [index for index, row in enumerate(rows) if "o" in row]
    drawn = [index for index, row in enumerate(rows) if any("⠀" < c <= "⣿" for c in row)]
    assert len(marked) == len(drawn) == 1
    assert marked < drawn


def test_what_is_not_finite_is_a_gap() -> None:
    y = [math.nan if 20 < i < 40 else 1.0 for i in range(61)]
    (row,) = [row for row in area(plot([Trace("f", X, y)], encoding="ascii")) if "." in row]
    assert "." * 5 + " " * 10 in row


def test_one_point_is_no_curve() -> None:
    assert plot([Trace("f", [1.0], [1.0])]) == []
    assert plot([Trace("f", [1.0, 2.0], [math.nan, math.inf])]) == []
    assert plot([]) == []


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-12, 1e300])
def test_a_constant_is_a_level_line(value: float) -> None:
    rows = [row for row in area(plot([Trace("f", X, [value] * 61)], encoding="ascii")) if "." in row]
    assert len(rows) == 1


def test_both_axes_can_be_logarithmic() -> None:
    steps = [10.0**-power for power in range(12, 0, -1)]
    lines = plot([Trace("f", steps, [step**2 for step in steps])], Axes("h", "error", log=True))
    assert lines[0].strip() == "error"
    text = "\n".join(lines)
    assert "1e-12" in text
    assert "1e-1 " in text or "1e-2 " in text
    assert lines[-2].endswith("  h")
    steep = [row.find(next(c for c in row if c != " ")) for row in area(lines) if row.strip()]
    assert steep == sorted(steep, reverse=True), "a power law is a straight line"


def test_a_sweep_is_drawn_as_forward_and_its_derivatives() -> None:
    curve = Curve("x", tuple(X), tuple(RELU), tuple(SLOPE), tuple(SLOPE))
    lines = curve_lines(curve)
    assert "forward" in lines[0]
    assert any(line.strip() == "derivative" for line in lines)
    assert max(map(len, lines)) <= 80
    assert sum("numerical" in line and "backward" in line for line in lines) == 1


def test_a_jump_of_forward_is_not_joined() -> None:
    flat = tuple(0.0 for _ in X)
    steps = tuple(float(round(x)) for x in X)
    rows = area(curve_lines(Curve("x", tuple(X), steps, flat, flat), encoding="ascii"))[:9]
    columns = [{i for i, c in enumerate(row) if c == "."} for row in rows]
    assert sum(map(len, columns)) == len(set().union(*columns)), "no column has two levels"


def test_the_error_by_step_is_drawn() -> None:
    ways = Ways(1, 1, (), ((1e-1, 1e-2), (1e-5, 1e-10), (1e-12, 1e-4)))
    lines = step_lines(ways)
    assert "1e-10" in "\n".join(lines)
    assert step_lines(Ways(1, 1, ())) == []
    exact = step_lines(Ways(1, 1, (), ((1e-1, 0.0), (1e-5, 1e-10))))
    assert exact
