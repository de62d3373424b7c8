"""The hooks that sit on the nodes of a watched backward pass: the hot path.

A hook looks at the sum of each outgoing gradient; nearly always that is all. A sum that is not finite, or
exactly zero, is followed by a look at the whole node. Hooks run after the node and before its saved tensors
are released, in whichever thread the engine runs the node. They hold an index, never a node: a hook that
held its node would keep the graph alive until the next garbage collection.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from gradscope.recorder.stats import doubtful

Gradients: TypeAlias = tuple[Tensor | None, ...]
Hook: TypeAlias = Callable[[Gradients, Gradients], None]
_LARGE = 65536
AccumulateGrad: Any = torch._C._functions.AccumulateGrad  # type: ignore[attr-defined]


class Watching(Protocol):
    """What the hooks tell."""

    unwatched: int

    def look(self, index: int, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        """A node gave a gradient whose sum is not finite, or zero."""

    def retry(self, index: int, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        """The gradients of a node could not be summed."""

    def look_at_leaf(self, index: int, gradient: Tensor) -> None:
        """A leaf got a gradient whose sum is not finite, or zero."""

    def failed(self, error: Exception) -> None:
        """A hook failed; the backward goes on."""


def hook_makers(watched: Watching, ran: bytearray) -> tuple[Callable[[int], Hook], Callable[[int], Hook]]:
    """Two functions that make the hook of a node and of an AccumulateGrad, from the node's index.

    This is the hot path: one `doubtful` for each gradient, written out. Gradients of a subclass (DTensor,
    FakeTensor) are left alone: reading them may communicate, or fail.
    """
    fine: dict[int, tuple[weakref.ref[Tensor], int]] = {}
    look, look_at_leaf, retry, failed = watched.look, watched.look_at_leaf, watched.retry, watched.failed
    ref = weakref.ref
    grad_mode, set_grad_mode = torch.is_grad_enabled, torch._C._set_grad_enabled

    def hook_for(index: int) -> Hook:
        def hook(grad_inputs: Gradients, grad_outputs: Gradients) -> None:
            recording = grad_mode()
            if recording:
                set_grad_mode(False)
            try:
                ran[index] = 1
                for g in grad_inputs:
                    if type(g) is Tensor:
                        dims = g.dim()
                        if dims == 1 and g.numel() <= 32:
                            total = sum(g.tolist())
                        else:
                            total = g.sum().item() if dims else g.item()
                        if not total or total - total:
                            look(index, grad_inputs, grad_outputs)
                            break
                        if dims > 1 and g.numel() > _LARGE:
                            fine[id(g)] = (ref(g), g._version)
                    elif g is not None:
                        watched.unwatched += 1
            except Exception:  # noqa: BLE001  must not reach the program's backward
                retry(index, grad_inputs, grad_outputs)
            finally:
                if recording:
                    set_grad_mode(True)

        return hook

    def leaf_hook_for(index: int) -> Hook:
        def hook(_: Gradients, grad_outputs: Gradients) -> None:
            recording = grad_mode()
            if recording:
                set_grad_mode(False)
            try:
                g = grad_outputs[0]
                if type(g) is Tensor:
                    ran[index] = 1
                    known = fine.get(id(g))
                    if known is not None and known[0]() is g and known[1] == g._version:
                        return  # handed on as the node gave it
                    if doubtful(g):
                        look_at_leaf(index, g)
                elif g is not None:
                    ran[index] = 1
                    watched.unwatched += 1
            except Exception as error:  # noqa: BLE001
                failed(error)
            finally:
                if recording:
                    set_grad_mode(True)

        return hook

    return hook_for, leaf_hook_for
