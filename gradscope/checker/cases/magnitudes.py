"""The same inputs ten times smaller and ten times larger: other branches of the forward, other terms."""

from __future__ import annotations

from dataclasses import replace

import torch

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._cost import has_time_to_compare
from gradscope.checker.cases._forms import Reference, quiet, reference
from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point
from gradscope.facts.checks import NO_TIME, Facts

NAME = "other magnitudes"
_SCALES = ((0.1, "ten times smaller"), (10.0, "ten times larger"))
_SECONDS = 0.2
_PART = 8
_MOST_GROWTH = 1e12


@case(NAME, 15)
def other_magnitudes(setting: Setting) -> Facts:
    """Where an input's values are scaled and forward is finite still, the gradient must be right again."""
    if not setting.gradient_is_right or setting.deliberate:
        return not_applicable(NAME, "the gradient is not the derivative anyway")
    tried = []
    for scale, words in _SCALES:
        point = _scaled(setting, scale)
        if not _is_usual(point):
            continue
        if not has_time_to_compare(point, Deadline(max(_SECONDS, setting.deadline.left() / _PART))):
            return not_checked(NAME, f"{NO_TIME} for inputs of this size")
        with quiet():
            found = compare(point, Deadline(min(_SECONDS, setting.deadline.left())))
        if found.wrong and not found.deliberate:
            condition = f"only where the inputs are {words}"
            wrong = [replace(one, condition=condition) for one in found.wrong]
            return Facts(failed(NAME, words), wrong_gradients=wrong)
        if _was_compared(found):
            tried.append(words)
    if not tried:
        return not_checked(NAME, "forward is not finite there, or no time was left")
    return passed(NAME, " and ".join(tried))


def _scaled(setting: Setting, scale: float) -> Point:
    """The point with the inputs scaled that get a gradient: others are data, and may add up to one."""
    point, base = setting.point, reference(setting)
    known = base.gradients if isinstance(base, Reference) else [None for _ in point.active]
    pairs = zip(point.active, known, strict=True)
    learned = [index for index, gradient in pairs if gradient is None or bool(gradient.any())]
    return point.with_leaves({index: point.leaves[index] * scale for index in learned})


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


def _was_compared(comparison: Comparison) -> bool:
    return comparison.complete and not comparison.failed
