"""Inputs and outputs as vectors of real numbers: a complex element counts as two.

With Re<a, b> as the product of complex vectors, as torch has it, every formula for real vectors holds
for their real and imaginary parts side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradscope.checker.copies import room_like
from gradscope.recorder.stats import unravelled

_SMALLEST_STEP_SCALE = 2.0**-5


def flat(tensor: Tensor) -> Tensor:
    """All elements as one vector of float64, real and imaginary parts alternating; on the CPU."""
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    dense = dense.resolve_conj().resolve_neg()
    real = torch.view_as_real(dense) if dense.is_complex() else dense
    return real.reshape(-1).to(device="cpu", dtype=torch.float64)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Several tensors as one vector."""
    if len(tensors) == 1:
        return flat(tensors[0])
    return (
        torch.cat([flat(tensor) for tensor in tensors])
        if tensors
        else torch.zeros(0, dtype=torch.float64, device="cpu")
    )


def count(tensor: Tensor) -> int:
    """How many real numbers a tensor holds."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


def shaped(vector: Tensor, like: Tensor) -> Tensor:
    """A vector of `count(like)` numbers as a tensor of that shape, dtype, device and strides."""
    if like.is_complex():
        value = torch.view_as_complex(vector.reshape(*like.shape, 2).clone())
    else:
        value = vector.reshape(like.shape)
    value = value.to(dtype=like.dtype, device=like.device)
    return value if like.is_contiguous() else room_like(like).copy_(value)


def parts(vector: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `joined`."""
    sizes = [count(tensor) for tensor in tensors]
    return [shaped(part, like) for part, like in zip(torch.split(vector, sizes), tensors, strict=True)]


def index_of(coordinate: int, like: Tensor) -> tuple[int, ...]:
    """The index of the element that a coordinate belongs to; () for a zero-dimensional tensor."""
    return unravelled(coordinate // 2 if like.is_complex() else coordinate, like.shape)


def step_scale(values: Tensor) -> Tensor:
    """How far each coordinate can be moved for a step of 1: its own size, or 1/32 of the root mean
    square where it is smaller than that; 1 where all are 0 or not finite.
    """
    size = values.abs()
    size[~size.isfinite()] = 0.0
    largest = float(size.max()) if size.numel() else 0.0
    if largest == 0.0:
        return torch.ones_like(size)
    typical = largest * math.sqrt(float((size / largest).square().mean()))
    return size.clamp(min=typical * _SMALLEST_STEP_SCALE)
