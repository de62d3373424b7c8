"""A function's first gradients as a function of their own: of its arguments and the cotangents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.cases._passes import cotangents_for, differentiable_outputs, forward
from gradscope.checker.copies import copied_with_graph
from gradscope.checker.point import Point, is_differentiable, tensors_of


class _Attached(torch.autograd.Function):
    """Gradients with a node that leads to every argument, so that one without a graph is not an error:
    what has no graph of its own gives None.
    """

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.rest = len(tensors) - count
        ctx.set_materialize_grads(False)
        return tuple(tensor.clone() for tensor in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        return (None, *cotangents, *(None for _ in range(ctx.rest)))


def first_gradients(point: Point, *, by_inputs: bool) -> Point | None:
    """A point over the function from a point's arguments, and one cotangent for each output, to the
    gradients of its active tensors (zeros for None).

    Active are the arguments that were active, or the cotangents: with constant cotangents, as a loss has
    them, a backward sees others than with ones that need a gradient. None where no output requires one.
    Raises ProgramRaised.
    """
    drawn = cotangents_for(differentiable_outputs(forward(point)), seed=1)
    if not drawn:
        return None
    count = len(point.leaves)

    def call(*leaves: Any) -> Any:
        return _gradients(point, leaves[:count], leaves[count:])

    _, spec = pytree.tree_flatten((tuple(range(count + len(drawn))), {}))
    names = [*point.names, *(f"grad_output {number}" for number in range(len(drawn)))]
    active = list(point.active) if by_inputs else list(range(count, count + len(drawn)))
    subject = replace(point.subject, call=call, function=None)
    made = Point(subject, [*point.leaves, *drawn], spec, names, active)
    return made.counted_with(point)


def _gradients(point: Point, leaves: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Tensor, ...]:
    """The gradients, with a graph where gradients are recorded."""
    recorded = torch.is_grad_enabled()
    handed, inputs = list(leaves), []
    with torch.enable_grad():
        for index in point.active:
            leaf = leaves[index] if leaves[index].requires_grad else leaves[index].detach().requires_grad_()
            inputs.append(leaf)
            handed[index] = copied_with_graph(leaf)
        args, kwargs = pytree.tree_unflatten(handed, point.spec)
        returned = tensors_of(point.subject.call(*args, **kwargs))
        outputs = [one for one in returned if is_differentiable(one) and one.requires_grad]
        found = torch.autograd.grad(outputs, inputs, cotangents, create_graph=recorded, allow_unused=True)
        whole = [
            torch.zeros_like(leaf, requires_grad=False) if gradient is None else gradient
            for gradient, leaf in zip(found, inputs, strict=True)
        ]
        if not recorded:
            return tuple(gradient.detach() for gradient in whole)
        sources = [leaf for leaf in (*inputs, *cotangents) if leaf.requires_grad]
        attach: Callable[..., tuple[Tensor, ...]] = _Attached.apply
        return attach(len(whole), *whole, *sources)
