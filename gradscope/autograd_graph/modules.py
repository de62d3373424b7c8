"""The tree of groups that a graph folds up into: modules in modules, functions, and the lines in them.

Every node belongs to at most one group, the innermost. A node that an op of torch made inside a module
belongs to that module, a leaf to the module that owns the parameter. Outside modules the nodes of a function
form a group, and everywhere those of one line do where they are several. Nodes of which no line is known
are grouped by their name, and leaves outside modules stand alone unless they are many of one name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gradscope.autograd_graph.figures import Figures
from gradscope.autograd_graph.grouping import OUTSIDE, Draft, Drafts, GroupKind
from gradscope.facts.graph import AutogradGraph
from gradscope.finding import Location

__all__ = ["OUTSIDE", "Group", "GroupKind", "Tree", "tree_of"]


class Group(msgspec.Struct, frozen=True, gc=False):
    """A group of nodes. Groups stand in the order of the forward, each before those inside it.

    `name` is what it is called among its siblings ("attn", "step in train.py", "train.py:12"), `path` the
    names from the root module on ("model.h.0.attn"), for others the same as `name`. `parent` is the index of
    the group around it, `end` the index behind the last group inside it, `level` how many groups lie around
    it. `nodes` are its own nodes, `children` the groups directly inside it.

    The figures are those of all nodes in it: how many, the elements of its parameters, the bytes saved, the
    seconds of its backward (None where none were measured). `norm` is the 2-norm of the gradient of its
    parameters; where it has none, of the gradient that enters it. None where that is not known.
    """

    kind: GroupKind
    name: str
    path: str
    parent: int
    end: int
    level: int
    class_name: str | None = None
    location: Location | None = None
    nodes: tuple[int, ...] = ()
    children: tuple[int, ...] = ()
    size: int = 0
    parameters: int = 0
    saved_bytes: int = 0
    seconds: float | None = None
    norm: float | None = None


class Tree(NamedTuple):
    """The groups of a graph. `group_of` gives the innermost group of each node, or OUTSIDE.

    `place_groups` gives that of all nodes of a place, by the index of the place. `top` are the groups that
    lie in no other, `loose` the nodes that belong to none.
    """

    groups: tuple[Group, ...]
    group_of: Sequence[int]
    top: tuple[int, ...]
    loose: tuple[int, ...]
    place_groups: Sequence[int]

    def around(self, group: int) -> list[int]:
        """The group and those around it, the innermost first."""
        found = []
        while group != OUTSIDE:
            found.append(group)
            group = self.groups[group].parent
        return found


def tree_of(graph: AutogradGraph, cwd: str = "") -> Tree:
    """The groups of a graph. Paths below `cwd` are named relative to it."""
    drafts = Drafts(graph, cwd)
    drafts.assign()
    return _tree(graph, drafts)


def _tree(graph: AutogradGraph, drafts: Drafts) -> Tree:
    """The groups that have nodes, in the order of the forward."""
    order = _in_order(drafts)
    number = {draft: index for index, draft in enumerate(order)}
    parents = [number[draft.parent] if draft.parent is not None else OUTSIDE for draft in order]
    group_of = [number[draft] if draft is not None else OUTSIDE for draft in drafts.of]
    figures = Figures(graph, parents, group_of)
    inside: dict[int, list[int]] = defaultdict(list)
    levels: list[int] = []
    for index, parent in enumerate(parents):
        inside[parent].append(index)
        levels.append(levels[parent] + 1 if parent != OUTSIDE else 0)
    groups = tuple(
        Group(
            kind=draft.kind,
            name=draft.name,
            path=draft.path,
            parent=parents[index],
            end=figures.ends[index],
            level=levels[index],
            class_name=draft.class_name,
            location=draft.location,
            nodes=tuple(draft.nodes),
            children=tuple(inside.get(index, ())),
            size=figures.sizes[index],
            parameters=figures.parameters[index],
            saved_bytes=figures.saved[index],
            seconds=figures.seconds[index],
            norm=figures.norm(index),
        )
        for index, draft in enumerate(order)
    )
    loose = tuple([index for index, group in enumerate(group_of) if group == OUTSIDE])
    place_groups = [number.get(draft, OUTSIDE) if draft is not None else OUTSIDE for draft in drafts.of_place]
    return Tree(groups, group_of, tuple(inside[OUTSIDE]), loose, place_groups)


def _in_order(drafts: Drafts) -> list[Draft]:
    """The groups that have nodes, in the order of the forward, each before those inside it."""
    for index, draft in enumerate(drafts.of):
        if draft is None:
            continue
        draft.nodes.append(index)
        while draft is not None and draft.first < 0:
            draft.first = index
            draft = draft.parent
    children: dict[Draft | None, list[Draft]] = defaultdict(list)
    for draft in drafts.known.values():
        if draft.first >= 0:
            children[draft.parent].append(draft)
    for siblings in children.values():
        siblings.sort(key=lambda draft: draft.first)
    order: list[Draft] = []
    stack = children[None][::-1]
    while stack:
        draft = stack.pop()
        order.append(draft)
        stack.extend(reversed(children.get(draft, ())))
    return order
