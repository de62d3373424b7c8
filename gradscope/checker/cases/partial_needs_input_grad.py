"""Every input alone, and all but one, requiring a gradient: the same gradients must come.

A backward that asks `ctx.needs_input_grad` takes other branches then, and one that does not may fail on
what it saved for inputs that need nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, passed
from gradscope.checker.cases._differing import differing, is_told
from gradscope.checker.cases._passes import (
    ProgramRaised,
    cotangents_for,
    differentiable_outputs,
    forward,
    function_of,
    gradients,
    or_not_checked,
)
from gradscope.checker.cases._returned import judged_calls, unknown_yet
from gradscope.checker.cases._taps import Calls, Function, tapped
from gradscope.checker.point import Point
from gradscope.facts.checks import Facts, WrongGradient, WrongReturn

NAME = "partial needs_input_grad"
_MOST_INPUTS = 8


@dataclass(frozen=True, slots=True)
class _Part:
    """Some inputs that need a gradient, as numbers of active tensors."""

    numbers: tuple[int, ...]
    condition: str


@case(NAME, 20)
@or_not_checked(NAME)
def partial_needs_input_grad(setting: Setting) -> Facts:
    """Gradients of parts of the inputs against those of all inputs at once."""
    function, point = function_of(setting), setting.point
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    if len(point.active) < 2:
        return not_applicable(NAME, "it has one differentiable input")
    done = forward(point)
    outputs = differentiable_outputs(done)
    whole = gradients(done, outputs, cotangents_for(outputs))
    returns: list[WrongReturn] = []
    wrong: list[WrongGradient] = []
    tried = 0
    needed = [n for n, gradient in enumerate(whole) if gradient is not None or not point.is_spare(n)]
    for part in _parts(point, needed):
        if setting.deadline.is_over:
            break
        tried += 1
        calls, found, error = _of_part(function, point, part)
        new = judged_calls(setting.point, calls, error, part.condition).faults
        returns += unknown_yet(new, returns)
        if (setting.gradient_is_right or setting.deliberate) and error is None:
            wrong += [fact for fact in _different(point, part, found, whole) if not is_told(fact, wrong)]
    if returns or wrong:
        where = (returns[0] if returns else wrong[0]).condition
        return Facts(failed(NAME, where), wrong_returns=returns, wrong_gradients=wrong)
    return passed(NAME, f"{tried} combinations")


def _parts(point: Point, needed: Sequence[int]) -> Iterator[_Part]:
    """Each of the needed inputs alone, and all of them but one; `needed` are numbers of active tensors.

    What the program never differentiates, and gets no gradient, is part of none.
    """
    for number in needed[:_MOST_INPUTS]:
        yield _Part((number,), f"where only `{point.name(number)}` needs a gradient")
    if len(needed) < len(point.active):
        names = ", ".join(f"`{point.name(n)}`" for n in range(len(point.active)) if n not in needed)
        yield _Part(tuple(needed), f"where {names} need{'' if ',' in names else 's'} no gradient")
    if len(needed) > 2:
        for number in needed[:_MOST_INPUTS]:
            others = tuple(other for other in needed if other != number)
            yield _Part(others, f"where all but `{point.name(number)}` need a gradient")


def _of_part(
    function: Function, point: Point, part: _Part
) -> tuple[Calls, list[Tensor | None], Exception | None]:
    with tapped(function) as calls:
        try:
            done = forward(point, [point.active[number] for number in part.numbers])
            outputs = differentiable_outputs(done)
            if not outputs:
                return Calls(), [None for _ in part.numbers], None
            return calls, gradients(done, outputs, cotangents_for(outputs)), None
        except ProgramRaised as raised:
            return calls, [], raised.error


def _different(
    point: Point, part: _Part, found: list[Tensor | None], whole: list[Tensor | None]
) -> Iterator[WrongGradient]:
    for number, gradient in zip(part.numbers, found, strict=True):
        fact = differing(point, number, gradient, whole[number], part.condition)
        if fact is not None:
            yield fact
