"""Outputs that nobody uses: no gradient arrives for them, which must count as zeros.

Torch hands backward zeros there, or None where it called `ctx.set_materialize_grads(False)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
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

NAME = "undefined gradients"
NOTHING_ARRIVES = "where no gradient arrives at all"
_MOST_OUTPUTS = 6


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the differentiable outputs that are used, by number; none of them, where nothing arrives."""

    used: tuple[int, ...]
    condition: str


@case(NAME, 30)
@or_not_checked(NAME)
def undefined_gradients(setting: Setting) -> Facts:
    """Every output alone and all but one, against zeros in the other places; and nothing at all."""
    function, point = function_of(setting), setting.point
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    done = forward(point)
    outputs = differentiable_outputs(done)
    if not outputs:
        return not_applicable(NAME, "no output requires a gradient")
    gradients(done, outputs, cotangents_for(outputs))  # where this raises, another check tells it
    returns: list[WrongReturn] = []
    wrong: list[WrongGradient] = []
    parts = _parts(done.positions, len(outputs))
    for part in parts:
        if setting.deadline.is_over:
            break
        calls, found, error = _of_part(function, point, part)
        if error is not None:
            new = judged_calls(setting.point, calls, error, part.condition).faults
            returns += unknown_yet(new, returns)
        elif setting.gradient_is_right or setting.deliberate:
            zeros = _with_zeros(point, part)
            facts = (differing(point, n, found[n], zeros[n], part.condition) for n in range(len(zeros)))
            wrong += [fact for fact in facts if fact is not None and not is_told(fact, wrong)]
    conditions = [*(fault.condition for fault in returns), *(fact.condition for fact in wrong)]
    if all(condition == NOTHING_ARRIVES for condition in conditions):
        detail = f"raises {NOTHING_ARRIVES}" if conditions else ""
        return Facts(passed(NAME, detail).outcome, wrong_returns=returns, wrong_gradients=wrong)
    return Facts(failed(NAME, conditions[0]), wrong_returns=returns, wrong_gradients=wrong)


def _parts(positions: list[int], count: int) -> list[_Part]:
    nothing = _Part((), NOTHING_ARRIVES)
    if count < 2:
        return [nothing]
    numbers = range(min(count, _MOST_OUTPUTS))
    every = set(range(count))
    alone = [_Part((n,), f"where only output {positions[n]} is used") for n in numbers]
    without = [_Part(tuple(sorted(every - {n})), f"where output {positions[n]} is not used") for n in numbers]
    return [*(without if count > 2 else []), *alone, nothing]


def _of_part(
    function: Function, point: Point, part: _Part
) -> tuple[Calls, list[Tensor | None], Exception | None]:
    with tapped(function) as calls:
        done = forward(point)
        outputs = differentiable_outputs(done)
        cotangents = cotangents_for(outputs)
        try:
            if part.used:
                used = [outputs[number] for number in part.used]
                return calls, gradients(done, used, [cotangents[number] for number in part.used]), None
            with torch.enable_grad():
                undefined = [_undefined(one) for one in outputs]
            return calls, gradients(done, undefined, cotangents), None
        except ProgramRaised as raised:
            return calls, [], raised.error


def _undefined(output: Tensor) -> Tensor:
    """The same output behind a node that hands no gradient on."""
    nothing: Any = torch._C._functions.UndefinedGrad()  # typed as a list, and returns a tensor
    found: Tensor = nothing(output)
    return found


def _with_zeros(point: Point, part: _Part) -> list[Tensor | None]:
    """The gradients with zeros for what the part leaves out."""
    done = forward(point)
    outputs = differentiable_outputs(done)
    given = [
        cotangent if number in part.used else torch.zeros_like(cotangent)
        for number, cotangent in enumerate(cotangents_for(outputs))
    ]
    return gradients(done, outputs, given)
