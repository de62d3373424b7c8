"""What one backward returned, held against what its forward was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.cases._taps import BackwardCall, Calls, ForwardCall
from gradscope.checker.point import Point, is_differentiable
from gradscope.checker.raised import raised, raised_at
from gradscope.facts.checks import ReturnFault, WrongReturn
from gradscope.recorder.stats import dtype_name

BACKWARD_RAISES = "backward raises"
FORWARD_RAISES = "forward raises"  # only where an input requires a gradient: it runs without


@dataclass(frozen=True, slots=True)
class Returned:
    """`faults` in the order of the arguments; `remarks` are what the engine mends without loss."""

    faults: tuple[WrongReturn, ...] = ()
    remarks: tuple[str, ...] = ()


def judged_calls(point: Point, calls: Calls, error: BaseException | None, condition: str = "") -> Returned:
    """The faults of every backward that was seen. `error` is what came out of the engine, if anything did.

    Torch's message goes with the first fault that stops it; a message of torch's that belongs to no fault
    we know is a fault of its own.
    """
    faults: list[WrongReturn] = []
    remarks: list[str] = []
    for call in calls.backwards:
        forward = calls.forward_of(call.ctx)
        if call.error is None and forward is not None:
            faults += _faults(point, forward, call)
            remarks += _remarks(point, forward, call)
    if error is not None:
        faults = _with_error(faults, calls, error)
    named = tuple(replace(fault, condition=condition) for fault in dict.fromkeys(faults))
    return Returned(named, tuple(dict.fromkeys(remarks)))


def unknown_yet(faults: Iterable[WrongReturn], known: Sequence[WrongReturn]) -> list[WrongReturn]:
    """Those that were not seen before: the same fault of the same gradient, or raised on the same line."""
    seen = {_what(fault) for fault in known}
    return [fault for fault in faults if _what(fault) not in seen]


def _what(fault: WrongReturn) -> tuple[object, ...]:
    where = fault.location.at if fault.location is not None else None
    return (fault.fault, fault.input, where, fault.got)


def _with_error(faults: list[WrongReturn], calls: Calls, error: BaseException) -> list[WrongReturn]:
    message = raised(error)
    own = next((call for call in calls.backwards if call.error is error), None)
    loud = next((at for at, fault in enumerate(faults) if _stops(fault)), None)
    if own is None and loud is not None:
        faults[loud] = replace(faults[loud], error=message)
        return faults
    where = own.location if own is not None else raised_at(error)
    got = BACKWARD_RAISES if calls.backwards else FORWARD_RAISES
    raises = WrongReturn(ReturnFault.RAISES, None, "", "gradients", got, error=message, location=where)
    return [raises, *faults]


def _stops(fault: WrongReturn) -> bool:
    """Whether torch refuses this; it casts other dtypes, and drops the gradients of integer tensors."""
    silent = fault.fault is ReturnFault.DTYPE and "complex" not in fault.got
    return not silent and not (fault.fault is ReturnFault.FOR_NO_TENSOR and fault.expected == INTEGER)


INTEGER = "None (its argument is an integer tensor)"


def _faults(point: Point, forward: ForwardCall, call: BackwardCall) -> Iterator[WrongReturn]:
    returned, args = call.returned, forward.args
    entries = returned if isinstance(returned, tuple) else (returned,)
    extra = entries[len(args) :]
    if len(entries) < len(args) or any(entry is not None for entry in extra):
        hidden = _hidden(forward)
        wanted, got = len(args) - hidden, len(entries) - hidden
        if isinstance(returned, list):
            yield WrongReturn(ReturnFault.TYPE, None, "", "a tensor or a tuple", f"a list of {len(returned)}")
        else:
            yield WrongReturn(ReturnFault.COUNT, None, "", str(wanted), str(got))
        return
    needed, names = tuple(call.ctx.needs_input_grad), argument_names(point, forward)
    tensors = 0
    for place, (entry, argument) in enumerate(zip(entries, args, strict=False)):
        is_tensor = isinstance(argument, Tensor)
        number = tensors if is_tensor else None
        tensors += is_tensor
        if entry is not None:
            name = names[place]
            yield from _of_one(entry, argument, number, name, needed[place : place + 1] == (True,), call)


def _of_one(
    entry: Any, argument: Any, number: int | None, name: str, needed: bool, call: BackwardCall
) -> Iterator[WrongReturn]:
    """What is wrong with the gradient of one argument; at most one thing."""
    if not isinstance(entry, Tensor):
        kind = with_article(type(entry).__name__)
        yield WrongReturn(ReturnFault.TYPE, number, name, "a tensor or None", kind)
    elif not isinstance(argument, Tensor):
        why = f"None (its argument is {with_article(type(argument).__name__)})"
        yield WrongReturn(ReturnFault.FOR_NO_TENSOR, None, name, why, "a tensor")
    elif not is_differentiable(argument):
        yield WrongReturn(ReturnFault.FOR_NO_TENSOR, number, name, INTEGER, "a tensor")
    elif needed:
        yield from _of_a_needed_one(entry, argument, number, name, call)


def _of_a_needed_one(
    entry: Tensor, argument: Tensor, number: int | None, name: str, call: BackwardCall
) -> Iterator[WrongReturn]:
    if not _reducible(entry, argument):
        yield WrongReturn(ReturnFault.SHAPE, number, name, _shape(argument), _shape(entry))
    elif entry.device != argument.device and entry.dim() > 0:
        yield WrongReturn(ReturnFault.DEVICE, number, name, str(argument.device), str(entry.device))
    elif _loses(entry.dtype, argument.dtype, call.cotangents):
        yield WrongReturn(
            ReturnFault.DTYPE, number, name, dtype_name(argument.dtype), dtype_name(entry.dtype)
        )


def _remarks(point: Point, forward: ForwardCall, call: BackwardCall) -> Iterator[str]:
    """What torch mends: unreduced broadcast gradients, wider dtypes, and None at the end."""
    entries = call.returned if isinstance(call.returned, tuple) else (call.returned,)
    extra = entries[len(forward.args) :]
    if extra and all(entry is None for entry in extra):
        yield f"{len(entries)} gradients for {len(forward.args)} arguments: torch ignores None at the end"
    names = argument_names(point, forward)
    for place, (entry, argument) in enumerate(zip(entries, forward.args, strict=False)):
        if not isinstance(entry, Tensor) or not is_differentiable(argument):
            continue
        name = names[place]
        if entry.shape != argument.shape and _reducible(entry, argument):
            yield f"{name}: of shape {_shape(entry)}, torch sums it to {_shape(argument)}"
        elif entry.dtype != argument.dtype and not _loses(entry.dtype, argument.dtype, call.cotangents):
            yield f"{name}: {dtype_name(entry.dtype)}, torch casts it to {dtype_name(argument.dtype)}"


def argument_names(point: Point, call: ForwardCall) -> list[str]:
    """The names of the arguments of a forward; of a custom op's, where lists of tensors were opened."""
    signature = point.subject.signature
    names = list(signature.parameters) if signature is not None else []
    count = len(call.args) - _hidden(call)
    known = list(point.names) if len(point.names) == count != len(names) else names
    return [known[place] if place < len(known) else f"args[{place}]" for place in range(len(call.args))]


def _hidden(call: ForwardCall) -> int:
    """How many arguments torch itself adds at the end: one for a custom op, two where it takes lists."""
    return sum(type(argument).__module__ == "torch._library.autograd" for argument in call.args)


def _reducible(entry: Tensor, argument: Tensor) -> bool:
    """Whether the engine takes this shape: the argument's own, or one that it can be expanded to."""
    try:
        argument.detach().expand(entry.shape)
    except RuntimeError:  # the shape cannot be expanded to the gradient's
        return False
    return True


def _loses(got: torch.dtype, wanted: torch.dtype, cotangents: Sequence[Any]) -> bool:
    """Whether a gradient of that dtype has lost precision that both its input and what arrived had."""
    if got == wanted:
        return False
    if not (got.is_floating_point or got.is_complex) or (got.is_complex and not wanted.is_complex):
        return True
    arrived = [torch.finfo(each.dtype).eps for each in cotangents if isinstance(each, Tensor)]
    return torch.finfo(got).eps > max(torch.finfo(wanted).eps, *arrived)


def with_article(noun: str) -> str:
    """ "a float", "an int"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
