"""What everything inside a group has in common, so that it need be said once, at the group's frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gradscope.autograd_graph.folding import Folds
from gradscope.autograd_graph.modules import OUTSIDE, Tree
from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.finding import Location


def _agreed(tree: Tree, groups: Sequence[int], values: Sequence[object]) -> list[object]:
    """For each group the value that all in it agree on; None has no say. `groups` are those of the values."""
    differ = object()
    found: list[object] = [None] * len(tree.groups)
    for value, group in zip(values, groups, strict=True):
        if value is not None and group != OUTSIDE and found[group] != value:
            found[group] = value if found[group] is None else differ
    for index in range(len(tree.groups) - 1, -1, -1):
        parent, value = tree.groups[index].parent, found[index]
        if parent != OUTSIDE and value is not None and found[parent] != value:
            found[parent] = value if found[parent] is None else differ
    return [None if value is differ else value for value in found]


def lines(graph: AutogradGraph, tree: Tree) -> list[Location | None]:
    """For each group the line at which all of it was made, None where several made it."""
    known: dict[tuple[str, int], Location] = {}
    at = []
    for place in graph.places:
        where = place.location
        at.append(known.setdefault((where.path, where.line), where) if where is not None else None)
    agreed = _agreed(tree, tree.place_groups, at)
    return [one if isinstance(one, Location) else None for one in agreed]


def turns(graph: AutogradGraph, tree: Tree, folds: Folds) -> list[int]:
    """For each group how many turns of a loop made it, where all its ops agree on that, else 1."""
    loops = folds.loops
    if not loops:
        return [1] * len(tree.groups)
    counts = [
        None if node.kind is NodeKind.LEAF else loops.get(shown, 1)
        for node, shown in zip(graph.nodes, folds.shown, strict=True)
    ]
    return [one if isinstance(one, int) else 1 for one in _agreed(tree, tree.group_of, counts)]


def outer_calls(graph: AutogradGraph) -> Sequence[bool]:
    """For each place, whether its text is that of a call from further out: several modules share it.

    In a Sequential every op stands at `net(x)`. Where a module was called by several such texts, they tell
    its calls apart, and are its own.
    """
    modules: dict[object, set[str | None]] = defaultdict(set)
    calls: dict[str | None, set[object]] = defaultdict(set)
    spots: list[object] = []
    for place in graph.places:
        where = place.location
        spot = None
        if where is not None:
            spot = (where.path, where.line, where.column, where.end_line, where.end_column)
        spots.append(spot)
        modules[spot].add(place.module)
        calls[place.module].add(spot)
    return [
        spot is not None
        and place.module is not None
        and len(modules[spot]) > 1
        and len(calls[place.module]) == 1
        for place, spot in zip(graph.places, spots, strict=True)
    ]
