"""A backward returns the wrong things: too many or too few, of another shape, dtype or kind.

What it finds
    The `torch.autograd.Function` (or custom op) whose backward does not return one gradient for each
    argument of forward: the count, the shape, the device or the type is wrong, also where only some of the
    inputs need a gradient or only some of the outputs are used. A backward that raises, one that rounds
    its gradients to integers or to fewer digits, and one that changes `grad_output` in place.

Why it matters
    Torch refuses most of this only when backward runs, and names neither the argument nor the line. The
    rest it takes in silence: it casts other dtypes, and a gradient changed in place may belong to another
    branch of the graph too.

Example
    ```python
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * ctx.factor


    gradscope_inputs = {"Scale": (torch.randn(4, 3), 2.0)}
    ```

Use instead
    ```python
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * ctx.factor, None


    gradscope_inputs = {"Scale": (torch.randn(4, 3), 2.0)}
    ```

Limits
    What torch mends without loss is right, and silent here: `None` at the end for arguments that are not
    there, gradients of a broadcast input that are not yet summed, float64 for a float32 input. Information
    only where the backward raises `NotImplementedError`, or raises only in half precision that the program
    did not use, and where an integer tensor gets a gradient that torch drops. Where gradscope made the
    inputs up itself, a wrong shape or an exception is probable, not certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, ReturnFault, SubjectKind, WrongReturn
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._checked import backward_place, is_made_up, returns_of

_finding = partial(Finding, "GS602", "wrong-backward-arity")
_NOTHING = "no gradient arrives at all"  # rare and loud, so that it surprises nobody
FORWARD_RAISES = "forward raises"
_MEND = "make backward work on what forward saved; the line it fails on is above"
_AS_FORWARD = "return one gradient for each argument of forward, in their order, and a list for a list"
_LAYOUT = "assume no memory layout: .reshape in place of .view, or .contiguous() first"
_OF_THE_ARGUMENTS = (ReturnFault.SHAPE, ReturnFault.FOR_NO_TENSOR, ReturnFault.RAISES)
"""What may be right with other arguments than those that were tried."""

_ONE_PLACE = "written-to tensor refers to a single memory location"  # torch, where a stride is 0
_NONE_AS_ZEROS = "treat an incoming gradient that is `None` as zeros, or leave `set_materialize_grads` alone"
_ASK = (
    "save in forward what the gradients that are needed take, ask `ctx.needs_input_grad` in backward, and "
    "return `None` for the others"
)
_HALF = "half precision"  # that the program does not use itself: loud, and only under autocast
_BY_CONDITION = {
    _HALF: "let backward compute in the dtype of grad_output: torch.autocast makes it another than forward's",
    "forward mode": "make jvp work on what forward saved; the line it fails on is above",
    "torch.vmap": "use ops that know torch.vmap, or write a `vmap` staticmethod of its own",
    "needs a gradient": _ASK,
    "need a gradient": _ASK,
    "no gradient": _ASK,
    "is used": _NONE_AS_ZEROS,
    "is not used": _NONE_AS_ZEROS,
    "contiguous": _LAYOUT,
    "stride": _LAYOUT,
    "expanded": _LAYOUT,
}


@rule("GS602", "wrong-backward-arity", Severity.ERROR)
def wrong_backward_arity(recording: Recording) -> Iterator[Finding]:
    """One finding for each function, about its worst fault; the others are told with it."""
    for checked in recording.checked:
        yield from (_by_hand(checked, fault) for fault in checked.wrong_returns if fault.against)
        known = [
            fault
            for fault in checked.wrong_returns
            if not fault.against and not fault.condition.endswith(_NOTHING)
        ]
        faults = sorted(_told_once(known), key=lambda fault: -_severity(fault).rank)
        if faults:
            yield _judged(recording, checked, faults)


def _by_hand(checked: CheckedFunction, fault: WrongReturn) -> Finding:
    """What a derivative written by hand (`--against`) returns instead of one."""
    what = f"`{fault.against}`, the derivative of `{checked.name}` by hand,"
    of = f" for `{fault.input_name}`" if fault.input_name else ""
    if fault.fault is ReturnFault.RAISES:
        message, label = f"{what} raises {fault.error.partition(':')[0]}", "it raises"
        fix = f"let it take the arguments of `{checked.name}`, and return its derivative in each input"
    elif fault.fault is ReturnFault.COUNT:
        message, label = f"{what} returns {fault.got}, not {fault.expected}", f"{fault.got} returned"
        fix = "return one derivative for each floating-point input, in order; `None` for one to leave out"
    else:
        message = f"{what} returns {fault.got}{of}, not {fault.expected}"
        label, fix = f"{fault.got}{of}", f"return {fault.expected}{of}"
    return _finding(
        severity=Severity.ERROR,
        message=message,
        location=fault.location,
        label=label,
        subjects=(fault.input_name,) if fault.input_name else (),
        notes=(Note("it says", fault.error),) if fault.error else (),
        evidence={
            "function": checked.name,
            "against": fault.against,
            "fault": fault.fault.value,
            "expected": fault.expected,
            "got": fault.got,
        },
        fix=fix,
    )


def _judged(recording: Recording, checked: CheckedFunction, faults: list[WrongReturn]) -> Finding:
    worst, *others = faults
    raised = (Related(worst.location, "raised here"),) if worst.location is not None else ()
    own = worst.fault in (ReturnFault.RAISES, ReturnFault.CHANGES_COTANGENT)
    return _finding(
        severity=_severity(worst),
        confidence=Confidence.CERTAIN if _is_sure(checked, worst) else Confidence.PROBABLE,
        message=_message(checked, worst),
        location=_place(checked, worst),
        label=_label(worst),
        subjects=tuple(dict.fromkeys(fault.input_name for fault in faults if fault.input_name)),
        related=(*raised, *(() if own else returns_of(recording, checked))),
        notes=_notes(checked, worst, others),
        evidence={
            "function": checked.name,
            "fault": worst.fault.value,
            "input": worst.input_name,
            "expected": worst.expected,
            "got": worst.got,
            "condition": worst.condition,
            "error": worst.error,
        },
        fix=_fix(checked, worst, others),
    )


def _is_sure(checked: CheckedFunction, fault: WrongReturn) -> bool:
    """Whether no arguments that were made up can be to blame, and not backward."""
    return not (is_made_up(checked) and fault.fault in _OF_THE_ARGUMENTS and not fault.condition)


def _told_once(faults: list[WrongReturn]) -> list[WrongReturn]:
    """The faults without what follows from another: a change in place raises where a stride is 0."""
    change = next((each for each in faults if each.fault is ReturnFault.CHANGES_COTANGENT), None)
    raised = [each for each in faults if each.fault is ReturnFault.RAISES and _ONE_PLACE in each.error]
    if change is None or not raised:
        return faults
    first = raised[0]
    cause = replace(change, condition=first.condition, error=first.error, location=first.location)
    return [cause, *(each for each in faults if each is not change and each not in raised)]


def _place(checked: CheckedFunction, fault: WrongReturn) -> Location | None:
    place = {"jvp": checked.jvp, "forward": checked.forward, "backward": checked.backward}[_method(fault)]
    return place or backward_place(checked)


def _severity(fault: WrongReturn) -> Severity:
    """Information where nothing is damaged and nobody is surprised, a warning where digits are lost."""
    match fault.fault:
        case ReturnFault.RAISES:
            is_refusal = fault.error.startswith("NotImplementedError") or _HALF in fault.condition
            return Severity.INFO if is_refusal else Severity.ERROR
        case ReturnFault.FOR_NO_TENSOR:
            return Severity.INFO if "integer tensor" in fault.expected else Severity.ERROR
        case ReturnFault.DTYPE:
            return Severity.WARNING if "float" in fault.got else Severity.ERROR
        case ReturnFault.CHANGES_COTANGENT:
            return Severity.ERROR if fault.error else Severity.WARNING
        case _:
            return Severity.ERROR


def _message(checked: CheckedFunction, fault: WrongReturn) -> str:
    who = f"`{checked.name}`"
    when = f", {fault.condition}" if fault.condition else ""
    match fault.fault:
        case ReturnFault.COUNT:
            arguments = "argument" if fault.expected == "1" else "arguments"
            return f"the backward of {who} returns {fault.got} for {fault.expected} {arguments}{when}"
        case ReturnFault.TYPE:
            what = f" for `{fault.input_name}`" if fault.input_name else ""
            return f"the backward of {who} returns {fault.got}{what}, not {fault.expected}{when}"
        case ReturnFault.FOR_NO_TENSOR:
            kind = fault.expected.removeprefix("None (its argument is ").removesuffix(")")
            return f"the backward of {who} returns a gradient for `{fault.input_name}`, {kind}{when}"
        case ReturnFault.RAISES:
            method = _method(fault)
            need = ", where its inputs need a gradient" if method == "forward" and not when else when
            return f"the {method} of {who} raises {fault.error.partition(':')[0]}{need}"
        case ReturnFault.CHANGES_COTANGENT:
            raises = f", and raises {fault.condition.removeprefix('only ')}" if fault.error else when
            return f"the backward of {who} changes the gradient it is given, in place{raises}"
        case _:
            what = f"{fault.fault.value} {fault.got}, not {fault.expected}"
            return f"the gradient that {who} returns for `{fault.input_name}` has the {what}{when}"


def _method(fault: WrongReturn) -> str:
    """Which of the function's methods raises."""
    if "forward mode" in fault.condition:
        return "jvp"
    return "forward" if fault.got == FORWARD_RAISES else "backward"


