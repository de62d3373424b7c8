"""Groups of nodes as Model Explorer's layers: names joined by slashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.autograd_graph.modules import OUTSIDE, Tree
from gradscope.errors import printable
from gradscope.reporters.pictures._explorer.texts import NAMELESS
from gradscope.reporters.screen.words import clip_end

_LONGEST = 80
_MEANT = str.maketrans({"/": "\\/", "\\": "|", ";": ","})
"""The page splits a namespace at "/" unless "\\" stands before it, and keeps what is behind the last ";"."""
_MARK = "___"  # how the page ends the ids of layers: "___group___"
_MOST_NODES = 1000


def namespaces(tree: Tree) -> list[str]:
    """The namespace of each group. No component is empty, and no two groups share one."""
    found: list[str] = []
    taken: dict[str, int] = {}
    for group in tree.groups:
        around = found[group.parent] + "/" if group.parent != OUTSIDE else ""
        found.append(_free(around + component(group.name), taken))
    return found


def component(name: str) -> str:
    """A name as one layer: without what means something in a namespace, and of bounded length."""
    text = " ".join(printable(name[: _LONGEST + 1]).split())
    while _MARK in text:
        text = text.replace(_MARK, "__")
    return clip_end(text, _LONGEST).translate(_MEANT) or NAMELESS


def _free(namespace: str, taken: dict[str, int]) -> str:
    """The namespace, with a number behind it where others have taken it."""
    found = namespace
    while found in taken:
        taken[namespace] += 1
        found = f"{namespace} ({taken[namespace]})"
    taken[found] = 1
    return found


def spread(nodes: Sequence[int], namespace: str) -> Iterator[tuple[int, str]]:
    """Each of a group's own nodes with its namespace: of very many, a thousand share a layer.

    With a hundred thousand nodes directly in a layer the page runs out of its stack.
    """
    if len(nodes) <= _MOST_NODES or not namespace:
        yield from ((node, namespace) for node in nodes)
        return
    for start in range(0, len(nodes), _MOST_NODES):
        part = nodes[start : start + _MOST_NODES]
        inner = f"{namespace}/nodes {part[0]} to {part[-1]}"
        yield from ((node, inner) for node in part)
