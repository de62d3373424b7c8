"""Equal parts of a graph that are drawn once: what is drawn in the place of what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gradscope.autograd_graph.modules import Tree
from gradscope.facts.graph import AutogradGraph


class Run(NamedTuple):
    """Equal modules in a row. `groups` are those of the first turn, several where they alternate."""

    groups: tuple[int, ...]
    turns: int
    last: int  # the last group of the last turn


class Folds(NamedTuple):
    """What is drawn in the place of what.

    `shown` gives for each node the one that is drawn for it, `shown_groups` the same of groups. `runs` are
    the blocks, by the index of each group that is drawn for several.
    """

    shown: list[int]
    shown_groups: list[int]
    runs: dict[int, Run]
    loops: Mapping[int, int] = MappingProxyType(
        {}
    )  # node that is drawn -> how many turns of a loop it stands for

    def members(self) -> dict[int, list[int]]:
        """The nodes that each drawn node stands for, where they are several."""
        found: dict[int, list[int]] = defaultdict(list)
        for node, shown in enumerate(self.shown):
            if node != shown:
                found[shown].append(node)
        return {shown: [shown, *others] for shown, others in found.items()}

    def group_members(self) -> dict[int, list[int]]:
        """The groups that each drawn group stands for, where they are several."""
        found: dict[int, list[int]] = defaultdict(list)
        for group, shown in enumerate(self.shown_groups):
            if group != shown:
                found[shown].append(group)
        return {shown: [shown, *others] for shown, others in found.items()}


def unfolded(graph: AutogradGraph, tree: Tree) -> Folds:
    """Every node and every group drawn for itself."""
    return Folds(list(range(len(graph.nodes))), list(range(len(tree.groups))), {})


def resolve(shown: list[int]) -> None:
    """Follows chains of replacements to what is drawn in the end: blocks lie in blocks, loops in loops."""
    for index, first in enumerate(shown):
        at = first
        while shown[at] != at:
            at = shown[at]
        shown[index] = at
