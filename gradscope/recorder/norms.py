"""Norms of gradients: all of a backward in one fused call, one transfer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradscope.recorder.stats import elements

_HALF = (torch.float16, torch.bfloat16)


def dense_values(gradient: Tensor) -> Tensor:
    """The gradient's numbers as one dense, real tensor, without graph."""
    stored = elements(gradient)
    return torch.view_as_real(stored.resolve_conj()) if stored.is_complex() else stored


def norm_of(gradient: Tensor) -> Tensor:
    """The 2-norm, on the gradient's device; accumulated in float32 for half types."""
    norm: Tensor = torch.linalg.vector_norm(
        dense_values(gradient), dtype=torch.float32 if gradient.dtype in _HALF else None
    )
    return norm


def norms_of(gradients: list[Tensor]) -> list[float]:
    """2-norms, accumulated in float32 for half types (in their own they overflow)."""
    if not gradients:
        return []
    half = [g.float() if g.dtype in _HALF else g for g in gradients]
    if all(type(g) in (Tensor, nn.Parameter) and g.layout is torch.strided for g in half):
        return numbers(list(torch._foreach_norm(half)))
    return numbers([torch.linalg.vector_norm(g) for g in half])


def numbers(norms: list[Tensor]) -> list[float]:
    """Tensors of one element as numbers, all of one device in one transfer."""
    if len({norm.device for norm in norms}) != 1:
        return [float(norm) for norm in norms]
    if len({norm.dtype for norm in norms}) > 1:
        norms = [norm.double() for norm in norms]
    return list(torch.stack(norms).tolist())
