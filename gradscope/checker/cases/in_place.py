"""Inputs that forward changes in place, and whether it says so with `ctx.mark_dirty`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from gradscope.checker.cases import Setting, case, failed, not_applicable, passed
from gradscope.checker.cases._passes import (
    ProgramRaised,
    cotangents_for,
    differentiable_outputs,
    forward,
    gradients,
    or_not_checked,
)
from gradscope.checker.cases._taps import Calls, tapped
from gradscope.checker.cases._values import same_values, shares_memory
from gradscope.checker.point import Pass, Point, is_differentiable, tensors_of
from gradscope.checker.subjects import sources
from gradscope.facts.checks import Facts, UnmarkedWrite
from gradscope.finding import Location
from gradscope.recorder.places import here

NAME = "mark_dirty"


@dataclass(slots=True)
class _Handed:
    """The tensors that forward was handed, by leaf, and their versions before it ran."""

    tensors: dict[int, Tensor] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)


@case(NAME, 25)
@or_not_checked(NAME)
def in_place(setting: Setting) -> Facts:
    """Values and version counters of every tensor before and after one forward."""
    function, point = setting.subject.function, setting.point
    if function is None:
        return not_applicable(NAME, "it is no autograd.Function")
    handed = _Handed()
    with tapped(function) as calls:
        done = forward(_watching(setting, handed))
    changed = [
        index for index, tensor in handed.tensors.items() if not same_values(point.leaves[index], tensor)
    ]
    if not changed:
        return not_applicable(NAME, "no input changes in place")
    unmarked = [index for index in changed if not _is_marked(calls, handed.tensors[index])]
    lines = _lines(setting) if unmarked else {}
    facts = [_fact(setting, done, handed, index, lines.get(index)) for index in unmarked]
    mattering = [fact.input_name for fact in facts if fact.matters]
    if mattering:
        return Facts(failed(NAME, f"{mattering[0]} changes in place, unmarked"), unmarked_writes=facts)
    names = ", ".join(point.names[index] for index in changed)
    return replace(passed(NAME, f"changes {names} in place"), unmarked_writes=facts)


def _watching(setting: Setting, handed: _Handed, mode: TorchDispatchMode | None = None) -> Point:
    """The point with a subject that notes what it is handed, under a dispatch mode if one is given."""

    def call(*args: Any, **kwargs: Any) -> Any:
        for index, leaf in enumerate(pytree.tree_leaves((args, kwargs))):
            if isinstance(leaf, Tensor):
                handed.tensors[index], handed.versions[index] = leaf, leaf._version
        with mode or nullcontext():
            return setting.subject.call(*args, **kwargs)

    point = setting.point
    return Point(replace(setting.subject, call=call), point.leaves, point.spec, point.names, point.active)


# ---------------------------------------------------------------- the line


def _lines(setting: Setting) -> dict[int, Location]:
    """The line of the first op that writes into each leaf's memory; empty where forward does without ops."""
    handed = _Handed()
    writes = _Writes(handed)
    try:
        forward(_watching(setting, handed, writes))
    except ProgramRaised:  # a forward that cannot run under a dispatch mode
        return {}
    return writes.lines


class _Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives no types for it
    """Notes the first line that writes into the memory of each tensor that was handed over."""

    def __init__(self, handed: _Handed) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives no types for it
        self.lines: dict[int, Location] = {}
        self._handed = handed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for written in _written(func, args, kwargs or {}):
            for index, tensor in self._handed.tensors.items():
                where = here().location()
                if where is not None and shares_memory(tensor, written):
                    self.lines.setdefault(index, where)
        return out


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an op writes into, by its schema."""
    named = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(named, args, strict=False)), **kwargs}
    return [
        tensor
        for argument in func._schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write
        for tensor in pytree.tree_leaves(given.get(argument.name))
        if isinstance(tensor, Tensor)
    ]


def _is_marked(calls: Calls, tensor: Tensor) -> bool:
    """Whether a context was told of this tensor, or of a view of it."""
    return any(
        dirty is tensor or shares_memory(dirty, tensor)
        for call in calls.forwards
        for dirty in call.tensors_of("dirty_tensors")
    )


# ---------------------------------------------------------------- whether it matters


def _fact(setting: Setting, done: Pass, handed: _Handed, index: int, line: Location | None) -> UnmarkedWrite:
    point, tensor = setting.point, handed.tensors[index]
    written = sources.inplace_writes(setting.subject, point.names[index])
    returned = any(
        isinstance(one, Tensor) and shares_memory(one, tensor) for one in tensors_of(done.returned)
    )
    return UnmarkedWrite(
        input=sum(isinstance(leaf, Tensor) for leaf in point.leaves[:index]),
        input_name=point.names[index],
        location=line or (written[0] if written else None),
        past_version=tensor._version == handed.versions[index],
        returned=returned,
        matters=is_differentiable(tensor) and (returned or _counts(setting, done, index)),
    )


def _counts(setting: Setting, done: Pass, index: int) -> bool:
    """Whether a gradient or an output depends on an input that is not returned; buffers count for neither.

    An output may be computed with a buffer that the program itself never asks a gradient for.
    """
    if _has_gradient(setting, done, index):
        return True
    point = setting.point
    if index in point.active and point.is_spare(point.active.index(index)):
        return False
    return _moves_outputs(point, index)


def _has_gradient(setting: Setting, done: Pass, index: int) -> bool:
    outputs = differentiable_outputs(done)
    if index not in setting.point.active or not outputs:
        return False
    try:
        found = gradients(done, outputs, cotangents_for(outputs))
    except ProgramRaised:
        return True  # it cannot be told: backward raises, which another check tells
    return found[setting.point.active.index(index)] is not None


def _moves_outputs(point: Point, index: int) -> bool:
    """Whether any output changes with the value of one input."""
    value = point.leaves[index]
    generator = torch.Generator().manual_seed(0)
    moved = value + torch.randn(value.shape, generator=generator, dtype=torch.float64, device="cpu").to(value)
    try:
        before, after = point.values(), point.values({index: moved})
    except Exception:  # noqa: BLE001  the user's forward may refuse the other value
        return True
    return any(not same_values(one, other) for one, other in zip(before, after, strict=False))
