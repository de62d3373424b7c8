"""The curves of `gradscope check` as text: `--sweep`, and the error of a numerical derivative by its step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from gradscope.facts.ways import Curve, Ways
from gradscope.reporters.screen.plot import Axes, Trace, plot

_STEEP = 4.0
"""Two neighbouring points are not joined where the line between them is so many times steeper than the
derivative at either of them: forward jumps there."""


def curve_lines(curve: Curve, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """Forward, then its derivative: the numerical one as a line, what backward says as marks on it."""
    x, y = with_gaps(curve)
    forward = plot(
        [Trace("forward", x, y)], Axes(curve.name, "forward"), width=width, height=9, encoding=encoding
    )
    derivatives = [Trace("numerical", curve.at, curve.numerical), Trace("backward", curve.at, curve.backward)]
    derivative = plot(derivatives, Axes(curve.name, "derivative"), width=width, height=9, encoding=encoding)
    return [*forward, *([""] if forward and derivative else []), *derivative]


def step_lines(ways: Ways, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """The error of the central difference by its step, both axes logarithmic; empty where there is none.

    Errors of exactly 0 have no place on such an axis: they are drawn at the rounding of float64.
    """
    rounding = 1e-16
    steps = sorted((step, max(error, rounding)) for step, error in ways.steps)
    trace = Trace("central difference", [step for step, _ in steps], [error for _, error in steps])
    return plot([trace], Axes("h", "relative error", log=True), width=width, height=9, encoding=encoding)


def with_gaps(curve: Curve) -> tuple[Sequence[float], Sequence[float]]:
    """The points of forward, with one that is NaN wherever it jumps between two of them."""
    points = list(zip(curve.at, curve.forward, curve.numerical, strict=True))
    x, y = [], []
    for (x0, y0, slope0), (x1, y1, slope1) in pairwise(points):
        x.append(x0)
        y.append(y0)
        slopes = [abs(slope) for slope in (slope0, slope1) if math.isfinite(slope)]
        height = max((abs(value) for value in curve.forward if math.isfinite(value)), default=0.0)
        if slopes and abs(y1 - y0) > _STEEP * max(slopes) * (x1 - x0) + 1e-9 * height:
            x.append((x0 + x1) / 2)
            y.append(math.nan)
    return [*x, points[-1][0]], [*y, points[-1][1]]
