"""Lower precision inside: which dtypes a forward and its backward compute in, and what that explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradscope.checker.numeric.directional import Input
from gradscope.checker.numeric.gradients import Analytical, differentiable
from gradscope.checker.point import Point

_ROOM = {torch.float32: 64.0, torch.complex64: 64.0}
_HALF_ROOM = 8.0
_LOWER = (torch.bfloat16, torch.float16, torch.float32)
_TINY = 2.0**-40
_SCATTERS = 8.0


class Dtypes(TorchFunctionMode):
    """Notes the floating-point dtype of every tensor that a call of torch's returns.

    A dispatch mode would see more, but costs the import of torch's compiler.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in made if isinstance(made, tuple | list) else (made,):
            if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()):
                self.seen.add(value.dtype)
        return made


def lowest_dtype(analytical: Analytical, gradients: Tensor) -> torch.dtype | None:
    """The least exact dtype below float64 that a forward computes in, or that holds all numbers of its
    gradients, which the cotangents' own 53 bits rule out otherwise; None where there is none.
    """
    with Dtypes() as watching:
        differentiable(analytical.point)
    lower = [dtype for dtype in watching.seen if torch.finfo(dtype).eps > torch.finfo(torch.float64).eps]
    if bool((gradients != 0).any()):
        lower += [dtype for dtype in _LOWER if torch.equal(gradients.to(dtype).double(), gradients)][:1]
    return max(lower, key=lambda dtype: torch.finfo(dtype).eps, default=None)


def rounding_of(dtype: torch.dtype, gradients: Tensor) -> Tensor:
    """What arithmetic in a dtype may change in gradients, element by element."""
    size = torch.maximum(gradients.abs(), gradients.square().mean(dim=1, keepdim=True).sqrt())
    return size * (_ROOM.get(dtype, _HALF_ROOM) * torch.finfo(dtype).eps)


def scatter(analytical: Analytical, at: Input, point: Point, cotangents: Tensor) -> Tensor:
    """How much backward's own numbers scatter by rounding: they are taken anew a hair's breadth away."""
    tensor, _ = at.moved(at.scale * _TINY)
    nearby = analytical.gradients(list(cotangents), point.with_leaves({at.place: tensor}))
    moved = torch.nan_to_num(nearby.values[at.number])
    return (moved - torch.nan_to_num(at.gradients)).abs() * _SCATTERS
