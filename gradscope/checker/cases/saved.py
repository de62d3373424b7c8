"""What a forward keeps for its backward, in bytes, and what of it no gradient needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, not_applicable, passed
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
from gradscope.checker.cases._taps import Calls, Function, replaced, tapped
from gradscope.checker.cases._values import same_values
from gradscope.checker.cases.ctx_attributes import INTERMEDIATE, held, kept_tensors
from gradscope.checker.point import Pass, Point, tensors_of
from gradscope.facts.checks import Facts, SavedTensors

NAME = "saved tensors"
_MOST_TRIED = 16
_COTANGENTS = 2


@dataclass(frozen=True, slots=True)
class _Saved:
    """One tensor that is kept; `place` is its place in `ctx.saved_tensors`, None for an attribute."""

    text: str
    tensor: Tensor
    place: int | None


@case(NAME, 60)
@or_not_checked(NAME)
def saved(setting: Setting) -> Facts:
    """Counts bytes by storage, in the sample's own dtypes; poisons each saved tensor in turn."""
    function = function_of(setting)
    if function is None:
        return not_applicable(NAME, "it has no backward of its own")
    point = as_given(setting)
    with tapped(function) as calls:
        done = forward(point)
    kept = list(_kept(setting, calls, done))
    inputs = [leaf for leaf in point.leaves if isinstance(leaf, Tensor)]
    unused = _unused(setting, function, kept)
    fact = SavedTensors(
        nbytes=_nbytes([one.tensor for one in kept]),
        inputs_nbytes=_nbytes(inputs),
        tensors=tuple(one.text for one in kept),
        unused=tuple(one.text for one in unused),
        unused_nbytes=_nbytes([one.tensor for one in unused]),
    )
    return Facts(passed(NAME, _words(fact)).outcome, saved=fact)


def _kept(setting: Setting, calls: Calls, done: Pass) -> Iterator[_Saved]:
    outputs = tensors_of(done.returned)
    for call in calls.forwards:
        seen: list[Tensor] = []
        assigned = call.last("to_save")
        values = assigned.value if assigned is not None and isinstance(assigned.value, tuple) else ()
        for place, value in enumerate(values):
            if isinstance(value, Tensor):
                again = " (again)" if any(value is other for other in seen) else ""
                seen.append(value)
                yield _Saved(held(setting, call, value, outputs) + again, value, place)
        for kept in kept_tensors(call.ctx):
            what = held(setting, call, kept.tensor, outputs)
            text = f"ctx.{kept.attribute}" if what == INTERMEDIATE else f"{what} (ctx.{kept.attribute})"
            yield _Saved(text, kept.tensor, None)


def _nbytes(tensors: Sequence[Tensor]) -> int:
    """The bytes of the memory that tensors keep alive; what two of them share counts once."""
    storages: dict[int, int] = {}
    for tensor in tensors:
        try:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr() or id(tensor)] = storage.nbytes()
        except (RuntimeError, NotImplementedError):  # sparse tensors have no storage of their own
            storages[id(tensor)] = tensor.numel() * tensor.element_size()
    return sum(storages.values())


def _words(fact: SavedTensors) -> str:
    times = fact.nbytes / fact.inputs_nbytes if fact.inputs_nbytes else 0.0
    return f"{fact.nbytes} bytes, {times:.3g}x the inputs"


# ---------------------------------------------------------------- unused


def _unused(setting: Setting, function: Function, kept: Sequence[_Saved]) -> list[_Saved]:
    """What was saved and whose values no gradient depends on.

    Told only where every other value in its place leaves all gradients as they are, bit by bit.
    """
    places = [one for one in kept if one.place is not None and one.tensor.numel()][:_MOST_TRIED]
    try:
        right = _with_poison(function, setting.point, {})
    except ProgramRaised:
        return []
    if not right or not _same(right, _with_poison(function, setting.point, {})):
        return []
    found = []
    for one in places:
        if setting.deadline.is_over:
            break
        if all(_is_unmoved(function, setting.point, one, number, right) for number in range(_POISONS)):
            found.append(one)
    return found


def _is_unmoved(function: Function, point: Point, one: _Saved, number: int, right: list[Any]) -> bool:
    if same_values(one.tensor, _poison(one.tensor, number)):
        return False  # there is no other value to try
    try:
        return _same(right, _with_poison(function, point, {one.place: number}))
    except ProgramRaised:  # backward looked at it
        return False


def _with_poison(function: Function, point: Point, poison: dict[int | None, int]) -> list[Any]:
    """All gradients at several cotangents, with other values at these places of `saved_tensors`."""
    done = forward(point)
    outputs = differentiable_outputs(done)
    if not outputs:
        return []
    node: Any = function._backward_cls
    original = node.saved_tensors

    def poisoned(ctx: Any) -> tuple[Any, ...]:
        values = original.__get__(ctx, type(ctx))
        return tuple(
            _poison(value, poison[place]) if place in poison else value for place, value in enumerate(values)
        )

    with replaced(node, "saved_tensors", property(poisoned)):
        return [
            gradient
            for seed in range(_COTANGENTS)
            for gradient in gradients(done, outputs, cotangents_for(outputs, seed))
        ]


def _poison(value: Any, number: int) -> Any:
    """Other values of the same shape and dtype: NaN, then negated ones; indices stay within their range."""
    if not isinstance(value, Tensor):
        return value
    with torch.no_grad():
        if value.dtype is torch.bool:
            return ~value
        if value.layout is not torch.strided:
            return value * (float("nan") if number == 0 else -2.0)
        if value.is_floating_point() or value.is_complex():
            return torch.full_like(value, float("nan")) if number == 0 else -2.0 * value - 0.5
        return value.flip(list(range(value.dim()))) if number == 0 else torch.zeros_like(value) + value.min()


_POISONS = 2


def _same(some: list[Any], others: list[Any]) -> bool:
    return all(same_values(one, other) for one, other in zip(some, others, strict=True))
