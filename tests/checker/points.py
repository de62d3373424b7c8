"""Points of plain functions, for the tests of what is measured at one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gradscope.checker.point import Point, Sample
from gradscope.checker.subject import Subject
from gradscope.facts.checks import SubjectKind


def point_of(function: Callable[..., Any], *args: Any) -> Point:
    """The function at these arguments, in float64; parameters named where they can be."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        signature = None
    name = getattr(function, "__name__", "function")
    return Point.of(Subject(name, SubjectKind.CALLABLE, function, signature), Sample(args))
