"""`--redact` for the autograd graph: what it is made of and how large that is, and no values."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace as replaced

from gradscope.facts.graph import AutogradGraph, Constant, GraphNode, GraphPlace
from gradscope.reporters.redaction_texts import Texts, absolute_paths, runs


def redacted_graph(graph: AutogradGraph, cwd: str, sources: Iterable[Iterable[str]] = ()) -> AutogradGraph:
    """The graph alone, as a redacted report has it. `sources` are the lines of the program's files, which
    notes may not quote.
    """
    known = absolute_paths(graph_paths(graph), cwd)
    return hidden_graph(graph, Texts(cwd, frozenset(runs(sources)), known))


def graph_paths(graph: AutogradGraph) -> set[str]:
    """The files that the graph is about."""
    places = [graph.backward, *(place.location for place in graph.places)]
    places += [each.location for each in graph.definitions]
    places += [location for location, _ in graph.other_passes]
    return {place.path for place in places if place is not None}


def hidden_graph(graph: AutogradGraph, texts: Texts) -> AutogradGraph:
    """Ops, shapes, dtypes, lines, modules, names of parameters, counts, bytes and seconds."""
    return replaced(
        graph,
        nodes=tuple([_node(each, texts) for each in graph.nodes]),
        places=tuple(_place(each, texts) for each in graph.places),
        definitions=tuple(
            replaced(each, name=texts.paths(each.name), location=texts.place(each.location))
            for each in graph.definitions
        ),
        constants=tuple(map(_constant, graph.constants)),
        backward=texts.place(graph.backward),
        loss=None,
        other_passes=tuple((texts.place(location), number) for location, number in graph.other_passes),
        notes=tuple(filter(None, map(texts.unless_quoting, graph.notes))),
        not_seen=tuple(map(texts.message, graph.not_seen)),
    )


def _node(node: GraphNode, texts: Texts) -> GraphNode:
    leaf = node.leaf
    if leaf is not None and not node.is_parameter:
        leaf = texts.name(leaf)
    return replaced(node, incoming=None, outgoing=(), value=None, leaf=leaf)


def _place(place: GraphPlace, texts: Texts) -> GraphPlace:
    return replaced(place, location=texts.place(place.location), variable=None, expression=None)


def _constant(constant: Constant) -> Constant:
    """A parameter keeps its name; of other tensors it is a variable of the program, or an expression."""
    return constant if constant.frozen else replaced(constant, name=None)
