"""What is kept of all backwards of one line: how often it ran, its losses, and what its first one walked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope.facts import Backward
from gradscope.recorder.graph import node_label
from gradscope.recorder.names import variable_name
from gradscope.recorder.places import Loc
from gradscope.recorder.values import is_plain

_LONGEST_SEED = 16  # elements


@dataclass(slots=True)
class BackwardLine:
    """The backwards of one line; `nodes` and what follows belong to the first one."""

    call: str
    first: int = 0  # the number of its first pass in the run
    count: int = 0
    failed: int = 0
    loss: float | None = None
    last_loss: float | None = None
    nodes: int = 0
    leaves: int = 0
    root: str | None = None
    seed: str | None = None
    create_graph: bool = False
    node_names: tuple[tuple[str, int], ...] = ()

    def ran(self, loss: float | None) -> None:
        """One more backward of this loss."""
        if self.count == 1:
            self.loss = loss
        self.last_loss = loss if loss is not None else self.last_loss

    def describe(self, root: Tensor | None, seed: Any, nodes: list[Any], leaves: int) -> None:
        """What the first backward walks, and from where."""
        self.nodes, self.leaves = len(nodes), leaves
        self.root = variable_name(root) if root is not None else None
        if root is not None and root.dim() and _is_short(seed):
            self.seed = str(seed.tolist())
        self.node_names = _counted(node_label(node) for node in nodes)

    def fact(self, loc: Loc) -> Backward:
        """The line's backwards as a fact."""
        return Backward(
            loc.location(),
            self.call,
            self.count,
            self.nodes,
            self.leaves,
            self.loss,
            self.last_loss,
            self.root,
            self.seed,
            self.create_graph,
            self.node_names,
            failed=self.failed,
        )


def _is_short(seed: Any) -> bool:
    return isinstance(seed, Tensor) and seed.numel() <= _LONGEST_SEED and is_plain(seed)


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(names).most_common())
