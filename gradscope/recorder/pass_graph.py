"""The graph of one backward pass, by the index of each node: asked only where a node is in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from gradscope.folds.visits import Spot
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label


class PassGraph:
    """The nodes of a backward pass: their lines, their edges, their leaves. `ran` marks those that ran."""

    def __init__(self, nodes: Sequence[Any], roots: Iterable[Any], inputs: Sequence[Any] | None) -> None:
        self.nodes = nodes
        self.inputs = inputs
        self.ran = bytearray(len(nodes))
        self.leaves: dict[int, int] = {}  # the id of the leaf behind each AccumulateGrad
        self._roots = [node for root in roots if (node := _node_of(root)) is not None]
        self._index: dict[Any, int] = {}
        self._spots: dict[int, Spot] = {}
        self._memory: dict[int, int] = {}

    def release(self) -> None:
        """Drops every reference to nodes and tensors."""
        self.nodes = ()
        self.inputs = None
        self._roots.clear()
        self._index.clear()

    def spot(self, index: int) -> Spot:
        """The name of a node, and its line."""
        spot = self._spots.get(index)
        if spot is None:
            node = self.nodes[index]
            spot = self._spots[index] = Spot(node_label(node), place_of(node))
        return spot

    def targets(self, node: Any) -> tuple[int | None, ...]:
        """The indices of the nodes that a node gives its gradients to; None where it gives none."""
        indices = self._indices()
        return tuple(indices.get(following) for following, _ in node.next_functions)

    def edges_into(self) -> Counter[int]:
        """How many edges of nodes that ran lead to each node."""
        counts: Counter[int] = Counter()
        for index, node in enumerate(self.nodes):
            if self.ran[index]:
                counts.update(target for target in self.targets(node) if target is not None)
        return counts

    def roots(self) -> Counter[int]:
        """How many of the tensors that were differentiated each node made; -1 for nodes outside."""
        return Counter(self._indices().get(root, -1) for root in self._roots)

    def leaf_of(self, tensor: Tensor) -> int | None:
        """The id of the leaf of this graph that a tensor shares memory with."""
        if not self._memory:
            self._memory = {_address(self.nodes[index].variable): leaf for index, leaf in self.leaves.items()}
        address = _address(tensor)
        return self._memory.get(address) if address else None

    def asked(self) -> dict[int, int | str]:
        """The inputs of `autograd.grad`, by node index: the id of a leaf, or the words for a result."""
        if not self.inputs:
            return {}
        by_leaf = {leaf: index for index, leaf in self.leaves.items()}
        asked: dict[int, int | str] = {}
        for position, tensor in enumerate(self.inputs):
            index = by_leaf.get(id(tensor))
            if index is not None:
                asked[index] = id(tensor)
                continue
            node = _node_of(tensor)
            index = self._indices().get(node) if node is not None else None
            if index is not None:
                asked[index] = f"result {position} of autograd.grad"
        return asked

    def _indices(self) -> dict[Any, int]:
        if not self._index:
            self._index = {node: index for index, node in enumerate(self.nodes)}
        return self._index


def _node_of(tensor: Any) -> Any:
    """The node that made a tensor; a `GradientEdge` names its node itself."""
    return getattr(tensor, "node", None) or getattr(tensor, "grad_fn", None)


def _address(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0  # sparse, and others without a storage
