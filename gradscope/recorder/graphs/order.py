"""The nodes of a graph in the order of the forward, without recursion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_NO_NUMBER: Final = 2**64 - 1  # an AccumulateGrad has none: it stands just before its first use
_ROOM: Final = 256  # for the leaves that one node uses
_NO_USE: Final = _NO_NUMBER * _ROOM


def in_forward_order(roots: Iterable[Any]) -> tuple[list[Any], dict[Any, tuple[Any, ...]]]:
    """All nodes reachable from root nodes, those that a node leads to before it; and their next functions.

    The order is that in which they were made, where the sequence numbers of the nodes say so (those of
    several threads do not), and an order of the graph itself otherwise.
    """
    following: dict[Any, tuple[Any, ...]] = {}
    stack = [root for root in roots if root is not None]
    while stack:
        node = stack.pop()
        if node in following:
            continue
        following[node] = edges = node.next_functions
        for target, _ in edges:
            if target is not None and target not in following:
                stack.append(target)
    return _by_number(following) or _by_depth(following), following


def _by_number(following: Mapping[Any, Sequence[Any]]) -> list[Any] | None:
    """The nodes in the order in which they were made, None where their numbers do not tell it."""
    ranks = {node: node._sequence_nr() * _ROOM for node in following}
    first_use: dict[Any, int] = {}
    unnumbered = []
    for node, edges in following.items():
        rank = ranks[node]
        if rank == _NO_USE and edges:
            unnumbered.append(node)
        for position, (target, _) in enumerate(edges):
            if target is None:
                continue
            its = ranks[target]
            if its == _NO_USE:
                use = rank - max(_ROOM - 1 - position, 1)
                if use < first_use.get(target, _NO_USE):
                    first_use[target] = use
            elif its >= rank:
                return None
    ranks.update(first_use)
    for node in unnumbered:
        if any(target is not None and ranks[target] >= ranks[node] for target, _ in following[node]):
            return None
    return sorted(following, key=ranks.__getitem__)


def _by_depth(following: Mapping[Any, Sequence[Any]]) -> list[Any]:
    """The nodes in an order that the edges alone give, targets first."""
    waiting = {node: sum(target is not None for target, _ in edges) for node, edges in following.items()}
    users: dict[Any, list[Any]] = {node: [] for node in following}
    for node, edges in following.items():
        for target, _ in edges:
            if target is not None:
                users[target].append(node)
    ready = [node for node, count in waiting.items() if not count]
    ordered = []
    while ready:
        node = ready.pop()
        ordered.append(node)
        for user in users[node]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return ordered
