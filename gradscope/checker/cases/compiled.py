"""The function under torch.compile: the same values and the same gradients as without.

A gradient that differs is a wrong gradient "only under torch.compile". Where an argument is changed in place
it is a note: torch 2.13 itself drops the backward of such a Function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Gradients,
    Refused,
    agree,
    evaluated,
    reference,
    same_outputs,
)
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.checker.cases.opchecked import silent
from gradscope.checker.point import Point
from gradscope.facts.checks import NEEDS_MORE, NO_TIME, Facts

NAME = "torch.compile"
_CONDITION = "only under torch.compile"
_LIMIT = "torch.compile does not keep the backward of a change in place"
_BACKEND = "aot_eager"  # traces forward and backward as the others do, and needs no C++ compiler
_SECONDS = 1.0
_SECONDS_AT_FIRST = 8.0
_LOADED = "torch._dynamo.backends.debugging"  # where the backend is: loaded when it is first used


@case(NAME, 95)
def compiled(setting: Setting) -> Facts:
    """Traced once with a backend that generates no code."""
    needed = _SECONDS if _LOADED in sys.modules else _SECONDS_AT_FIRST
    if setting.deadline.seconds < needed:
        return not_checked(NAME, f"{NEEDS_MORE} (about {needed:.0f} s)")
    if setting.deadline.left() < needed:
        return not_checked(NAME, f"{NO_TIME} (it needs about {needed:.0f} s)")
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    if base.random:
        return not_checked(NAME, "forward draws random numbers, which compiled code draws in another order")
    with silent(), _forgotten():
        return _looked(setting, base.point, base.values, base.cotangents, base.gradients)


def _looked(
    setting: Setting,
    point: Point,
    values: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> Facts:
    traced, before = _traced(point), _graph_breaks()
    try:
        done = evaluated(traced)
    except Refused as error:
        return not_applicable(NAME, f"it cannot be compiled: {error}")
    if not same_outputs(done.values, values, point, None):
        note = "forward returns other values under torch.compile"
        return Facts(failed(NAME, note), notes=(note,))
    try:
        found = done.gradients([one.clone() for one in cotangents])
    except BackwardRaised as error:
        note = f"under torch.compile backward raises {error}"
        return Facts(failed(NAME, note), notes=(note,))
    if agree(found, gradients):
        return passed(NAME, _words(_graph_breaks() - before))
    wrong = wrong_gradient(setting, Truth(point), _pull(traced), cotangents, condition="")
    if wrong is None:
        return passed(NAME, _words(_graph_breaks() - before))
    note = (
        f"under torch.compile the gradient of `{wrong.input_name}` at {list(wrong.element)} is "
        f"{wrong.analytical:.4g}, and {wrong.numerical:.4g} without"
    )
    if done.written:
        return Facts(failed(NAME, note), notes=(f"{note} ({_LIMIT})",))
    return Facts(failed(NAME, note), wrong_gradients=(replace(wrong, condition=_CONDITION),))


def _pull(traced: Point) -> Gradients:
    return lambda cotangents: evaluated(traced).gradients([one.clone() for one in cotangents])


def _traced(point: Point) -> Point:
    """The same point, its subject compiled."""
    call = point.subject.call

    def plain(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    made = point.with_leaves({})
    program = torch.compile(plain, backend=_BACKEND, dynamic=False)
    made.subject = replace(point.subject, call=program, function=None)
    return made


@contextmanager
def _forgotten() -> Iterator[None]:
    """What was compiled here is forgotten afterwards."""
    import torch._dynamo

    try:
        yield
    finally:
        torch._dynamo.reset()


def _graph_breaks() -> int:
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def _words(graph_breaks: int) -> str:
    if not graph_breaks:
        return "one graph"
    return f"{graph_breaks} graph break{'s' if graph_breaks > 1 else ''}"
