"""Functions with a backward of their own, right and wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.subject import Subject
from gradscope.facts.checks import SubjectKind, WrongGradient

Backward = Callable[..., Any]


def function(forward: Callable[..., Any], backward: Backward) -> Callable[..., Any]:
    """`backward(inputs, *grad_outputs)` is the backward of `forward(*inputs)`, with a class of its own."""

    class Given(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.inputs = inputs
            ctx.save_for_backward(*(one for one in inputs if isinstance(one, Tensor)))
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            return backward(ctx.inputs, *grad_outputs)

    return Given.apply


def altered(forward: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """`forward`, whose right gradients (a tuple, one for each input) go through `change(grads, inputs)`."""

    def backward(inputs: tuple[Any, ...], *grad_outputs: Any) -> Any:
        with torch.enable_grad():
            leaves = [
                one.detach().requires_grad_() if isinstance(one, Tensor) and one.is_floating_point() else one
                for one in inputs
            ]
            outputs = forward(*leaves)
            tensors = [one for one in leaves if isinstance(one, Tensor) and one.requires_grad]
            grads = iter(torch.autograd.grad(outputs, tensors, grad_outputs, allow_unused=True))
        found = [next(grads) if isinstance(one, Tensor) and one.requires_grad else None for one in leaves]
        return tuple(change(list(found), inputs))

    return function(forward, backward)


def point(call: Callable[..., Any], *args: Any) -> Point:
    return Point.of(Subject("Given", SubjectKind.FUNCTION, call), Sample(args))


def compared(call: Callable[..., Any], *args: Any, seconds: float = 20.0, locate: bool = True) -> Comparison:
    return compare(point(call, *args), Deadline(seconds), locate=locate)


def only_wrong(call: Callable[..., Any], *args: Any) -> WrongGradient:
    comparison = compared(call, *args)
    assert not comparison.failed
    assert len(comparison.wrong) == 1, comparison
    return comparison.wrong[0]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Gaussian numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
