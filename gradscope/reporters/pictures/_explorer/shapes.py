"""The graph file and the node data file of Model Explorer, as it reads them.

Source: `graph_builder.py` and `node_data_builder.py` of ai-edge-model-explorer 0.1.34, and how its page takes
such files up. `label` and `namespace` of a node must be there, and every value of an attribute is a text.
"""

from __future__ import annotations

import msgspec


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """An attribute, as the side panel lists it."""

    key: str
    value: str


class IncomingEdge(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An edge, the way of the forward: from an output of another node to an input of this one."""

    source_node_id: str
    source_node_output_id: str
    target_node_input_id: str


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """The attributes of one input or output. The page shows those called "shape" at its edges."""

    id: str
    attrs: list[KeyValue]


class Style(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Colours of a node, in CSS."""

    background_color: str = ""
    border_color: str = ""


class Node(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A node. `namespace` are the layers around it, joined by "/"."""

    id: str
    label: str
    namespace: str
    attrs: list[KeyValue] = []
    incoming_edges: list[IncomingEdge] = []
    outputs_metadata: list[Metadata] = []
    inputs_metadata: list[Metadata] = []
    style: Style | None = None


class Graph(msgspec.Struct, frozen=True, rename="camel"):
    """A graph. `nodes` are those encoded already, as it may have very many. The group attributes are told by
    namespace; "" is the graph itself.

    Without `node_labels_to_hide` the page hides nodes that are called "Const".
    """

    id: str
    nodes: list[msgspec.Raw]
    group_node_attributes: dict[str, dict[str, str]]
    node_labels_to_hide: list[str]


class GraphCollection(msgspec.Struct, frozen=True):
    """What the graph file holds."""

    label: str
    graphs: list[Graph]


class NodeValue(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the overlay says of a node: a number, or a text where it is none that JSON knows."""

    value: float | str
    bg_color: str


class NodeData(msgspec.Struct, frozen=True, rename="camel"):
    """An overlay: its name, what it says of each node, by the node's id, and which figures of layers the page
    leaves out.
    """

    name: str
    results: dict[str, NodeValue]
    hide_aggregated_stats: tuple[str, ...]
    hide_in_children_stats_table: bool
