"""Two backwards of one forward: whether they give the same gradients, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
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
from gradscope.checker.cases._values import difference, same_values
from gradscope.checker.point import Pass
from gradscope.facts.checks import Facts, Nondeterminism
from gradscope.finding import Location
from gradscope.loader.generators import seeded
from gradscope.recorder.places import here

NAME = "determinism"
_ROUNDING = 1e-12
"""Relative, in float64: sums that are added up in another order each time differ by less."""
_BACKWARDS = 3


@case(NAME, 15)
@or_not_checked(NAME)
def determinism(setting: Setting) -> Facts:
    """Backward several times without a new seed, and then with one."""
    done = forward(setting.point)
    outputs = differentiable_outputs(done)
    if not outputs:
        return not_applicable(NAME, "no output requires a gradient")
    cotangents = cotangents_for(outputs)
    with seeded():
        unseeded = [gradients(done, outputs, cotangents, seed=False) for _ in range(_BACKWARDS)]
    reseeded = [gradients(done, outputs, cotangents) for _ in range(2)]
    facts = list(_differences(setting, done, unseeded, reseeded))
    if any(fact.random for fact in facts):
        where = _drawn_at(done, outputs, cotangents)
        facts = [replace(fact, drawn_at=where) if fact.random else fact for fact in facts]
    if facts:
        return Facts(failed(NAME, facts[0].input_name), nondeterminism=facts)
    same = all(
        same_values(one, first)
        for other in unseeded[1:]
        for one, first in zip(other, unseeded[0], strict=True)
    )
    return passed(NAME, "" if same else "gradients differ in their last bits")


def _differences(
    setting: Setting, done: Pass, unseeded: list[list[Tensor | None]], reseeded: list[list[Tensor | None]]
) -> Iterator[Nondeterminism]:
    for number in range(len(done.inputs)):
        first, *others = (each[number] for each in unseeded)
        apart = max((_apart(first, other) for other in others), default=0.0)
        if apart <= _ROUNDING:
            continue
        random = _apart(reseeded[0][number], reseeded[1][number]) <= _ROUNDING
        elements = max(_elements(first, other) for other in others)
        yield Nondeterminism(setting.point.name(number), apart, elements, random)


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives no types for it
    """Notes the first line that calls one of torch's random ops."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives no types for it
        self.line: Location | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.line is None and torch.Tag.nondeterministic_seeded in func.tags:
            self.line = here().location()
        return func(*args, **(kwargs or {}))


def _drawn_at(done: Pass, outputs: list[Tensor], cotangents: list[Tensor]) -> Location | None:
    draws = _Draws()
    try:
        with draws:
            gradients(done, outputs, cotangents)
    except ProgramRaised:  # a backward that cannot run under a dispatch mode
        return None
    return draws.line


def _apart(one: Tensor | None, other: Tensor | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else 1.0
    if one.shape != other.shape:
        return 1.0
    return 0.0 if same_values(one, other) else difference(one, other)


def _elements(one: Tensor | None, other: Tensor | None) -> int:
    """How many elements differ; all of them where one is missing."""
    if one is None or other is None:
        return sum(each.numel() for each in (one, other) if each is not None)
    if one.shape != other.shape:
        return max(one.numel(), other.numel())
    return int((one != other).sum())
