"""Tensors compared with tensors: their values, and the memory they lie in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def same_values(one: Any, other: Any) -> bool:
    """Whether two tensors hold the same values bit by bit; NaN equals NaN, and None equals None."""
    if one is None or other is None:
        return one is other
    same_kind = one.shape == other.shape and one.dtype == other.dtype
    return same_kind and bool(torch.equal(_finite(one, 7.0), _finite(other, 7.0)))


def difference(one: Tensor, other: Tensor) -> float:
    """How far two tensors of one shape are apart, 2-norms, relative to the larger; 0.0 where both are 0.

    NaN counts as 0, infinities as the largest numbers.
    """
    first, second = _finite(one, 0.0), _finite(other, 0.0)
    scale = max(norm(first), norm(second))
    return norm(first - second) / scale if scale else 0.0


def norm(tensor: Tensor) -> float:
    """The 2-norm, in float64."""
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    return float(torch.linalg.vector_norm(dense(tensor).to(wide)))


def _finite(tensor: Tensor, nan: float) -> Tensor:
    """The values with a number in place of NaN; complex ones as pairs of real ones."""
    values = dense(tensor)
    real = torch.view_as_real(values.resolve_conj()) if values.is_complex() else values
    return real.nan_to_num(nan) if real.is_floating_point() else real


def dense(tensor: Tensor) -> Tensor:
    """A tensor's values without graph; those of a sparse one (the gradient of an embedding) made dense."""
    detached = tensor.detach()
    return detached if detached.layout is torch.strided else detached.to_dense()


def inner(one: Tensor, other: Tensor) -> float:
    """Re<one, other>, the sum over all elements."""
    return float((one.conj() * other).sum().real)


def shares_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in one storage; False where they have none."""
    try:
        first, second = one.untyped_storage(), other.untyped_storage()
    except (RuntimeError, NotImplementedError):  # sparse, meta, functorch wrappers
        return False
    return first.nbytes() > 0 and first.data_ptr() == second.data_ptr()
