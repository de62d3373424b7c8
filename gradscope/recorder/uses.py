"""When a graph took its leaves, and whether its loss was scaled: what the order of a step depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from gradscope.recorder.creation import Birth

_NEAR_ROOT = 32  # nodes that may lie between the scaled loss and what is differentiated
_SCALED = "gradscope.scaled"


def mark_scaled(node: Any) -> None:
    """This node made a loss that a GradScaler has multiplied."""
    node.metadata[_SCALED] = True


def uses_of(nodes: Sequence[Any]) -> dict[int, tuple[int, int]]:
    """For each leaf, the epoch of the oldest node that takes it, and the sequence number of the last."""
    uses: dict[int, tuple[int, int]] = {}
    for node in nodes:
        for following, _ in node.next_functions:
            variable = getattr(following, "variable", None)
            birth = node.metadata.get("traceback_") if variable is not None else None
            if isinstance(birth, Birth):
                number = node._sequence_nr()
                epoch, last = uses.get(id(variable), (birth.epoch, number))
                uses[id(variable)] = (min(epoch, birth.epoch), max(last, number))
    return uses


def is_scaled(roots: Iterable[Tensor]) -> bool:
    """Whether a root is, or is computed in a few nodes from, what a GradScaler returned."""
    queue = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen: set[Any] = set()
    while queue and len(seen) < _NEAR_ROOT:
        node = queue.pop(0)
        if node in seen:
            continue
        seen.add(node)
        metadata: Any = node.metadata
        if _SCALED in metadata:
            return True
        queue.extend(following for following, _ in node.next_functions if following is not None)
    return False
