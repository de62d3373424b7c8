"""What the nodes of each group come to: their number, parameters, bytes, seconds, the gradient's norm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gradscope.autograd_graph.grouping import OUTSIDE
from gradscope.facts.graph import AutogradGraph


class Figures:
    """What the nodes of each group come to, those of the groups inside it included."""

    def __init__(self, graph: AutogradGraph, parents: Sequence[int], group_of: Sequence[int]) -> None:
        count = len(parents)
        self.ends = list(range(1, count + 1))
        for index in range(count - 1, -1, -1):
            if parents[index] != OUTSIDE:
                self.ends[parents[index]] = max(self.ends[parents[index]], self.ends[index])
        self._parents, self._group_of = parents, group_of
        self.sizes, self.parameters, self.saved = [0] * count, [0] * count, [0] * count
        self.seconds: list[float | None] = [None] * count
        self._squares: list[float | None] = [None] * count  # of the gradients of parameters
        self._entering: list[float | None] = [None] * count
        self._own(graph)
        for index in range(count - 1, -1, -1):
            self._add_to(parents[index], index)
        self._enter(graph)

    def norm(self, group: int) -> float | None:
        """The 2-norm of the gradients of its parameters, or of the gradient that enters it."""
        squares = self._squares[group] if self.parameters[group] else self._entering[group]
        return squares**0.5 if squares is not None else None

    def _own(self, graph: AutogradGraph) -> None:
        saved, seconds, squares = self.saved, self.seconds, self._squares
        for node, group in zip(graph.nodes, self._group_of, strict=True):
            if group == OUTSIDE:
                continue
            took = node.seconds
            if took is not None:
                so_far = seconds[group]
                seconds[group] = took if so_far is None else so_far + took
            if node.saved:
                saved[group] += sum([each.storage_bytes for each in node.saved if not each.shared])
            elif node.is_parameter:
                self.parameters[group] += elements(node.shapes[0]) if node.shapes else 0
                if node.incoming is not None:
                    squares[group] = (squares[group] or 0.0) + node.incoming * node.incoming
        for group, size in Counter(self._group_of).items():
            if group != OUTSIDE:
                self.sizes[group] = size

    def _add_to(self, parent: int, child: int) -> None:
        if parent == OUTSIDE:
            return
        self.sizes[parent] += self.sizes[child]
        self.parameters[parent] += self.parameters[child]
        self.saved[parent] += self.saved[child]
        for sums in (self.seconds, self._squares):
            more = sums[child]
            if more is not None:
                sums[parent] = (sums[parent] or 0.0) + more

    def _enter(self, graph: AutogradGraph) -> None:
        """Adds up the gradients that arrive at nodes which something outside their group has used."""
        outermost: dict[int, int] = {}  # node -> the group around it and all its users, as far as seen
        # a group with parameters has a norm of its own, and so have those around it
        skipped = [count > 0 for count in self.parameters]
        skipped.append(True)  # for OUTSIDE, which is -1
        meeting: dict[tuple[int, int], int] = {}
        for index, node in enumerate(graph.nodes):
            user = self._group_of[index]
            for edge in node.next:
                if edge is None:
                    continue
                used = self._group_of[edge[0]]
                if used == user or skipped[used]:
                    continue
                key = (user, used)
                if key not in meeting:
                    meeting[key] = self._meeting(user, used)
                outermost[edge[0]] = min(outermost.get(edge[0], used), meeting[key])
        for index, _ in graph.roots:
            if not skipped[self._group_of[index]]:
                outermost[index] = OUTSIDE
        for index, top in outermost.items():
            incoming = graph.nodes[index].incoming
            group = self._group_of[index]
            while incoming is not None and group > top and not skipped[group]:
                self._entering[group] = (self._entering[group] or 0.0) + incoming * incoming
                group = self._parents[group]

    def _meeting(self, user: int, used: int) -> int:
        """The innermost group around two groups."""
        while used != OUTSIDE and not used <= user < self.ends[used]:
            used = self._parents[used]
        return used


def elements(shape: Iterable[int]) -> int:
    """How many elements a tensor of that shape has; 0 where a size is not known (-1)."""
    count = 1
    for size in shape:
        count *= max(size, 0)
    return count
