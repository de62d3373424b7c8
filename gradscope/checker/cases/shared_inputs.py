"""Inputs that are one tensor, lie in one piece of memory, or depend on each other: gradients must add up.

A numerical Jacobian cannot tell here (a change of one input changes the other), so the gradients are held
against those for separate copies of the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TypeAlias

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Give,
    Gradients,
    Reference,
    Refused,
    agree,
    evaluated,
    gradients_of,
    raises,
    reference,
    same_outputs,
)
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.checker.point import Point
from gradscope.facts.checks import NO_TIME, Facts, WrongGradient, WrongReturn

NAME = "shared inputs"
_MOST_PAIRS = 4
_SLOPE = 0.1

Sharing: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
"""One tensor -> two of its shape that share its memory, with a path for the gradient."""


def _twice(tensor: Tensor) -> tuple[Tensor, Tensor]:
    copy = tensor.clone()
    return copy, copy


def _halves(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Two views of one base that do not overlap."""
    base = torch.stack([tensor, 0.9 * tensor])
    return base[0], base[1]


def _overlapping(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Two views of one base that are one element apart."""
    flat = tensor.reshape(-1)
    base = torch.cat([flat, flat[-1:]])
    return base[:-1].view(tensor.shape), base[1:].view(tensor.shape)


_SHARINGS: tuple[tuple[str, Sharing], ...] = (
    ("are the same tensor", _twice),
    ("are views of one tensor", _halves),
    ("overlap in memory", _overlapping),
)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way for two inputs to share; `truth` gives the gradient of the same values in separate memory."""

    where: str
    give: Give
    truth: Truth


@case(NAME, 36)
def shared_inputs(setting: Setting) -> Facts:
    """Every way of sharing, for the first pairs of inputs of one shape; and one pair of any shapes."""
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    if base.written:
        return not_applicable(NAME, "an input is changed in place")
    if len(base.point.active) < 2:
        return not_applicable(NAME, "it has one differentiable input")
    tried, refused = 0, ""
    for form in _forms(base):
        if setting.deadline.is_over:
            return not_checked(NAME, f"{NO_TIME} after {tried} forms")
        tried += 1
        try:
            found = _looked(setting, base, form)
        except Refused as error:
            refused = f", forward refuses where {form.where}: {error}"
            continue
        if isinstance(found, WrongGradient):
            return Facts(failed(NAME, f"wrong where {form.where}"), wrong_gradients=(found,))
        if isinstance(found, WrongReturn):
            return Facts(failed(NAME, f"backward raises where {form.where}"), wrong_returns=(found,))
        if isinstance(found, str):
            return Facts(failed(NAME, found), notes=(found,))
    return passed(NAME, f"{tried} forms{refused}")


def _looked(setting: Setting, base: Reference, form: _Form) -> WrongGradient | WrongReturn | str | None:
    """What is wrong with a form; a string where forward's own values are."""
    condition = f"only where {form.where}"
    try:
        separate = evaluated(form.truth.point, form.truth.give)
        right = form.truth.gradients(base.cotangents)
    except (Refused, BackwardRaised):
        return None  # so it does for separate copies of these values
    if not all(bool(torch.isfinite(each).all()) for each in (*separate.values, *right)):
        return None
    values = evaluated(base.point, form.give).values
    if not same_outputs(values, separate.values, base.point, form.truth.give):
        return None if base.random else f"forward returns other values where {form.where}"
    ours = gradients_of(base.point, form.give)
    try:
        if agree(ours(base.cotangents), right):
            return None
        return wrong_gradient(setting, form.truth, ours, base.cotangents, condition=condition)
    except BackwardRaised as error:
        return raises(error, condition)


def _forms(base: Reference) -> Iterator[_Form]:
    point = base.point
    pairs = [
        pair
        for pair in combinations(point.active, 2)
        if point.leaves[pair[0]].shape == point.leaves[pair[1]].shape
        and point.leaves[pair[0]].dtype == point.leaves[pair[1]].dtype
        and point.leaves[pair[0]].numel()
    ]
    for pair in islice(pairs, _MOST_PAIRS):
        for words, share in _SHARINGS:
            where = f"{_names(base, pair)} {words}"
            yield _Form(where, _shared(pair, share), Truth(point, _separate(pair, share)))
    first, *others = point.active
    for other in others[:1]:
        yield _dependent(base, (first, other))


def _names(base: Reference, pair: Sequence[int]) -> str:
    return " and ".join(f"`{base.point.names[index]}`" for index in pair)


def _shared(pair: tuple[int, int], share: Sharing) -> Give:
    """Both of a pair are made from the first."""
    made: dict[int, Tensor] = {}

    def give(index: int, tensor: Tensor) -> Tensor:
        if index == pair[0]:
            made[pair[0]], made[pair[1]] = share(tensor)
        return made[index] if index in pair else tensor.clone()

    return give


def _separate(pair: tuple[int, int], share: Sharing) -> Give:
    """The same values, each in memory of its own."""
    shared = _shared(pair, share)
    return lambda index, tensor: shared(index, tensor).clone()


def _dependent(base: Reference, pair: tuple[int, int]) -> _Form:
    """The second of a pair keeps its values and is computed from the first."""
    point, (first, second) = base.point, pair
    here = point.leaves[first].detach().mean()
    kept: dict[int, Tensor] = {}

    def give(index: int, tensor: Tensor) -> Tensor:
        copy = tensor.clone()
        if index == first:
            kept[first] = copy
        if index != second:
            return copy
        distance: Tensor = _SLOPE * (kept[first].mean() - here)
        moved: Tensor = copy + (distance if copy.is_complex() else distance.real)
        return moved

    def right(there: Point) -> Gradients:
        return lambda cotangents: _chained(there, pair, gradients_of(there)(cotangents))

    where = f"`{point.names[second]}` is computed from `{point.names[first]}`"
    return _Form(where, give, Truth(point, give, right))


def _chained(point: Point, pair: tuple[int, int], found: list[Tensor]) -> list[Tensor]:
    """The gradients where the second of a pair has its slope in the mean of the first."""
    first, second = (point.active.index(index) for index in pair)
    arriving = found[second].sum()
    if not (found[first].is_complex() and found[second].is_complex()):
        arriving = arriving.real
    found[first] = found[first] + (_SLOPE * arriving / found[first].numel()).to(found[first].dtype)
    return found
