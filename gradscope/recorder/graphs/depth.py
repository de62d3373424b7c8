"""Lets a deep graph that was walked from Python be freed again without a stack overflow.

Since torch 2.13 a node that Python has seen keeps its Python object for as long as it lives, and such nodes
free each other by recursion: a chain of some fifty thousand, walked once, ends the process when it is
dropped, long after the walk. So every two thousandth node of a chain is held by those that lead to it, in an
object that lets go of it in a loop.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

_KEY = "gradscope_holds"
_LEVELS: Final = 2000
SHALLOW: Final = 4000
"""A graph of no more nodes is freed as it is."""


class _Releasing(threading.local):
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.running = False


_releasing = _Releasing()


class _Hold:
    """Holds a node for those that lead to it. When the last of them is freed, the node is let go."""

    __slots__ = ("_node",)

    def __init__(self, node: Any) -> None:
        self._node = node

    def __del__(self) -> None:
        queue = _releasing
        queue.nodes.append(self._node)
        del self._node
        if queue.running:
            return  # inside the release of a node nearer to the root: its turn comes after that one
        queue.running = True
        try:
            while queue.nodes:
                queue.nodes.pop()
        finally:
            queue.running = False


def hold(nodes: Sequence[Any], following: Mapping[Any, Sequence[Any]]) -> None:
    """Makes a graph safe to be freed. `nodes` are in forward order, `following` their next functions."""
    if len(nodes) <= SHALLOW:
        return
    levels: dict[Any, int] = {}
    holds: dict[Any, _Hold] = {}
    for node in nodes:
        level = 0
        for target, _ in following[node]:
            if target is None:
                continue
            level = max(level, levels[target] + 1)
            held = holds.get(target)
            if held is not None:
                node.metadata.setdefault(_KEY, []).append(held)
        levels[node] = level
        if level and not level % _LEVELS:
            holds[node] = _Hold(node)