def _label(fault: WrongReturn) -> str:
    match fault.fault:
        case ReturnFault.COUNT:
            return f"{fault.got} returned, {fault.expected} expected"
        case ReturnFault.RAISES:
            return f"this {_method(fault)} raises"
        case ReturnFault.CHANGES_COTANGENT:
            return fault.got
        case _:
            return f"{fault.got}, expected {fault.expected}"


def _notes(checked: CheckedFunction, worst: WrongReturn, others: list[WrongReturn]) -> tuple[Note, ...]:
    notes = []
    if worst.error:
        notes.append(Note("torch says" if worst.fault is not ReturnFault.RAISES else "it says", worst.error))
    if not _is_sure(checked, worst):
        text = "the inputs were inferred: it may be right for others (`--input`, `gradscope_inputs`)"
        notes.append(Note("because", text))
    if worst.fault is ReturnFault.CHANGES_COTANGENT:
        text = (
            "the engine may hand the same tensor to other branches of the graph, which then see this change"
        )
        notes.append(Note("because", text))
    if worst.fault is ReturnFault.DTYPE and "float" not in worst.got:
        notes.append(Note("because", "torch casts it back in silence; what came after the point is lost"))
    notes += [Note("also", message) for message in dict.fromkeys(_message(checked, each) for each in others)]
    return tuple(notes[:4])


