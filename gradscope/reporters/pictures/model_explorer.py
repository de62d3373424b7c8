"""Google's Model Explorer: a file with the graph, and one with numbers to put over it.

model-explorer graph.json --node_data_paths=graph_gradients.json
"""

from __future__ import annotations

import msgspec

from gradscope.autograd_graph.drawing import Colour, Subject, View
from gradscope.autograd_graph.modules import Group, Tree, tree_of
from gradscope.autograd_graph.selection import part_of
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.paths import near
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._explorer.namespaces import namespaces, spread
from gradscope.reporters.pictures._explorer.nodes import Nodes
from gradscope.reporters.pictures._explorer.overlay import overlay
from gradscope.reporters.pictures._explorer.shapes import Graph, GraphCollection
from gradscope.reporters.pictures._explorer.texts import label, shown
from gradscope.reporters.screen.words import bytes_text, duration, plural, scientific

SUFFIXES: tuple[str, ...] = ()  # its files end in ".json", as the report does: it is chosen by its name
ENDINGS = {
    Colour.GRADIENT: "_gradients.json",
    Colour.TIME: "_seconds.json",
    Colour.BYTES: "_bytes.json",
}


def render(subject: Subject, view: View) -> tuple[Part, ...]:
    """The graph, and the numbers that `view.colour` asks for. Raises UsageError where the view names what
    is not there.

    `depth` and `fold` change nothing: the page itself opens and closes layers.
    """
    graph = part_of(subject.graph, view, subject.cwd).graph
    tree = tree_of(graph, subject.cwd)
    of_group = namespaces(tree)
    of_node = [""] * len(graph.nodes)
    for group, namespace in zip(tree.groups, of_group, strict=True):
        for node, inner in spread(group.nodes, namespace):
            of_node[node] = inner
    name = _name(subject)
    attributes = {"": _whole(subject, graph), **_layers(tree, of_group)}
    encode = msgspec.json.Encoder().encode
    nodes = [msgspec.Raw(encode(node)) for node in Nodes(subject, graph, of_node).all()]
    drawn = Graph(name, nodes, attributes, node_labels_to_hide=[])
    collection = GraphCollection(label(subject.target), [drawn])
    parts = [Part(msgspec.json.encode(collection))]
    if view.colour in ENDINGS:
        parts.append(Part(msgspec.json.encode({name: overlay(graph, view.colour)}), ENDINGS[view.colour]))
    return tuple(parts)


def _name(subject: Subject) -> str:
    """The same in both files: by it the page knows to which graph an overlay belongs."""
    graph = subject.graph
    if graph.backward is None:
        return "autograd graph"
    return f"{graph.call} {graph.number} at {label(near(graph.backward, subject.cwd))}"


def _whole(subject: Subject, graph: AutogradGraph) -> dict[str, str]:
    """What the side panel shows where no node is chosen."""
    found = {"target": shown(subject.target), "nodes": f"{len(graph.nodes):,}"}
    found["saved for the backward"] = bytes_text(sum(node.saved_bytes for node in graph.nodes if node.saved))
    findings = ((f"finding {each.code}", each.message) for each in subject.findings)
    notes = (("note", text) for text in graph.notes)
    for heading, text in (*findings, *notes, *(("not seen", text) for text in graph.not_seen)):
        key, number = heading, 1
        while key in found:
            number += 1
            key = f"{heading} {number}"
        found[key] = shown(text)
    return found


def _layers(tree: Tree, of_group: list[str]) -> dict[str, dict[str, str]]:
    return {namespace: _group(group) for group, namespace in zip(tree.groups, of_group, strict=True)}


def _group(group: Group) -> dict[str, str]:
    found = {"nodes": f"{group.size:,}"}
    if group.class_name:
        found["class"] = shown(group.class_name)
    if group.parameters:
        found["parameters"] = plural(group.parameters, "element")
    if group.saved_bytes:
        found["saved for the backward"] = bytes_text(group.saved_bytes)
    if group.norm is not None:
        found["gradient norm"] = scientific(group.norm)
    if group.seconds is not None:
        found["backward time"] = duration(group.seconds)
    return found
