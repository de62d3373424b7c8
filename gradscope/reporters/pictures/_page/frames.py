"""The groups of the page: those of the graph, one around all, and one around each row of equal blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gradscope.autograd_graph.modules import OUTSIDE, Group, Tree
from gradscope.errors import printable
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.pictures._page.tables import number


class Frames(NamedTuple):
    """The groups as the page is told them, each behind the one around it, and the group of each node.

    Group 0 is the page itself.
    """

    groups: list[dict[str, Any]]
    of_node: Sequence[int]


def frames_of(tree: Tree, graph: AutogradGraph) -> Frames:
    """The groups of a tree under the page."""
    groups: list[dict[str, Any]] = [{"kind": "page", "name": "", "path": "", "parent": -1}]
    groups += [_group(each) for each in tree.groups]
    return Frames(groups, [each + 1 for each in tree.group_of])


def _group(group: Group) -> dict[str, Any]:
    return {
        "kind": group.kind.value,
        "name": printable(group.name),
        "path": printable(group.path),
        "class": printable(group.class_name or ""),
        "parent": 0 if group.parent == OUTSIDE else group.parent + 1,
        "size": group.size,
        "parameters": group.parameters,
        "bytes": group.saved_bytes,
        "seconds": number(group.seconds),
        "norm": number(group.norm),
    }
