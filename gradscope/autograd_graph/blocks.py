"""Blocks that are built alike: neighbouring modules with numbered names, of which one is drawn.

Their nodes agree one by one: name, shapes, dtypes and the edges among them. What leads in and out may differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from gradscope.autograd_graph.folding import Folds, Run, resolve
from gradscope.autograd_graph.modules import GroupKind, Tree
from gradscope.facts.graph import AutogradGraph, Edge

FEWEST_BLOCKS: Final = 3
_LONGEST_PATTERN: Final = 8  # modules that alternate: (Linear, ReLU, Dropout) and so on
_BITS: Final = 20  # for the number of an output
_NUMBERED = re.compile(r"(.*?)(\d+)")


def fold_blocks(graph: AutogradGraph, tree: Tree) -> Folds:
    """Equal blocks drawn once."""
    blocks = _Blocks(graph, tree)
    blocks.find()
    if blocks.runs:
        resolve(blocks.shown)
        resolve(blocks.shown_groups)
    return Folds(blocks.shown, blocks.shown_groups, blocks.runs)


class _Blocks:
    def __init__(self, graph: AutogradGraph, tree: Tree) -> None:
        self._graph, self._tree = graph, tree
        self.shown = list(range(len(graph.nodes)))
        self.shown_groups = list(range(len(tree.groups)))
        self.runs: dict[int, Run] = {}
        self._order: list[int] = []  # the nodes of each group beside those of the groups inside it
        self._position: list[int] = []
        self._starts: list[int] = []
        self._facts: list[list[Any]] = []  # what nodes at one place of two blocks must have in common
        self._edges: list[tuple[int | None, ...]] = []  # how far each leads, and to which output
        self._shapes: list[Any] = []

    def find(self) -> None:
        """Finds the runs from the outside in; what is inside a block is looked at in the first one alone."""
        groups = self._tree.groups
        waiting = [self._tree.top]
        while waiting:
            siblings = waiting.pop()
            inside = set(siblings)
            for run in self._runs_among(siblings):
                for group in run.groups:
                    self.runs[group] = run
                width = len(run.groups)
                first = siblings.index(run.groups[0])
                for turn in range(1, run.turns):
                    others = siblings[first + turn * width : first + (turn + 1) * width]
                    inside.difference_update(others)
                    self._replace(others, run.groups)
            waiting.extend(
                groups[each].children for each in siblings if each in inside and groups[each].children
            )

    def _runs_among(self, siblings: Sequence[int]) -> list[Run]:
        if len(siblings) < FEWEST_BLOCKS:
            return []
        keys = [self._key(each) for each in siblings]
        found = []
        at = 0
        while at <= len(keys) - FEWEST_BLOCKS:
            width, turns = self._longest(siblings, keys, at) if keys[at] is not None else (1, 1)
            if turns >= FEWEST_BLOCKS:
                last = siblings[at + width * turns - 1]
                found.append(Run(tuple(siblings[at : at + width]), turns, last))
            at += width * turns
        return found

    def _key(self, group: int) -> Any:
        """What two blocks must have in common to be worth a closer look, None for what is no block."""
        this = self._tree.groups[group]
        numbered = _NUMBERED.fullmatch(this.name) if this.kind is GroupKind.MODULE else None
        return (this.class_name, this.size, this.end - group, numbered[1]) if numbered else None

    def _longest(self, siblings: Sequence[int], keys: Sequence[Any], at: int) -> tuple[int, int]:
        """The shortest pattern of neighbours that repeats from one on: its width, and how often it comes."""
        for width in range(1, min(_LONGEST_PATTERN, (len(keys) - at) // FEWEST_BLOCKS) + 1):
            pattern = keys[at : at + width]
            if None in pattern:
                break
            turns = 1
            while keys[at + turns * width : at + (turns + 1) * width] == pattern and self._are_equal(
                siblings[at + (turns - 1) * width : at + turns * width],
                siblings[at + turns * width : at + (turns + 1) * width],
            ):
                turns += 1
            if turns >= FEWEST_BLOCKS:
                return width, turns
        return 1, 1

    def _are_equal(self, ones: Sequence[int], others: Sequence[int]) -> bool:
        if not self._order:
            self._prepare()
        groups = self._tree.groups
        for one, other in zip(ones, others, strict=True):
            inner, inner_other = (self._shapes[at + 1 : groups[at].end] for at in (one, other))
            if inner != inner_other or len(groups[one].nodes) != len(groups[other].nodes):
                return False
        return self._same_nodes(self._span(ones), self._span(others))

    def _span(self, neighbours: Sequence[int]) -> tuple[int, int]:
        return self._starts[neighbours[0]], self._starts[self._tree.groups[neighbours[-1]].end]

    def _same_nodes(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        first, end = one
        second = other[0]
        if any(facts[first:end] != facts[second : other[1]] for facts in self._facts):
            return False
        edges, others = self._edges[first:end], self._edges[second : other[1]]
        if edges == others:
            return True
        size = end - first
        return all(
            mine == its or _same_inside(mine, its, at, size)
            for at, (mine, its) in enumerate(zip(edges, others, strict=True))
        )

    def _prepare(self) -> None:
        groups, nodes = self._tree.groups, self._graph.nodes
        self._starts = [0, *accumulate([len(group.nodes) for group in groups])]
        self._order = [node for group in groups for node in group.nodes] + list(self._tree.loose)
        self._position = position = [0] * len(nodes)
        for at, index in enumerate(self._order):
            position[index] = at
        ordered = [nodes[index] for index in self._order]
        self._facts = [
            [node.name for node in ordered],
            [node.shapes for node in ordered],
            [node.dtypes for node in ordered],
            [node.is_parameter for node in ordered],
            [node.definition for node in ordered],
        ]
        self._edges = [self._coded(node.next, at) for at, node in enumerate(ordered)]
        self._shapes = [
            (group.name, group.kind, group.class_name, len(group.nodes), group.end - index)
            for index, group in enumerate(groups)
        ]

    def _coded(self, edges: Sequence[Edge], at: int) -> tuple[int | None, ...]:
        if len(edges) == 1 and edges[0] is not None:  # the most frequent case
            return (((self._position[edges[0][0]] - at) << _BITS) + edges[0][1],)
        position = self._position
        return tuple(
            [None if edge is None else ((position[edge[0]] - at) << _BITS) + edge[1] for edge in edges]
        )

    def _replace(self, others: Sequence[int], shown: Sequence[int]) -> None:
        """Draws the groups `shown` in the place of others, node by node."""
        first, end = self._span(shown)
        second = self._span(others)[0]
        for step in range(end - first):
            self.shown[self._order[second + step]] = self._order[first + step]
        for one, other in zip(shown, others, strict=True):
            for step in range(self._tree.groups[one].end - one):
                self.shown_groups[other + step] = one + step


def _same_inside(mine: Sequence[int | None], its: Sequence[int | None], at: int, size: int) -> bool:
    """Whether two nodes at one place of their blocks have the same edges but for those that lead out.

    What comes in from outside may also need no gradient: the first block of a model often gets the data.
    """
    if len(mine) != len(its):
        return False
    inside = range(-at, size - at)
    return all(
        edge == other
        or ((edge is None or edge >> _BITS not in inside) and (other is None or other >> _BITS not in inside))
        for edge, other in zip(mine, its, strict=True)
    )
