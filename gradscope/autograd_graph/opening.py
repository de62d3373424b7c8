"""Which groups of a graph are open: as deep as was asked for, or as deep as fits on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from gradscope.autograd_graph.blocks import fold_blocks
from gradscope.autograd_graph.drawing import WHOLE, View
from gradscope.autograd_graph.folding import Folds, unfolded
from gradscope.autograd_graph.loops import fold_loops
from gradscope.autograd_graph.modules import OUTSIDE, Group, GroupKind, Tree
from gradscope.facts.graph import AutogradGraph, NodeKind

_UNROLLED: Final = 30  # a graph of so few boxes is drawn with every turn of its loops
_MOST_BARE: Final = 4
PAGE: Final = 40
"""The most boxes that a picture with a depth of its own choosing has, where it can be folded so far."""


class Opened(NamedTuple):
    """What is drawn. `closed` gives for each group the closed one it is drawn in, or OUTSIDE.

    `bare` says of a group that it is no more than single ops, such as an activation's: those are drawn in
    its place, wherever the group would be.
    """

    folds: Folds
    closed: list[int]
    bare: list[bool]


def opened(graph: AutogradGraph, tree: Tree, view: View) -> Opened:
    """The groups that are open in a view, and what is folded."""
    folds = fold_blocks(graph, tree) if view.fold else unfolded(graph, tree)
    if view.fold and _drawn_nodes(graph, folds) > _UNROLLED:
        folds = fold_loops(graph, tree, folds)
    bare = _bare(graph, tree, folds)
    depth, inner_only = view.depth, False
    if depth is None and _drawn_nodes(graph, folds) <= PAGE:
        depth = WHOLE
    elif depth is None:
        depth, inner_only = _deepest_that_fits(graph, tree, folds, bare), True
    closed = _closed(tree, depth, bare, inner_only=inner_only)
    return Opened(folds, closed, bare)


def _drawn_nodes(graph: AutogradGraph, folds: Folds) -> int:
    """How many boxes there are when everything is open."""
    return len(set(folds.shown)) + len(graph.roots) + sum(_drawn_constants(graph, folds).values())


def _drawn_constants(graph: AutogradGraph, folds: Folds) -> Counter[int]:
    """The constants of each node that is drawn."""
    return Counter([each.node for each in graph.constants if folds.shown[each.node] == each.node])


def _bare(graph: AutogradGraph, tree: Tree, folds: Folds) -> list[bool]:
    """Which modules have nothing inside but a few ops, none of which leads to another."""
    return [
        group.kind is GroupKind.MODULE
        and not group.children
        and folds.shown_groups[index] == index
        and _are_single_ops(graph, group.nodes, folds.shown)
        for index, group in enumerate(tree.groups)
    ]


def _are_single_ops(graph: AutogradGraph, own: Sequence[int], shown: Sequence[int]) -> bool:
    few, others = own[:_MOST_BARE], own[_MOST_BARE:]
    if any(shown[node] == node for node in others):
        return False
    drawn = {node for node in few if shown[node] == node}
    targets = {shown[edge[0]] for node in drawn for edge in graph.nodes[node].next if edge is not None}
    return not targets & drawn and all(graph.nodes[node].kind is not NodeKind.LEAF for node in drawn)


def _is_inner(tree: Tree, group: Group) -> bool:
    """Whether a picture of the whole is the better for opening a group: it holds more than its own lines."""
    if group.kind is not GroupKind.MODULE or group.parent == OUTSIDE:
        return bool(group.children)
    return any(tree.groups[each].kind is GroupKind.MODULE for each in group.children)


def _closed(tree: Tree, depth: int, bare: Sequence[bool], *, inner_only: bool) -> list[int]:
    """The closed group that each group is drawn in. With `inner_only`, only what `_is_inner` is open."""
    closed: list[int] = []
    for index, group in enumerate(tree.groups):
        around = closed[group.parent] if group.parent != OUTSIDE else OUTSIDE
        if (
            around == OUTSIDE
            and not bare[index]
            and (group.level >= depth or (inner_only and not _is_inner(tree, group)))
        ):
            around = index
        closed.append(around)
    return closed


def _deepest_that_fits(graph: AutogradGraph, tree: Tree, folds: Folds, bare: Sequence[bool]) -> int:
    """The greatest depth that fits on a page when only what `_is_inner` is open; at least 0."""
    groups, shown = tree.groups, folds.shown
    own = Counter([tree.group_of[node] for node, first in enumerate(shown) if first == node])
    for node, count in _drawn_constants(graph, folds).items():
        own[tree.group_of[node]] += count
    levels = max([group.level for group in groups], default=-1) + 2
    opened, at_level, shut = [0] * levels, [0] * levels, [0] * levels
    for index, group in enumerate(groups):
        if folds.shown_groups[index] != index:
            continue
        itself = own[index] if bare[index] else 1
        at_level[group.level] += itself
        if _is_inner(tree, group):
            opened[group.level] += own[index]
        else:
            shut[group.level] += itself
    loose = own[OUTSIDE] + len(graph.roots)
    above = list(accumulate(map(sum, zip(opened, shut, strict=True)), initial=loose))
    sizes = [above[depth] + at_level[depth] for depth in range(levels)]
    return max([depth for depth, size in enumerate(sizes) if size <= PAGE], default=0)