def _fix(checked: CheckedFunction, fault: WrongReturn, others: list[WrongReturn]) -> str:
    name = f"`{fault.input_name}`"
    match fault.fault:
        case ReturnFault.COUNT:
            whose = "the op" if checked.kind is SubjectKind.CUSTOM_OP else "forward (without ctx)"
            return (
                f"return {fault.expected} values, one for each argument of {whose} in their order, "
                "and `None` for each that needs no gradient"
            )
        case ReturnFault.SHAPE if _is_swapped(fault, others):
            return "return the gradients in the order of forward's arguments: two of them are swapped"
        case ReturnFault.SHAPE:
            return f"return for {name} a gradient of its own shape, {fault.expected}"
        case ReturnFault.DTYPE:
            return f"compute the gradient of {name} in {fault.expected}"
        case ReturnFault.DEVICE:
            return f"return the gradient of {name} on {fault.expected}"
        case ReturnFault.TYPE:
            return "return tensors or `None`, in a tuple: no list, no number, no NumPy array"
        case ReturnFault.FOR_NO_TENSOR:
            return f"return `None` for {name}"
        case ReturnFault.CHANGES_COTANGENT:
            return "write `grad = grad_output.clone()` first, or use the op that is not in place"
        case _ if fault.got == FORWARD_RAISES:
            return "make forward run where its inputs require a gradient; the line it fails on is above"
        case _:
            mend = _MEND if fault.location is not None else _AS_FORWARD
            return next((fix for words, fix in _BY_CONDITION.items() if words in fault.condition), mend)


def _is_swapped(fault: WrongReturn, others: list[WrongReturn]) -> bool:
    """Whether two inputs got each other's shape."""
    return any(
        other.fault is ReturnFault.SHAPE and other.expected == fault.got and other.got == fault.expected
        for other in others
    )
