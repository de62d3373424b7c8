"""Hand-made reports of checks with tables and plots: the ways of differentiating, and a sweep."""

from __future__ import annotations

import math

from gradscope.facts import Curve, Origin, SampleFact, SubjectKind, Way, Ways
from gradscope.report import Report

from .samples_checks import check, function


def _steps() -> tuple[tuple[float, float], ...]:
    """Truncation falls with the square of the step, rounding grows with its inverse."""
    sizes = [10.0**-power for power in range(1, 13)]
    return tuple((size, 0.4 * size**2 + 2e-16 / size) for size in sizes)


def checks_ways() -> Report:
    """A scalar function with a closed form."""
    ways = Ways(
        2,
        1,
        (
            Way("symbolic", None, 0.31, 0.0, exact=True, text="d/dx: 6*x**2; d/dy: cos(y)"),
            Way("one-sided difference, h=1e-8", 3, 4.1e-5, 6.3e-9, exact=False),
            Way("central difference, h=1e-5", 4, 5.2e-5, 2.1e-11, exact=False),
            Way("forward mode", 2, 1.7e-4, 0.0, exact=True, text="2 forward with tangents"),
            Way("reverse mode", 2, 1.4e-4, 1.2e-16, exact=True, text="1 forward + 1 backward"),
        ),
        _steps(),
    )
    one = function(
        "polynomial",
        5,
        kind=SubjectKind.CALLABLE,
        samples=(SampleFact("x float64(), y float64()", "", Origin.GIVEN),),
        saved=None,
        ways=ways,
    )
    return check(one, target="functions.py:polynomial")


def checks_long_form() -> Report:
    """A closed form that no line holds, and ways that do not apply."""
    form = " + ".join(f"{n}*x**{n - 1}*sin(y)**{n}" for n in range(2, 14))
    ways = Ways(
        3,
        2,
        (
            Way("symbolic", None, 1.25, 0.0, exact=True, text=form),
            Way("central difference, h=1e-5", 6, 8.1e-5, math.nan, exact=False),
            Way("forward mode", None, None, None, exact=True, text="the function has no jvp"),
            Way("reverse mode", 3, 1.4e-4, 1.2e-16, exact=True, text="1 forward + 2 backward"),
        ),
    )
    return check(function("series", 5, ways=ways), target="functions.py:series")


def checks_sweep() -> Report:
    """A rectifier whose backward lets gradients through below zero too."""
    at = tuple(-3 + 6 * i / 60 for i in range(61))
    curve = Curve(
        "x",
        at,
        tuple(max(x, 0.0) for x in at),
        tuple(1.0 for _ in at),
        tuple(math.nan if x == 0 else float(x > 0) for x in at),
    )
    return check(function("Relu", 5, curves=(curve,)), target="ops.py:Relu")
