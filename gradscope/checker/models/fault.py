"""From wrong gradients to the module whose backward is at fault, and to the custom Function in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from gradscope.checker.models.calls import Applied, Call, ModelCalls
from gradscope.checker.models.slope import Verdict
from gradscope.checker.point import Deadline, Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.checker.subjects.sources import lines_of_module
from gradscope.facts.checked_model import FaultyModule
from gradscope.facts.checks import CheckedFunction, Origin

T = TypeVar("T")
_FUNCTION_SECONDS = 2.0


def last_wrong(items: Sequence[T], is_wrong: Callable[[Sequence[T]], bool]) -> int | None:
    """The index of the last item that is wrong, None where all are right: about log2(items) questions.

    `is_wrong` says of several items together whether one of them is.
    """
    if not items or not is_wrong(items):
        return None
    right = len(items)
    wrong = 0  # something wrong is at or after it
    while right - wrong > 1:
        middle = (wrong + right) // 2
        if is_wrong(items[middle:]):
            wrong = middle
        else:
            right = middle
    return wrong


def faulty_call(calls: ModelCalls, wrong: Sequence[str], deadline: Deadline) -> tuple[Call, bool] | None:
    """The innermost call whose output's gradient is right and whose input's, or own parameter's, is not.

    The flag says that none of the calls in it is such: its own code between them is at fault. `wrong` are
    the names of wrong parameters. None where it could not be told, or no time was left.
    """

    def is_wrong(places: Sequence[str]) -> bool:
        return not deadline.is_over and calls.slope(places).verdict is Verdict.DIFFERS

    def any_wrong(several: Sequence[Call]) -> bool:
        places = [place for call in several for place in call.returned]
        return bool(places) and is_wrong(places)

    index = last_wrong(calls.calls, any_wrong)
    last = calls.calls[index] if index is not None else None
    later = calls.calls if index is None else calls.calls[index + 1 :]
    candidates = [call for call in later if call.given and not (last is not None and last.is_inside(call))]
    found = _with_wrong_inputs(candidates, is_wrong)
    if deadline.is_over:
        return None
    if found is not None:
        has_parts = any(call.parent is found for call in calls.calls)
        return found, has_parts
    if last is not None:
        return (last.parent, True) if last.parent is not None else None
    return _owner(calls, wrong)


def _with_wrong_inputs(calls: Sequence[Call], is_wrong: Callable[[Sequence[str]], bool]) -> Call | None:
    """The innermost of the calls whose inputs' gradients are wrong: the last to begin among nested ones."""

    def any_wrong(several: Sequence[Call]) -> bool:
        return is_wrong([place for call in several for place in call.given])

    index = last_wrong(calls, any_wrong)
    if index is None:
        return None
    found = calls[index]
    for call in calls[:index]:
        if call.is_inside(found) and is_wrong(call.given):
            found = call
    return found


def _owner(calls: ModelCalls, wrong: Sequence[str]) -> tuple[Call, bool] | None:
    """The call of the module that a wrong parameter belongs to, the last one used."""
    for call in reversed(calls.calls):
        prefix = f"{call.name}." if call.name else ""
        own = {prefix + name for name, _ in call.module.named_parameters(recurse=False)}
        if own & set(wrong):
            return call, any(True for _ in call.module.children())
    root = next((call for call in calls.calls if call.parent is None), None)
    return (root, True) if root is not None else None


def described(call: Call, between: bool) -> FaultyModule:
    """The fact of a call. Torch's own modules have no place in the program."""
    kind = type(call.module)
    own = None if kind.__module__.startswith("torch.") else lines_of_module(call.module).forward
    return FaultyModule(call.name, kind.__name__, own, between)


def functions_in(calls: ModelCalls, call: Call, between: bool) -> Iterator[Applied]:
    """The calls of custom Functions in a call; `between` leaves out those inside its parts."""
    seen: set[type] = set()
    for applied in calls.applied:
        inside = applied.call is call or (not between and applied.call.is_inside(call))
        if inside and applied.function not in seen:
            seen.add(applied.function)
            yield applied


def checked_function(applied: Applied, where: str) -> CheckedFunction | None:
    """What the checks of a Function find on the arguments of the model's own call."""
    subject = subject_of(applied.function, applied.function.__name__)
    if subject is None:
        return None
    sample = Sample(applied.args, applied.kwargs, f"its call in {where}", Origin.CAPTURED)
    return check_function(subject, [sample], Limits(_FUNCTION_SECONDS))


def is_wrong_function(checked: CheckedFunction) -> bool:
    """Whether something about a Function's gradient was found."""
    return bool(checked.wrong_gradients or checked.wrong_returns)
