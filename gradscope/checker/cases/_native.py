"""A function's own forward, differentiated by autograd: its gradient without its own backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from gradscope.checker.cases._forms import BackwardRaised, Reference, Refused, agree, evaluated
from gradscope.checker.point import Point
from gradscope.checker.subject import Subject
from gradscope.facts.checks import SubjectKind


class _Context:
    """Takes what a forward does with its `ctx`, and lets autograd see all of it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Nothing is needed of it."""

    def mark_dirty(self, *tensors: Any) -> None:
        """Autograd sees the change itself."""

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Autograd knows."""

    def set_materialize_grads(self, value: bool) -> None:
        """There is no backward."""


def native(base: Reference) -> Point | None:
    """The reference's point with autograd's own gradient.

    None where a function has no other backward, or its forward is not made of ops that autograd can follow:
    where the gradients are not the same in float64.
    """
    call = _forward(base.point.subject)
    if call is None:
        return None
    point = base.point.with_leaves({})
    point.subject = replace(point.subject, call=call, function=None, kind=SubjectKind.CALLABLE)
    try:
        done = evaluated(point)
        if not agree(done.values, base.values):
            return None
        gradients = done.gradients([one.clone() for one in base.cotangents])
    except (Refused, BackwardRaised):
        return None
    return point if agree(gradients, base.gradients) else None


def _forward(subject: Subject) -> Callable[..., Any] | None:
    function = subject.function
    if function is None:
        found = getattr(subject.call, "_init_fn", None)  # what torch.library.custom_op decorated
        return found if callable(found) else None
    if subject.setup_context_is_apart():
        return function.forward

    def call(*args: Any) -> Any:
        return function.forward(_Context(tuple(isinstance(one, Tensor) for one in args)), *args)

    return call
