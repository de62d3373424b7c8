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
    first_use: dict[Any, int] = {}
    numbers: dict[Any, int] = {}
    stack = [root for root in roots if root is not None]
    while stack:
        node = stack.pop()
        if node in following:
            continue
        numbers[node] = number = node._sequence_nr()
        following[node] = edges = node.next_functions
        number *= _ROOM
        for position, (target, _) in enumerate(edges):
            if target is None:
                continue
            if target not in following:
                stack.append(target)
            use = number - max(_ROOM - 1 - position, 1)
            if use < first_use.get(target, _NO_USE):
                first_use[target] = use
    for node, number in numbers.items():
        numbers[node] = _ROOM * number if number != _NO_NUMBER else first_use.get(node, _NO_USE)
    ordered = sorted(following, key=numbers.__getitem__)
    known = all(
        numbers[target] < numbers[node]
        for node, edges in following.items()
        for target, _ in edges
        if target is not None
    )
    return (ordered if known else _by_depth(following)), following


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
