"""A kept graph, as those who look for cheaper ways ask about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gradscope.folds.kept_graph import KeptGraph, KeptNode, KeptTensor

SHAPED: Final = frozenset(
    f"{op}Backward{number}"
    for op in (
        "Expand",
        "Permute",
        "ReshapeAlias",
        "Squeeze",
        "T",
        "Transpose",
        "UnsafeView",
        "Unsqueeze",
        "View",
    )
    for number in (0, 1)
)
"""Views of all of their input: they keep nothing and change no element."""

COPIED: Final = SHAPED | {"CloneBackward0"}
"""Those, and copies in another layout."""

_SAVED_INPUTS: Final = {
    "AvgPool2DBackward0": {0: "self"},
    "AddmmBackward0": {1: "mat1", 2: "mat2"},
    "BaddbmmBackward0": {1: "batch1", 2: "batch2"},
    "BmmBackward0": {0: "self", 1: "mat2"},
    "ConvolutionBackward0": {0: "input"},
    "CudnnBatchNormBackward0": {0: "input"},
    "GeluBackward0": {0: "self"},
    "MaxPool2DWithIndicesBackward0": {0: "self"},
    "MaxPool3DWithIndicesBackward0": {0: "self"},
    "MmBackward0": {0: "self", 1: "mat2"},
    "MulBackward0": {0: "self", 1: "other"},
    "NativeBatchNormBackward0": {0: "input"},
    "NativeGroupNormBackward0": {0: "input"},
    "NativeLayerNormBackward0": {0: "input"},
    "PowBackward0": {0: "self"},
    "SiluBackward0": {0: "self"},
}
"""Under which name an op saves the input at a position."""


@dataclass(frozen=True, slots=True)
class Saving:
    """One place where less could be kept: `gone` are (node, name) of what would not be, `size` the bytes."""

    text: str
    gone: tuple[tuple[int, str], ...]
    size: int


class GraphView:
    """`size_of` gives the bytes of a storage, 0 for one that does not count as saved."""

    def __init__(self, graph: KeptGraph, size_of: Callable[[int], int]) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.size_of = size_of
        self._savers: dict[int, set[int]] = {}
        for index, node in enumerate(graph.nodes):
            for tensor in node.saved:
                for number in tensor.storages:
                    self._savers.setdefault(number, set()).add(index)

    def of(self, *ops: str) -> Iterator[tuple[int, KeptNode]]:
        """The nodes of these ops."""
        return ((index, node) for index, node in enumerate(self.nodes) if node.op in ops)

    def source(self, index: int | None, position: int, through: frozenset[str] = frozenset()) -> int | None:
        """The node that made an input, looking through some ops; None for an input that has none."""
        if index is None:
            return None
        node = self.nodes[index]
        edge = node.next[position] if position < len(node.next) else None
        while edge is not None and self.nodes[edge[0]].op in through:
            edge = self.nodes[edge[0]].next[0]
        return edge[0] if edge is not None else None

    def sources(self, index: int) -> list[int]:
        """The nodes that made its inputs."""
        return [edge[0] for edge in self.nodes[index].next if edge is not None]

    def users(self, index: int) -> tuple[int, ...]:
        """The nodes that use its output, once for each use."""
        return self.graph.users.get(index, ())

    def is_op(self, index: int | None, *ops: str) -> bool:
        """Whether there is such a node, of one of these ops."""
        return index is not None and self.nodes[index].op in ops

    def saved(self, index: int, name: str) -> KeptTensor | None:
        """What a node saves under a name."""
        return next((one for one in self.nodes[index].saved if one.name == name), None)

    def size(self, index: int, name: str) -> int:
        """The bytes behind what a node saves under a name."""
        one = self.saved(index, name)
        return sum(map(self.size_of, one.storages)) if one is not None else 0

    def is_exclusive(self, index: int, name: str, nodes: Iterable[int]) -> bool:
        """Whether only these nodes save the memory behind it."""
        one = self.saved(index, name)
        among = set(nodes)
        return one is not None and all(self._savers[number] <= among for number in one.storages)

    def freed(self, nodes: Iterable[int]) -> dict[int, tuple[int, str]]:
        """The storages that only these nodes save, each with the first (node, name) that does."""
        found: dict[int, tuple[int, str]] = {}
        among = set(nodes)
        for index in sorted(among):
            for one in self.nodes[index].saved:
                for number in one.storages:
                    if self._savers[number] <= among and self.size_of(number):
                        found.setdefault(number, (index, one.name))
        return found

    def saved_output(self, index: int, besides: Iterable[int] = ()) -> KeptTensor | None:
        """What a user of a node's output saves of it, looking through views; None where none is known to."""
        others = set(besides)
        waiting = [(user, index) for user in self.users(index)]
        while waiting:
            user, made = waiting.pop()
            node = self.nodes[user]
            if node.op in SHAPED:
                waiting.extend((further, user) for further in self.users(user))
                continue
            names = _SAVED_INPUTS.get(node.op, {})
            for position, edge in enumerate(node.next):
                if user not in others and edge == (made, 0) and position in names:
                    one = self.saved(user, names[position])
                    if one is not None and count(one.shape) == count(self.nodes[index].shape):
                        return one
        return None


def count(shape: Iterable[int]) -> int:
    """The number of elements."""
    product = 1
    for size in shape:
        product *= size
    return product
