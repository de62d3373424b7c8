"""What training left behind, as text: a sha256 of every gradient and of every parameter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import nn


def digest(tensor: torch.Tensor | None) -> str:
    """The first 16 hex digits of the sha256 of a tensor's bytes, or "None"."""
    if tensor is None:
        return "None"
    values = tensor.detach()
    if values.is_sparse:
        values = values.coalesce()
        return digest(values.indices()) + digest(values.values())
    raw = values.cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(bytes(raw.tolist())).hexdigest()[:16]


def gradients(step: int, loss: torch.Tensor, named: nn.Module | Iterable[tuple[str, torch.Tensor]]) -> None:
    """Prints the loss and the gradient of every parameter, one a line."""
    print(f"step {step} loss {digest(loss)}")
    for name, parameter in _pairs(named):
        print(f"step {step} gradient {name} {digest(parameter.grad)}")


def parameters(named: nn.Module | Iterable[tuple[str, torch.Tensor]]) -> None:
    """Prints every parameter, and a module's buffers, one a line."""
    for name, parameter in _pairs(named):
        print(f"end parameter {name} {digest(parameter)}")
    if isinstance(named, nn.Module):
        for name, buffer in named.named_buffers():
            print(f"end buffer {name} {digest(buffer)}")


def _pairs(named: nn.Module | Iterable[tuple[str, torch.Tensor]]) -> list[tuple[str, torch.Tensor]]:
    return list(named.named_parameters()) if isinstance(named, nn.Module) else list(named)
