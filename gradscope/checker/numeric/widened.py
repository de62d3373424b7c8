"""16-bit arithmetic inside a function, done in float64 instead.

In float16 and bfloat16 a forward is a staircase with few steps, and no difference of it shows its slope; its
formula is the same in float64. Its backward is left as it is: what that rounds is known from the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradscope.checker.point import Point

SHORT = (torch.bfloat16, torch.float16)
_CASTS = (Tensor.half, Tensor.bfloat16)
_BITS = (Tensor.view,)  # with a dtype it reads the same memory anew, and computes nothing


def widened(point: Point) -> Point:
    """The same point, over the function with float64 in place of its 16-bit arithmetic."""
    subject = point.subject

    def call(*args: Any, **kwargs: Any) -> Any:
        with _Widened():
            return subject.call(*args, **kwargs)

    wide = replace(subject, call=call)
    made = Point(wide, point.leaves, point.spec, point.names, point.active, point.required)
    return made.counted_with(point)


class _Widened(TorchFunctionMode):
    """Casts to float16 and bfloat16, and tensors made in them, are in float64."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _CASTS:
            return args[0].double()
        if func in _BITS:
            return func(*args, **(kwargs or {}))
        wide, by_name = pytree.tree_map(_widened, (tuple(args), dict(kwargs or {})))
        return func(*wide, **by_name)


def _widened(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in SHORT else value
