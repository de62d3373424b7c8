"""What a loop makes: the same nodes in the same order, turn after turn, of which one turn is drawn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

from gradscope.autograd_graph.folding import Folds, resolve
from gradscope.autograd_graph.modules import OUTSIDE, GroupKind, Tree
from gradscope.autograd_graph.turns import turns_of
from gradscope.facts.graph import UNKNOWN, AutogradGraph, NodeKind

_MOST_NESTED: Final = 3  # loops in loops
_MOST_IRREGULAR: Final = 32  # nodes of one name that one place made in no order that repeats itself


def fold_loops(graph: AutogradGraph, tree: Tree, blocks: Folds) -> Folds:
    """What `blocks` draws with each loop drawn as one turn of it."""
    shown = list(blocks.shown)
    for nested in range(_MOST_NESTED):
        folded = [_fold_sequence(graph, each, shown) for each in _sequences(graph, tree, shown)]
        if not any(folded):
            if not nested:
                return blocks
            break
        _fold_leaves(graph, tree, shown)
    resolve(shown)
    loops = Counter([shown[node] for node, first in enumerate(blocks.shown) if first == node])
    several = {node: turns for node, turns in loops.items() if turns > 1}
    return Folds(shown, blocks.shown_groups, blocks.runs, several)


def _sequences(graph: AutogradGraph, tree: Tree, shown: Sequence[int]) -> list[list[int]]:
    """The ops that are drawn, by the module or function that made them, in the order of the forward."""
    container = [
        group.parent if group.kind is GroupKind.LINE and group.parent != OUTSIDE else index
        for index, group in enumerate(tree.groups)
    ]
    for index, group in enumerate(tree.groups):
        if group.kind is GroupKind.NAME:
            container[index] = OUTSIDE
    found: dict[int, list[int]] = defaultdict(list)
    leaf = NodeKind.LEAF
    for index in [node for node, first in enumerate(shown) if node == first]:
        if graph.nodes[index].kind is not leaf:
            group_index = tree.group_of[index]
            found[container[group_index] if group_index != OUTSIDE else OUTSIDE].append(index)
    return list(found.values())


def _fold_sequence(graph: AutogradGraph, sequence: Sequence[int], shown: list[int]) -> bool:
    nodes = graph.nodes
    numbers: dict[Any, int] = {}
    words = [
        numbers.setdefault((node.place, node.name, node.shapes, node.parent), len(numbers))
        for node in [nodes[index] for index in sequence]
    ]
    taken = bytearray(len(sequence))
    for start, period, end in turns_of(words):
        taken[start:end] = b"\1" * (end - start)
        for at in range(start + period, end):
            shown[sequence[at]] = sequence[start + (at - start) % period]
    return _fold_irregular(graph, [node for at, node in enumerate(sequence) if not taken[at]], shown) or any(
        taken
    )


def _fold_irregular(graph: AutogradGraph, others: Sequence[int], shown: list[int]) -> bool:
    """What one place made many times, but not turn after turn: all nodes of one name are drawn as one."""
    made: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index in others:
        node = graph.nodes[index]
        if node.place != UNKNOWN:
            made[node.place, node.name].append(index)
    many = [nodes for nodes in made.values() if len(nodes) > _MOST_IRREGULAR]
    for first, *rest in many:
        for index in rest:
            shown[index] = first
    return bool(many)


def _fold_leaves(graph: AutogradGraph, tree: Tree, shown: list[int]) -> None:
    """Leaves outside modules that each turn of a loop takes one of: `weights[0]`, `weights[1]`, ..."""
    nodes = graph.nodes
    uses: Counter[int] = Counter()
    slots: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, node in enumerate(nodes):
        for slot, edge in enumerate(node.next):
            if edge is None or nodes[edge[0]].kind is not NodeKind.LEAF:
                continue
            uses[edge[0]] += 1
            slots[shown[index], slot].append(edge[0])
    for leaves in slots.values():
        alike: dict[Any, list[int]] = defaultdict(list)
        for leaf in leaves:
            if uses[leaf] == 1 and _is_outside(tree, leaf):
                alike[tree.group_of[leaf], nodes[leaf].shapes, nodes[leaf].dtypes].append(leaf)
        for first, *rest in alike.values():
            for leaf in rest:
                shown[leaf] = first


def _is_outside(tree: Tree, leaf: int) -> bool:
    group = tree.group_of[leaf]
    return group == OUTSIDE or tree.groups[group].kind is GroupKind.LEAVES
