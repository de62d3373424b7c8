"""The same inputs ten times smaller and ten times larger: other branches of the forward, other terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import quiet
from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point
from gradscope.facts.checks import Facts, WrongGradient

NAME = "other magnitudes"
_SCALES = ((0.1, "ten times smaller"), (10.0, "ten times larger"))
_SECONDS = 0.2
_MOST_GROWTH = 1e12
_ROUNDING = 2.0**-52
_MOST_MOVED = 1e-3


@case(NAME, 15)
def other_magnitudes(setting: Setting) -> Facts:
    """Where an input's values are scaled and forward is finite still, the gradient must be right again."""
    if not setting.gradient_is_right or setting.deliberate:
        return not_applicable(NAME, "the gradient is not the derivative anyway")
    tried = []
    for scale, words in _SCALES:
        point = _scaled(setting.point, scale)
        if not _is_usual(point):
            continue
        with quiet():
            found = compare(point, Deadline(min(_SECONDS, setting.deadline.left())))
        resolved = [one for one in found.wrong if _is_resolved(one, point)]
        if resolved and not found.deliberate:
            condition = f"only where the inputs are {words}"
            wrong = [replace(one, condition=condition) for one in resolved]
            return Facts(failed(NAME, words), wrong_gradients=wrong)
        if _was_compared(found):
            tried.append(words)
    if not tried:
        return not_checked(NAME, "forward is not finite there, or no time was left")
    return passed(NAME, " and ".join(tried))


def _scaled(point: Point, scale: float) -> Point:
    return point.with_leaves({index: point.leaves[index] * scale for index in point.active})


def _is_usual(point: Point) -> bool:
    """Whether forward accepts the point, and returns numbers that are neither infinite nor absurdly large."""
    try:
        with quiet():
            outputs = point.values()
    except Exception:  # noqa: BLE001  a forward may refuse inputs that it was not written for
        return False
    return all(_is_moderate(output) for output in outputs)


def _is_moderate(output: torch.Tensor) -> bool:
    return bool(torch.isfinite(output).all()) and (
        output.numel() == 0 or float(output.abs().max()) < _MOST_GROWTH
    )


def _is_resolved(wrong: WrongGradient, point: Point) -> bool:
    """Whether the output is a smooth function of numbers this large: by the slope that backward gives, the
    rounding of the inputs alone moves it by less than a thousandth. sin(exp(x**2)) is not, at x = 10.
    """
    slope = max(abs(wrong.analytical or 0.0), abs(wrong.numerical))
    with quiet():
        moved = slope * _largest(point.tensors) * _ROUNDING
        return moved <= _MOST_MOVED * _largest(point.values())


def _largest(tensors: Iterable[torch.Tensor]) -> float:
    return max((float(tensor.abs().max()) for tensor in tensors if tensor.numel()), default=0.0)


def _was_compared(comparison: Comparison) -> bool:
    return comparison.complete and not comparison.failed
