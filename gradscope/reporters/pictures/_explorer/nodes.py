"""The nodes of a graph as nodes of Model Explorer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gradscope.autograd_graph.drawing import Subject
from gradscope.autograd_graph.marked import marked_nodes
from gradscope.facts.graph import UNKNOWN, AutogradGraph, Definition, GraphNode, GraphPlace, SavedTensor
from gradscope.reporters.paths import near
from gradscope.reporters.pictures._explorer.extras import Extras
from gradscope.reporters.pictures._explorer.shapes import IncomingEdge, KeyValue, Metadata, Node, Style
from gradscope.reporters.pictures._explorer.texts import label, shape, shown
from gradscope.reporters.screen.words import bytes_text, duration, number, scientific, shape_text

_SPECIAL: Final = Style(border_color="#7c3aed")
_STYLES: Final = {
    "leaf": Style(border_color="#2563eb"),
    "custom": _SPECIAL,
    "checkpoint": _SPECIAL,
    "compiled": _SPECIAL,
}
_FOUND: Final = Style(border_color="#dc2626")


class Nodes:
    """Turns nodes into those of the page. What many of them share is worked out once."""

    def __init__(self, subject: Subject, graph: AutogradGraph, namespaces: Sequence[str]) -> None:
        self._graph = graph
        self._cwd = subject.cwd
        self._namespaces = namespaces
        self._extras = Extras(subject, graph, namespaces)
        self._findings = marked_nodes(graph, subject.findings)
        self._places = [self._place(place) for place in graph.places]
        self._definitions = [self._definition(each) for each in graph.definitions]
        self._saved: dict[SavedTensor, KeyValue] = {}
        self._outputs: dict[tuple[object, ...], list[Metadata]] = {}
        self._gradient = "gradient" if graph.small else "gradient norm"

    def all(self) -> Iterator[Node]:
        """What comes in without a gradient, the nodes, and the roots."""
        yield from self._extras.broken
        yield from self._extras.constants
        for index, node in enumerate(self._graph.nodes):
            yield self._node(index, node)
        yield from self._extras.roots

    def _node(self, index: int, node: GraphNode) -> Node:
        edges = [
            IncomingEdge(str(edge[0]), str(edge[1]), str(input_nr))
            for input_nr, edge in enumerate(node.next)
            if edge is not None
        ]
        for place, tail in enumerate(self._extras.tails.get(index, ())):
            edges.append(IncomingEdge(tail, "0", str(len(node.next) + place)))
        return Node(
            id=str(index),
            label=label(node.leaf or node.name),
            namespace=self._namespaces[index],
            attrs=[*self._attributes(index, node)],
            incoming_edges=edges,
            outputs_metadata=self._output(node),
            inputs_metadata=[*self._inputs(node)],
            style=_FOUND if index in self._findings else _STYLES.get(node.kind.value),
        )

    def _attributes(self, index: int, node: GraphNode) -> Iterator[KeyValue]:
        for finding in self._findings.get(index, ()):
            yield KeyValue(finding.code, shown(finding.message))
        if node.kind.value != "op":
            yield KeyValue("kind", "parameter" if node.is_parameter else node.kind.value)
        if node.leaf is not None:
            yield KeyValue("node", shown(node.name))
        if node.place != UNKNOWN:
            yield from self._places[node.place]
        if node.definition != UNKNOWN:
            yield from self._definitions[node.definition]
        if node.parent is not None:
            yield KeyValue("made in the backward of", shown(node.parent))
            yield KeyValue("order", str(node.order))
        if node.value is not None:
            yield KeyValue("value", number(node.value))
        if node.incoming is not None:
            yield KeyValue(self._gradient, self._number(node.incoming))
        if node.seconds is not None:
            yield KeyValue("backward time", duration(node.seconds))
        for saved in node.saved:
            yield self._kept(saved)
        if node.sequence_nr != UNKNOWN:
            yield KeyValue("sequence number", str(node.sequence_nr))

    def _number(self, value: float) -> str:
        return number(value) if self._graph.small else scientific(value)

    def _kept(self, saved: SavedTensor) -> KeyValue:
        known = self._saved.get(saved)
        if known is None:
            if saved.recomputed or saved.packed:
                text = "recomputed in the backward" if saved.recomputed else "put away by a hook"
            else:
                text = f"{saved.dtype} {shape_text(saved.shape)}, {bytes_text(saved.storage_bytes)}"
                text += ", counted elsewhere" if saved.shared else ""
            known = self._saved[saved] = KeyValue(f"saves {shown(saved.name)}", text)
        return known

    def _output(self, node: GraphNode) -> list[Metadata]:
        key = (node.shapes, node.dtypes)
        known = self._outputs.get(key)
        if known is None:
            dtypes: Iterable[str] = node.dtypes or ("",) * len(node.shapes)
            known = self._outputs[key] = [
                Metadata(str(output), [*shape(sizes, dtype)])
                for output, (sizes, dtype) in enumerate(zip(node.shapes, dtypes, strict=False))
            ]
        return known

    def _inputs(self, node: GraphNode) -> Iterator[Metadata]:
        for index, gradient in enumerate(node.outgoing):
            if gradient is not None:
                yield Metadata(str(index), [KeyValue(self._gradient, self._number(gradient))])

    def _place(self, place: GraphPlace) -> list[KeyValue]:
        where = place.location
        texts = {
            "line": near(where, self._cwd) if where is not None else None,
            "function": where.function if where is not None else None,
            "module": place.module,
            "call": place.expression,
            "variable": place.variable,
        }
        return [KeyValue(key, shown(text)) for key, text in texts.items() if text]

    def _definition(self, definition: Definition) -> list[KeyValue]:
        where = definition.location
        written = [KeyValue("its backward", shown(near(where, self._cwd)))] if where is not None else []
        return [KeyValue("Function", shown(definition.name)), *written]
