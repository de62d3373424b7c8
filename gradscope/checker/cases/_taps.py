"""What a Function's own methods are given and return, seen without a change of what they do.

While `tapped(function)` is open, the class's `forward`, `setup_context` and `backward` (or `vjp`) are
wrapped, and its contexts tell of every attribute that is set on them: `save_for_backward`, `mark_dirty` and
`ctx.x = x` all end in one. Torch looks each of these up again at every call, so the program's own code runs
as it stands. Afterwards the class is as it was.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from gradscope.checker.cases._values import same_values
from gradscope.checker.raised import raised_at
from gradscope.finding import Location
from gradscope.recorder.places import here

Function: TypeAlias = type[torch.autograd.Function]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attribute that was set on a context, and the line of the program that did it.

    `save_for_backward` sets "to_save", `mark_dirty` "dirty_tensors", `mark_non_differentiable`
    "non_differentiable", `save_for_forward` "saved_for_forward".
    """

    name: str
    value: Any
    location: Location | None


@dataclass(slots=True)
class ForwardCall:
    """One forward: its context (the node in the graph), its arguments without `ctx`, what was set on it."""

    ctx: Any
    args: tuple[Any, ...]
    assigned: list[Assignment] = field(default_factory=list)

    def last(self, name: str) -> Assignment | None:
        """The last assignment to that attribute, None where there was none."""
        return next((one for one in reversed(self.assigned) if one.name == name), None)

    def tensors_of(self, name: str) -> list[torch.Tensor]:
        """The tensors of the tuple that was last set as that attribute."""
        found = self.last(name)
        values = found.value if found is not None and isinstance(found.value, tuple) else ()
        return [value for value in values if isinstance(value, torch.Tensor)]


@dataclass(slots=True)
class BackwardCall:
    """One backward: what arrived, and what it returned itself or raised, before the engine saw it.

    `changed` says at which positions it changed an incoming gradient in place.
    """

    ctx: Any
    cotangents: tuple[Any, ...]
    returned: Any = None
    error: BaseException | None = None
    location: Location | None = None
    changed: tuple[int, ...] = ()


@dataclass(slots=True)
class Calls:
    """Everything that was seen, in order."""

    forwards: list[ForwardCall] = field(default_factory=list)
    backwards: list[BackwardCall] = field(default_factory=list)

    def forward_of(self, ctx: Any) -> ForwardCall | None:
        """The forward that belongs to a context."""
        return next((call for call in self.forwards if call.ctx is ctx), None)


@contextmanager
def tapped(function: Function) -> Iterator[Calls]:
    """Records the calls of a class's methods while it is open."""
    calls = Calls()
    with ExitStack() as undo:
        if function.setup_context is torch.autograd.Function.setup_context:
            undo.enter_context(_wrapped(function, "forward", functools.partial(_forward, calls)))
        else:
            undo.enter_context(_wrapped(function, "setup_context", functools.partial(_setup_context, calls)))
        name = "backward" if function.vjp is torch.autograd.Function.vjp else "vjp"
        undo.enter_context(_wrapped(function, name, functools.partial(_backward, calls)))
        undo.enter_context(_assignments(function, calls))
        yield calls


@contextmanager
def replaced(owner: type, name: str, value: Any) -> Iterator[None]:
    """A class with another attribute of that name; what it had itself, or inherited, comes back."""
    missing = object()
    own = owner.__dict__.get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _wrapped(function: Function, name: str, around: Callable[..., Any]) -> Any:
    original = getattr(function, name)

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    return replaced(function, name, staticmethod(method))


def _forward(calls: Calls, original: Callable[..., Any], ctx: Any, *args: Any, **kwargs: Any) -> Any:
    calls.forwards.append(ForwardCall(ctx, args))
    return original(ctx, *args, **kwargs)


def _setup_context(calls: Calls, original: Callable[..., Any], ctx: Any, inputs: Any, output: Any) -> Any:
    calls.forwards.append(ForwardCall(ctx, tuple(inputs)))
    return original(ctx, inputs, output)


def _backward(calls: Calls, original: Callable[..., Any], ctx: Any, *cotangents: Any) -> Any:
    call = BackwardCall(ctx, cotangents)
    calls.backwards.append(call)
    before = [each.clone() if isinstance(each, torch.Tensor) else each for each in cotangents]
    try:
        call.returned = original(ctx, *cotangents)
    except BaseException as error:
        call.error, call.location = error, raised_at(error)
        raise
    both = enumerate(zip(before, cotangents, strict=True))
    call.changed = tuple(place for place, (old, new) in both if not same_values(old, new))
    return call.returned


def _assignments(function: Function, calls: Calls) -> Any:
    node: Any = function._backward_cls

    def assign(self: Any, name: str, value: Any) -> None:
        call = calls.forward_of(self)
        if call is not None:
            call.assigned.append(Assignment(name, value, here().location()))
        object.__setattr__(self, name, value)

    return replaced(node, "__setattr__", assign)
