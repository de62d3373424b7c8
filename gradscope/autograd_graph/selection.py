"""A part of a graph as a graph of its own: the way of one parameter to the roots, what is near to a line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from gradscope.autograd_graph.drawing import View
from gradscope.errors import UsageError, closest
from gradscope.facts.graph import AutogradGraph, Edge, GraphNode, NodeKind
from gradscope.reporters.paths import file_name

_NEAREST = 5
_MOST_COMPARED = 2_000  # names of leaves that are compared letter by letter with one that does not exist


class Part(NamedTuple):
    """Some nodes of a graph with the edges among them. `original` gives the number of each in the whole.

    `words` say what was chosen, for the head of the picture; "" for the whole graph.
    """

    graph: AutogradGraph
    original: Sequence[int]
    words: str = ""


def part_of(graph: AutogradGraph, view: View, cwd: str = "") -> Part:
    """What a view chooses of a graph. Raises UsageError for a leaf or a line that the graph does not have."""
    chosen: set[int] | None = None
    words = []
    if view.path is not None:
        leaf = leaf_called(graph, view.path)
        chosen = _above(graph, leaf)
        words.append(f"paths from {graph.nodes[leaf].leaf}")
    if view.around is not None:
        path, line = view.around
        near = _near(graph, _at_line(graph, path, line, cwd), view.reach)
        chosen = near if chosen is None else chosen & near
        steps = "1 step" if view.reach == 1 else f"{view.reach:,} steps"
        words.append(f"within {steps} of {f'{path}:{line}' if path else f'line {line}'}")
    if chosen is None:
        return Part(graph, range(len(graph.nodes)))
    return Part(*_cut_out(graph, sorted(chosen)), ", ".join(words))


def leaf_called(graph: AutogradGraph, name: str) -> int:
    """The node of the leaf of that name, or the only one whose name ends so. Raises UsageError for none."""
    leaves = {node.leaf or "": at for at, node in enumerate(graph.nodes) if node.kind is NodeKind.LEAF}
    if name in leaves:
        return leaves[name]
    ending = [leaf for leaf in leaves if leaf.endswith(f".{name}")] or _below_root(graph, leaves, name)
    if len(ending) == 1:
        return leaves[ending[0]]
    if ending:
        raise UsageError(f"{len(ending):,} leaves of the graph are called {name}", try_next=_paths(ending))
    if not leaves:
        raise UsageError(f"the graph has no leaf {name}: it has no leaves at all")
    last = name.rpartition(".")[2]
    alike = leaves if len(leaves) <= _MOST_COMPARED else [leaf for leaf in leaves if last in leaf]
    near = closest(name, alike, count=_NEAREST) or [leaf for leaf in leaves if name in leaf] or list(leaves)
    raise UsageError(f"the graph has no leaf called {name}", try_next=_paths(near))


def _below_root(graph: AutogradGraph, leaves: Iterable[str], name: str) -> list[str]:
    """The leaf whose name was typed with the root module's name before it."""
    return [
        leaf
        for leaf in leaves
        if leaf and name.endswith(f".{leaf}") and name[: -len(leaf) - 1] in graph.modules
    ]


def _paths(names: Sequence[str]) -> list[str]:
    return [f"--path {name}" for name in names[:_NEAREST]]


def _above(graph: AutogradGraph, leaf: int) -> set[int]:
    """A node and all that took it in, directly or not."""
    found = bytearray(len(graph.nodes))
    found[leaf] = 1
    for index, node in enumerate(graph.nodes):
        for edge in node.next:
            if edge is not None and found[edge[0]]:
                found[index] = 1
                break
    return {index for index, is_found in enumerate(found) if is_found}


def _at_line(graph: AutogradGraph, path: str | None, line: int, cwd: str) -> set[int]:
    """The nodes that a line made. Raises UsageError, which names the nearest lines, for none."""
    lines: dict[int, tuple[str, int]] = {}
    for index, place in enumerate(graph.places):
        where = place.location
        if where is not None and (path is None or _is_file(where.path, path)):
            lines[index] = where.at
    places = {index for index, at in lines.items() if at[1] == line}
    found = {index for index, node in enumerate(graph.nodes) if node.place in places}
    if found:
        return found
    near = sorted(set(lines.values()), key=lambda at: (abs(at[1] - line), at))[:_NEAREST]
    if not near:
        known = sorted({file_name(p.location.path, cwd) for p in graph.places if p.location is not None})
        raise UsageError(
            f"no node of the graph was made in {path or 'any file'}",
            try_next=[f"--around {name}:LINE" for name in known[:_NEAREST]],
        )
    advice = [f"--around {file_name(file, cwd)}:{number}" for file, number in near]
    typed = f"{path}:{line}" if path else f"line {line}"
    raise UsageError(f"no node of the graph was made at {typed}", try_next=advice)


def _is_file(path: str, typed: str) -> bool:
    """Whether the end of a path is what was typed, name by name."""
    names = [part for part in typed.replace("\\", "/").split("/") if part not in ("", ".")]
    own = path.replace(os.sep, "/").split("/")
    return path == typed or (bool(names) and own[-len(names) :] == names)


def _near(graph: AutogradGraph, start: Iterable[int], reach: int) -> set[int]:
    """The nodes at most `reach` edges away from some, against and along the forward."""
    users: list[list[int]] = [[] for _ in graph.nodes]
    for index, node in enumerate(graph.nodes):
        for edge in node.next:
            if edge is not None:
                users[edge[0]].append(index)
    found = set(start)
    edge_of = {*found}
    for _ in range(reach):
        further = {user for index in edge_of for user in users[index]}
        further.update(edge[0] for index in edge_of for edge in graph.nodes[index].next if edge is not None)
        edge_of = further - found
        if not edge_of:
            break
        found |= edge_of
    return found


def _cut_out(graph: AutogradGraph, chosen: Sequence[int]) -> tuple[AutogradGraph, Sequence[int]]:
    number = {index: at for at, index in enumerate(chosen)}

    def kept(edge: Edge) -> Edge:
        return (number[edge[0]], edge[1]) if edge is not None and edge[0] in number else None

    nodes: list[GraphNode] = []
    for index in chosen:
        node = graph.nodes[index]
        nodes.append(replace(node, next=tuple([kept(edge) for edge in node.next])))
    constants = tuple(replace(c, node=number[c.node]) for c in graph.constants if c.node in number)
    roots = tuple((number[index], nr) for index, nr in graph.roots if index in number)
    return replace(graph, nodes=tuple(nodes), constants=constants, roots=roots), chosen
