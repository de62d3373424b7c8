"""Tensors kept as attributes of `ctx`, past `save_for_backward`.

What is saved with `save_for_backward` is checked for changes in place, and an output saved so keeps no
reference to its own graph. An attribute has neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, passed
from gradscope.checker.cases._passes import as_given, forward, function_of, or_not_checked
from gradscope.checker.cases._returned import argument_names
from gradscope.checker.cases._taps import ForwardCall, tapped
from gradscope.checker.cases._values import shares_memory
from gradscope.checker.point import tensors_of
from gradscope.checker.subjects import sources
from gradscope.facts.checks import ContextTensor, Facts

NAME = "ctx attributes"
INTERMEDIATE = "intermediate"
_TORCHS_OWN = ("saved_for_forward", "_pt_metadata")  # ctx.save_for_forward, ops with lists of tensors
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor that an attribute holds: itself, or in a list, tuple or dict."""

    attribute: str
    tensor: Tensor


@case(NAME, 40)
@or_not_checked(NAME)
def ctx_attributes(setting: Setting) -> Facts:
    """What the contexts of one forward hold."""
    function = function_of(setting)
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    point = as_given(setting)
    with tapped(function) as calls:
        done = forward(point)
    outputs = tensors_of(done.returned)
    facts = [
        _fact(setting, call, kept, outputs) for call in calls.forwards for kept in kept_tensors(call.ctx)
    ]
    escaping = [fact for fact in facts if fact.escapes]
    if escaping:
        first = escaping[0]
        return Facts(failed(NAME, f"ctx.{first.attribute} is {first.holds}"), context_tensors=facts)
    detail = f"{len(facts)} intermediate tensors" if facts else ""
    return Facts(passed(NAME, detail).outcome, context_tensors=facts)


def kept_tensors(ctx: Any) -> list[Kept]:
    """The tensors among the attributes of a context, with those in lists, tuples and dicts."""
    own = getattr(ctx, "__dict__", {})
    return [
        Kept(name, tensor)
        for name, value in own.items()
        if name not in _TORCHS_OWN
        for tensor in _tensors(value, _DEEPEST)
    ]


def _tensors(value: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each, depth - 1)


def _fact(setting: Setting, call: ForwardCall, kept: Kept, outputs: Sequence[Any]) -> ContextTensor:
    holds = held(setting, call, kept.tensor, outputs)
    assigned = call.last(kept.attribute)
    where = assigned.location if assigned is not None else None
    return ContextTensor(
        attribute=kept.attribute,
        holds=holds,
        numel=kept.tensor.numel(),
        nbytes=kept.tensor.numel() * kept.tensor.element_size(),
        location=where or sources.context_assignment(setting.subject, kept.attribute),
        escapes=holds != INTERMEDIATE,
        changed_at=dict(setting.watched.changed).get(kept.attribute),
        leaks=kept.tensor.grad_fn is call.ctx,
    )


def held(setting: Setting, call: ForwardCall, tensor: Tensor, outputs: Sequence[Any]) -> str:
    """What a tensor is, or whose memory it shares: "input x", "output 0", or "intermediate"."""
    tests: tuple[Callable[[Tensor], bool], ...] = (
        lambda one: one is tensor,
        lambda one: shares_memory(one, tensor),
    )
    for same in tests:
        for place, argument in enumerate(call.args):
            if any(same(one) for one in _tensors(argument, _DEEPEST)):
                return f"input {argument_names(setting.point, call)[place]}"
        for place, output in enumerate(outputs):
            if isinstance(output, Tensor) and same(output):
                return f"output {place}"
    return INTERMEDIATE
