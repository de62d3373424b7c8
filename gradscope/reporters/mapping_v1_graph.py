"""The autograd graph in the JSON report's shape."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.facts.graph import UNKNOWN, AutogradGraph, GraphNode, NodeKind
from gradscope.reporters import schema_v1_graph as v1
from gradscope.reporters.mapping_v1_places import Places
from gradscope.reporters.schema_v1_places import Number


def graph_v1(graph: AutogradGraph, shape: Places) -> v1.Graph:
    """The graph as flat tables; time and memory grow with its nodes and edges."""
    return v1.Graph(
        directed=True,
        multigraph=True,
        number=graph.number,
        call="grad" if graph.call == "grad" else "backward",
        backward=shape.maybe_place(graph.backward),
        loss=_number(graph.loss),
        small=graph.small,
        roots=[v1.GraphRoot(*root) for root in graph.roots],
        other_passes=[
            v1.GraphPass(shape.maybe_place(location), number) for location, number in graph.other_passes
        ],
        notes=list(graph.notes),
        not_seen=list(graph.not_seen),
        modules=dict(graph.modules),
        definitions=[
            v1.GraphDefinition(each.name, shape.maybe_place(each.location)) for each in graph.definitions
        ],
        leaves=list(_leaves(graph)),
        places=[
            v1.GraphPlace(shape.maybe_place(each.location), each.module, each.variable, each.expression)
            for each in graph.places
        ],
        nodes=[_node(number, node) for number, node in enumerate(graph.nodes)],
        edges=list(_edges(graph)),
        saved=list(_saved(graph)),
        constants=[
            v1.GraphConstant(each.node, each.name, list(each.shape), each.dtype, each.frozen)
            for each in graph.constants
        ],
    )


def _node(number: int, node: GraphNode) -> v1.GraphNode:
    return v1.GraphNode(
        id=number,
        name=node.name,
        kind=node.kind.value,
        leaf=node.leaf,
        is_parameter=node.is_parameter,
        inputs=len(node.next),
        shapes=[list(one) for one in node.shapes],
        dtypes=list(node.dtypes),
        place=_known(node.place),
        definition=_known(node.definition),
        sequence_nr=_known(node.sequence_nr),
        saved_bytes=node.saved_bytes if node.saved else 0,
        incoming=_number(node.incoming),
        seconds=node.seconds,
        value=_number(node.value),
        parent=node.parent,
        order=node.order,
    )


def _known(number: int) -> int | None:
    return None if number == UNKNOWN else number


def _number(value: float | None) -> Number | None:
    """The number, or its word: rows are encoded where a float that is not finite would become null."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _edges(graph: AutogradGraph) -> Iterator[v1.GraphEdge]:
    for source, node in enumerate(graph.nodes):
        for number, edge in enumerate(node.next):
            if edge is not None:
                gradient = node.outgoing[number] if number < len(node.outgoing) else None
                yield v1.GraphEdge(source, edge[0], number, edge[1], _number(gradient))


def _leaves(graph: AutogradGraph) -> Iterator[v1.GraphLeaf]:
    for number, node in enumerate(graph.nodes):
        if node.kind is NodeKind.LEAF:
            shape = list(node.shapes[0]) if node.shapes else []
            dtype = node.dtypes[0] if node.dtypes else ""
            gradient = _number(node.incoming)
            yield v1.GraphLeaf(number, node.leaf, node.is_parameter, shape, dtype, gradient)


def _saved(graph: AutogradGraph) -> Iterator[v1.GraphSaved]:
    for number, node in enumerate(graph.nodes):
        for one in node.saved:
            yield v1.GraphSaved(
                node=number,
                name=one.name,
                shape=list(one.shape),
                dtype=one.dtype,
                storage_bytes=one.storage_bytes,
                shared=one.shared,
                recomputed=one.recomputed,
                packed=one.packed,
            )
