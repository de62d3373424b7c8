"""What backward itself returns: how many gradients, of which shape, dtype, device and type.

It is looked at before the engine mends it: torch sums an unreduced gradient to the size of its input, casts
dtypes and ignores None at the end, without a word.
"""

from __future__ import annotations

import re

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked
from gradscope.checker.cases._passes import (
    ProgramRaised,
    as_given,
    cotangents_for,
    differentiable_outputs,
    forward,
    function_of,
    gradients,
    or_not_checked,
)
from gradscope.checker.cases._returned import Returned, judged_calls
from gradscope.checker.cases._taps import Calls, Function, tapped
from gradscope.checker.point import Point
from gradscope.facts.checks import CheckOutcome, Facts, Outcome, ReturnFault, WrongReturn

NAME = "returned gradients"
_NO_KERNEL = re.compile("not implemented for|not supported|[Uu]nsupported")  # a dtype, on this device


@case(NAME, 10)
@or_not_checked(NAME)
def returns(setting: Setting) -> Facts:
    """One backward in the sample's own dtypes; in float64 where torch has no kernels for those."""
    function = function_of(setting)
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    calls, error = _backward(function, as_given(setting))
    if error is not None and _NO_KERNEL.search(str(error)):
        calls, error = _backward(function, setting.point)
    if error is None and not calls.backwards:
        return not_checked(NAME, "backward was not called")
    seen = judged_calls(setting.point, calls, error)
    changes = _changes(calls)
    faults = (*seen.faults, *changes)
    if faults:
        return Facts(failed(NAME, _words(faults[0])), wrong_returns=faults)
    return Facts(CheckOutcome(NAME, Outcome.PASSED, _remark(seen)))


def _backward(function: Function, point: Point) -> tuple[Calls, BaseException | None]:
    """What was seen of one forward and one backward, and what was raised.

    A backward may refuse a gradient for what the program never differentiates.
    """
    with tapped(function) as calls:
        try:
            spare = {index for n, index in enumerate(point.active) if point.is_spare(n)}
            done = forward(point, [index for index in point.active if index not in spare])
            outputs = differentiable_outputs(done)
            if outputs:
                gradients(done, outputs, cotangents_for(outputs))
        except ProgramRaised as raised:
            return calls, raised.error
    return calls, None


def _changes(calls: Calls) -> tuple[WrongReturn, ...]:
    """The incoming gradients that backward changed in place: other nodes may have been handed the same."""
    places = dict.fromkeys(place for call in calls.backwards for place in call.changed)
    return tuple(
        WrongReturn(ReturnFault.CHANGES_COTANGENT, None, "", "unchanged", f"grad_output {place} changed")
        for place in places
    )


def _remark(seen: Returned) -> str:
    return "; ".join(seen.remarks[:2])


def _words(fault: WrongReturn) -> str:
    if fault.fault is ReturnFault.RAISES:
        return fault.error
    subject = f"{fault.fault} of {fault.input_name}" if fault.input_name else str(fault.fault)
    return f"{subject}: {fault.got}, expected {fault.expected}"
