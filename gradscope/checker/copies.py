"""Copies of tensors with memory of their own and the same strides: what a function is handed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def copied(value: Any) -> Any:
    """A copy of a tensor without graph; any other value as it is."""
    return value if not isinstance(value, Tensor) else copied_with_graph(value.detach())


def copied_with_graph(leaf: Tensor) -> Tensor:
    """A copy that hands its gradient on to the leaf, so that a function may change it in place."""
    if leaf.layout is not torch.strided or leaf.is_contiguous():
        return leaf.clone()
    return room_like(leaf).copy_(leaf)


def room_like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Uninitialised memory of the same shape and strides; contiguous where elements of it overlap.

    `dtype` is the tensor's own unless another is wanted.
    """
    overlaps = any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))
    strides = torch.empty(tensor.shape, device="meta").stride() if overlaps else tensor.stride()
    return torch.empty_strided(tensor.shape, strides, dtype=dtype or tensor.dtype, device=tensor.device)
