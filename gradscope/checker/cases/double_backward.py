"""The gradient of the gradient: whether it is there, and right.

A second derivative is lost without a word where backward works outside the graph, where it multiplies with
what forward computed without one, and where it is `once_differentiable` and the incoming gradient is
constant. A second backward that raises is loud, and no fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._cost import has_time_to_compare
from gradscope.checker.cases._first_gradients import first_gradients
from gradscope.checker.cases._own_dtype import is_right_as_given
from gradscope.checker.cases._passes import (
    ProgramRaised,
    cotangents_for,
    differentiable_outputs,
    forward,
    function_of,
    gradients,
    or_not_checked,
)
from gradscope.checker.cases._taps import ForwardCall, Function, tapped
from gradscope.checker.cases.ctx_attributes import kept_tensors
from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, tensors_of
from gradscope.checker.subjects import sources
from gradscope.facts.checks import (
    NO_TIME,
    Cause,
    CheckOutcome,
    DoubleFault,
    Facts,
    Outcome,
    WrongDouble,
    WrongGradient,
)
from gradscope.finding import Location

NAME = "double backward"
_ONLY_IN_FLOAT64 = "is wrong in float64, and right in the dtype of the arguments"
_NO_MISTAKES = (Cause.KINK, Cause.NOT_DIFFERENTIABLE, Cause.LOW_PRECISION, Cause.SURROGATE)


@dataclass(frozen=True, slots=True)
class _Second:
    """One comparison of the gradients of the first gradients; `raised` is the second backward's own error."""

    comparison: Comparison = field(default_factory=Comparison)
    given: tuple[Tensor | None, ...] = ()
    raised: str = ""


@case(NAME, 50)
@or_not_checked(NAME)
def double_backward(setting: Setting) -> Facts:
    """The first gradients as a function of the inputs, and of the cotangents, against their derivatives.

    An approximation has derivatives of its own, and nobody misses them but a program that takes them.
    """
    function = function_of(setting)
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    is_approximate = setting.subject.declared is not None or setting.deliberate
    if is_approximate and setting.watched.twice_at is None:
        return not_applicable(NAME, "the gradient is an approximation on purpose")
    if not (setting.gradient_is_right or is_approximate):
        return not_checked(NAME, "the first gradient is not known to be right")
    by_inputs = _second(setting, by_inputs=True)
    spare = {setting.point.name(n) for n in range(len(setting.point.active)) if setting.point.is_spare(n)}
    once = setting.subject.once_differentiable
    by_cotangents = _Second() if once else _second(setting, by_inputs=False)
    found = [
        (second, wrong)
        for second in (by_inputs, by_cotangents)
        for wrong in second.comparison.wrong
        if wrong.cause not in _NO_MISTAKES and not second.comparison.deliberate
        if wrong.input_name not in spare
    ]
    facts: list[WrongDouble] = []
    notes: list[str] = []
    for second, wrong in found:
        if is_right_as_given(setting, wrong.input, by_inputs=second is by_inputs):
            notes.append(f"the second derivative by `{wrong.input_name}` {_ONLY_IN_FLOAT64}")
        else:
            facts.append(_fact(setting, function, second, wrong))
    outcome = _outcome(setting, (by_inputs, by_cotangents), facts)
    return Facts(outcome, wrong_doubles=facts, notes=notes)


def _second(setting: Setting, *, by_inputs: bool) -> _Second:
    point = first_gradients(setting.point, by_inputs=by_inputs)
    if point is None:
        return _Second()
    try:
        done = forward(point)
        if not has_time_to_compare(point, setting.deadline):
            return _Second(Comparison(complete=False))
        outputs = differentiable_outputs(done)
        given = tuple(gradients(done, outputs, cotangents_for(outputs)))
        located = setting.watched.twice_at is not None or not setting.subject.once_differentiable
        return _Second(compare(point, Deadline(setting.deadline.left() / 2), locate=located), given)
    except ProgramRaised as error:
        return _Second(raised=str(error))


def _outcome(setting: Setting, seconds: tuple[_Second, ...], facts: list[WrongDouble]) -> CheckOutcome:
    declared = setting.subject.once_differentiable
    if facts and not declared:
        lost = facts[0].fault is DoubleFault.DROPPED
        return failed(NAME, f"{'dropped' if lost else 'wrong'} for {facts[0].input_name}")
    if declared:
        return CheckOutcome(NAME, Outcome.NOT_APPLICABLE, "declared once_differentiable")
    raised = next((second.raised for second in seconds if second.raised), "")
    if raised:
        return CheckOutcome(NAME, Outcome.NOT_APPLICABLE, f"a second backward raises: {raised}")
    why = next((second.comparison.failed for second in seconds if second.comparison.failed), "")
    if why:
        return CheckOutcome(NAME, Outcome.NOT_CHECKED, why)
    if not all(second.comparison.complete for second in seconds):
        return CheckOutcome(NAME, Outcome.NOT_CHECKED, f"{NO_TIME} for some inputs")
    return passed(NAME).outcome


def _fact(setting: Setting, function: Function, second: _Second, wrong: WrongGradient) -> WrongDouble:
    declared = setting.subject.once_differentiable
    own = second.given[wrong.input] if wrong.input < len(second.given) else None
    lost = own is None or not bool(torch.count_nonzero(own))
    because, text = (None, "") if declared else _cut(setting, function)
    return WrongDouble(
        fault=DoubleFault.ONCE if declared else DoubleFault.DROPPED if lost else DoubleFault.WRONG,
        input_name=wrong.input_name,
        declared=declared,
        silent=True,
        analytical=wrong.analytical,
        numerical=wrong.numerical,
        uncertainty=wrong.uncertainty,
        used_at=setting.watched.twice_at,
        because=because,
        because_text=text,
    )


# ---------------------------------------------------------------- what cuts


def _cut(setting: Setting, function: Function) -> tuple[Location | None, str]:
    """The line that leaves the graph: in backward, or where forward keeps what it computed without one."""
    for line, what in sources.cutting_lines(setting.subject):
        return line, f"{what} leaves the graph"
    with tapped(function) as calls:
        done = forward(setting.point)
    outputs = tensors_of(done.returned)
    for call in calls.forwards:
        for name, tensor in _kept(call):
            if _is_cut(call, tensor, outputs):
                assigned = call.last(name)
                where = assigned.location if assigned is not None else None
                return where, "forward computed this without a graph, and keeps it for backward"
    return None, ""


def _kept(call: ForwardCall) -> list[tuple[str, Tensor]]:
    saved = [("to_save", tensor) for tensor in call.tensors_of("to_save")]
    return [*saved, *((kept.attribute, kept.tensor) for kept in kept_tensors(call.ctx))]


def _is_cut(call: ForwardCall, tensor: Tensor, outputs: list[object]) -> bool:
    """Whether a floating-point tensor is neither an input nor an output itself, so that it has no graph."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return not any(tensor is other for other in (*call.args, *outputs))
