"""The Jacobian of a small function at a point, computed in each way: a column for each input element, a
row for each output element, in float64.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gradscope.checker.duals import make_dual, unpack_dual
from gradscope.checker.point import Deadline, OutOfTime, Point, is_differentiable, tensors_of

Place: TypeAlias = tuple[int, int]
"""An input element: the index of its leaf, and its place there in C order."""


def places(point: Point, most: int | None = None) -> list[Place]:
    """The input elements in order, or at most so many of them, spread evenly."""
    every = [(index, element) for index in point.active for element in range(point.leaves[index].numel())]
    if most is None or len(every) <= most:
        return every
    return [every[i * len(every) // most] for i in range(most)]


def reverse_mode(point: Point, deadline: Deadline) -> Tensor:
    """One forward, then one backward for each output element; (outputs, inputs)."""
    run = point.differentiable()
    rows = []
    for element in (element for output in run.outputs for element in output.reshape(-1)):
        _check(deadline)
        gradients: tuple[Tensor | None, ...] = (None,) * len(run.inputs)
        if element.requires_grad:
            gradients = torch.autograd.grad(element, run.inputs, retain_graph=True, allow_unused=True)
        pairs = zip(run.inputs, gradients, strict=True)
        rows.append(
            flat([torch.zeros_like(leaf) if gradient is None else gradient for leaf, gradient in pairs])
        )
    return torch.stack(rows)


def forward_mode(point: Point, deadline: Deadline) -> Tensor:
    """One pass with dual numbers for each input element; (outputs, inputs)."""
    columns = []
    for place in places(point):
        _check(deadline)
        columns.append(_jvp(point, place))
    return torch.stack(columns, dim=1)


def central(point: Point, step: float, deadline: Deadline, chosen: list[Place]) -> Tensor:
    """(f(x + h) - f(x - h)) / 2h: two evaluations for each of the chosen inputs; (outputs, chosen)."""
    columns = []
    for place in chosen:
        _check(deadline)
        columns.append((_moved(point, place, step) - _moved(point, place, -step)) / (2 * step))
    return torch.stack(columns, dim=1)


def one_sided(point: Point, step: float, deadline: Deadline, chosen: list[Place]) -> Tensor:
    """(f(x + h) - f(x)) / h: one evaluation more than there are chosen inputs; (outputs, chosen)."""
    here = flat(point.values())
    columns = []
    for place in chosen:
        _check(deadline)
        columns.append((_moved(point, place, step) - here) / step)
    return torch.stack(columns, dim=1)


def flat(tensors: list[Tensor]) -> Tensor:
    """All elements in one vector of float64 on the CPU, without graph."""
    parts = [tensor.detach().reshape(-1).to(device="cpu", dtype=torch.float64) for tensor in tensors]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def _jvp(point: Point, place: Place) -> Tensor:
    index, element = place
    leaves = point.fresh()
    tangent = torch.zeros_like(leaves[index], memory_format=torch.contiguous_format)
    tangent.view(-1)[element] = 1
    parts = []
    with forward_ad.dual_level():
        leaves[index] = make_dual(leaves[index], tangent)
        for output in tensors_of(point.raw(leaves)):
            if is_differentiable(output):
                primal, change = unpack_dual(output)
                parts.append(torch.zeros_like(primal) if change is None else change)
        return flat(parts)


def _moved(point: Point, place: Place, step: float) -> Tensor:
    index, element = place
    moved = point.leaves[index].clone(memory_format=torch.contiguous_format)
    moved.view(-1)[element] += step
    return flat(point.values({index: moved}))


def _check(deadline: Deadline) -> None:
    if deadline.is_over:
        raise OutOfTime
