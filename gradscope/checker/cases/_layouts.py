"""The same values in memory in another way: what a slice, a transpose or an expansion gives a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Arrange: TypeAlias = Callable[[Tensor], Tensor | None]
"""A tensor -> one with the same shape and values, and a path for its gradient; None where it makes none."""

_GARBAGE = 0.75
"""What lies between the elements: code that reads it without being asked gets other values."""
_OFFSET = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """`words` follow "the input is"."""

    words: str
    arrange: Arrange


def strided(tensor: Tensor) -> Tensor | None:
    """Every second element of a larger buffer."""
    if tensor.dim() == 0 or tensor.numel() < 2:
        return None
    return _copied(tensor, [2 * step for step in contiguous_strides(tensor.shape)])


def transposed(tensor: Tensor) -> Tensor | None:
    """The first dimension varies fastest, as in the transpose of a matrix."""
    if sum(size > 1 for size in tensor.shape) < 2:
        return None
    return _copied(tensor, contiguous_strides(tuple(reversed(tensor.shape)))[::-1])


def channels_last(tensor: Tensor) -> Tensor | None:
    """The second of four or five dimensions varies fastest."""
    if tensor.dim() not in (4, 5) or tensor.shape[1] < 2 or max(tensor.shape[2:]) < 2:
        return None
    first, channels, *rest = tensor.shape
    steps = contiguous_strides((first, *rest, channels))
    return _copied(tensor, [steps[0], steps[-1], *steps[1:-1]])


def offset(tensor: Tensor) -> Tensor | None:
    """Contiguous, but not from the beginning of its storage."""
    return _copied(tensor, contiguous_strides(tensor.shape), _OFFSET)


def expanded(tensor: Tensor) -> Tensor | None:
    """Its first element along one dimension, expanded over it: stride 0, and other values than before."""
    dim = next((dim for dim, size in enumerate(tensor.shape) if size > 1), None)
    if dim is None:
        return None
    return tensor.clone().narrow(dim, 0, 1).expand_as(tensor)


LAYOUTS = (
    Layout("a slice of a larger tensor (not contiguous)", strided),
    Layout("transposed (not contiguous)", transposed),
    Layout("channels_last", channels_last),
    Layout("at an offset in its storage", offset),
)


def contiguous_strides(shape: Sequence[int]) -> list[int]:
    """The strides of a contiguous tensor of that shape."""
    steps: list[int] = []
    step = 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return steps[::-1]


def room(shape: Sequence[int], strides: Sequence[int], like: Tensor, start: int = 0) -> Tensor:
    """A tensor with these strides that is no view, so that a function may change it in place."""
    extent = start + 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True) if size)
    buffer = torch.full((extent,), _GARBAGE, dtype=torch.float64, device=like.device).to(like.dtype)
    return torch.empty(0, dtype=like.dtype, device=like.device).set_(
        buffer.untyped_storage(), start, tuple(shape), tuple(strides)
    )


def _copied(tensor: Tensor, strides: Sequence[int], start: int = 0) -> Tensor:
    return room(tensor.shape, strides, tensor, start).copy_(tensor)
