"""Norms of gradients: all of a backward in one fused call, one transfer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def dense_values(gradient: Tensor) -> Tensor:
    """The gradient's numbers as one dense, real tensor, without graph."""
    gradient = gradient.detach()
    if gradient.layout is torch.sparse_coo:
        gradient = gradient.coalesce().values()
    if gradient.is_complex():
        gradient = torch.view_as_real(gradient)
    return gradient


def norms_of(gradients: list[Tensor]) -> list[float]:
    """2-norms, accumulated in float32 for half types (in their own they overflow)."""
    if not gradients:
        return []
    half = [g.float() if g.dtype in (torch.float16, torch.bfloat16) else g for g in gradients]
    if all(type(g) in (Tensor, nn.Parameter) and g.layout is torch.strided for g in half):
        norms = list(torch._foreach_norm(half))
    else:
        norms = [torch.linalg.vector_norm(g) for g in half]
    if len({n.device for n in norms}) == 1 and len({n.dtype for n in norms}) == 1:
        return list(torch.stack(list(norms)).tolist())
    return [float(n) for n in norms]
