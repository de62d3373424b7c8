"""Where a sample is evaluated: in float64, or where that raises in the dtypes that it was given in."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.raised import raised
from gradscope.checker.subject import Subject
from gradscope.recorder.stats import dtype_name

_LONGEST_REASON = 200


def point_of(subject: Subject, sample: Sample) -> tuple[Point, str, str]:
    """The point of a sample; why forward cannot be evaluated there, if so; what is to be noted.

    A kernel may be compiled for float32 alone, and a module among the arguments has parameters in float32:
    what raises in float64 is checked in the dtypes of its arguments, where it works in those.
    """
    point = _accepted(Point.of(subject, sample))
    failure = _failure(point)
    if failure:
        given = _accepted(Point.of(subject, sample, dtype=None))
        if given.dtypes != point.dtypes and not _failure(given):
            return given, "", _why_not_float64(failure, given)
    return point, failure, ""


def compared(sample: Sample, point: Point, deadline: Deadline) -> tuple[Point, Comparison, str]:
    """The comparison of a sample, where it was made, and what is to be noted: in the dtypes of the arguments
    where backward raises in float64 and not in those.
    """
    comparison = compare(point, deadline)
    failure = _backward_failure(point) if comparison.failed else ""
    if failure:
        given = _accepted(Point.of(point.subject, sample, dtype=None))
        if given.dtypes != point.dtypes and not _failure(given) and not _backward_failure(given):
            return given, compare(given, deadline), _why_not_float64(failure, given)
    return point, comparison, ""


def _accepted(point: Point) -> Point:
    """The point with the inputs that forward lets be differentiated: all, or those it does not refuse.

    A forward may raise on purpose where an input requires a gradient that its backward does not give.
    """
    if _is_accepted(point, point.active):
        return point
    alone = point.required or tuple(index for index in point.active if _is_accepted(point, (index,)))
    return point.with_leaves({}, alone) if alone and _is_accepted(point, alone) else point


def _is_accepted(point: Point, active: Sequence[int]) -> bool:
    try:
        point.differentiable(active)
    except Exception:  # noqa: BLE001  the user's forward may raise anything; evaluated as it is, it does not
        return False
    return True


def _failure(point: Point) -> str:
    """Why forward cannot be evaluated at a point, in one sentence; "" where it can."""
    try:
        outputs = point.values()
    except Exception as error:  # noqa: BLE001  the user's forward may raise anything
        return f"forward raises {raised(error)}"
    if not point.active:
        return "no argument is a floating-point tensor, so there is no gradient to check"
    if not outputs:
        return "forward returns no floating-point tensor, so there is no gradient to check"
    return ""


def _backward_failure(point: Point) -> str:
    """Why backward cannot be run at a point, in one sentence; "" where it can."""
    try:
        done = point.differentiable()
        outputs = [output for output in done.outputs if output.requires_grad]
        ones = [torch.ones_like(output) for output in outputs]
        torch.autograd.grad(outputs, done.inputs, ones, allow_unused=True)
    except Exception as error:  # noqa: BLE001  the user's code may raise anything
        return f"backward raises {raised(error)}"
    return ""


def _why_not_float64(failure: str, given: Point) -> str:
    reason = failure if len(failure) <= _LONGEST_REASON else f"{failure[: _LONGEST_REASON - 3]}..."
    dtypes = " and ".join(dict.fromkeys(dtype_name(dtype) for dtype in given.dtypes))
    return f"in float64 its {reason}; checked in {dtypes}"
