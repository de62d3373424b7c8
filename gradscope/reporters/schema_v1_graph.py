"""The autograd graph in the JSON report's shape: under `graph`, beside `findings`.

It is a set of flat tables whose rows name each other by number, a row a line. With `report` the parsed file,
`pandas.DataFrame(report["graph"]["nodes"])` takes one of them up, and
`networkx.node_link_graph(report["graph"], edges="edges")` the whole of nodes and edges.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gradscope.reporters.schema_v1_places import Location, Number


class GraphNode(msgspec.Struct, frozen=True, gc=False):
    """A node, in the order of the forward: the targets of its edges have smaller ids. `id` counts from 0.

    `name` is torch's, without the C++ namespace. `inputs` counts those of the forward op, `shapes` and
    `dtypes` are those of its outputs; a size that is only a symbol is -1. `place` and `definition` index
    `places` and `definitions`. `sequence_nr` counts the nodes that a thread has made; null for a leaf.
    `saved_bytes` are those that this node keeps alive and no other does. `incoming` is the 2-norm of the
    gradient that arrived over all outputs, `seconds` the time that the backward of this node took; null
    where no backward was watched, or it did not come here. `value` is the number that the forward gave,
    `incoming` has its sign: both only where `small` is true.

    `leaf` names a leaf. `parent` is the node in whose backward a node of higher order was made, `order` how
    often it has been differentiated.
    """

    id: int
    name: str
    kind: Literal["op", "leaf", "custom", "checkpoint", "compiled", "value"]
    leaf: str | None
    is_parameter: bool
    inputs: int
    shapes: list[list[int]]
    dtypes: list[str]
    place: int | None
    definition: int | None
    sequence_nr: int | None
    saved_bytes: int
    incoming: Number | None
    seconds: float | None
    value: Number | None
    parent: str | None
    order: int


class GraphEdge(msgspec.Struct, frozen=True, gc=False):
    """An edge, the way of the gradient: the backward of node `source` gives it to output `output_nr` of node
    `target`, from whose forward the input number `input` of the source came. An input without an edge needs
    no gradient. `gradient` is the 2-norm of what was given, with its sign where `small` is true.
    """

    source: int
    target: int
    input: int
    output_nr: int
    gradient: Number | None


class GraphLeaf(msgspec.Struct, frozen=True, gc=False):
    """A tensor whose `.grad` is written, in the order of first use. `name` is that of `parameters`,
    `gradient` the 2-norm of what this backward added, with its sign where `small` is true.
    """

    node: int
    name: str | None
    is_parameter: bool
    shape: list[int]
    dtype: str
    gradient: Number | None


class GraphConstant(msgspec.Struct, frozen=True, gc=False):
    """A tensor that a node's op took in and that needs no gradient. `frozen` says that it is a parameter."""

    node: int
    name: str | None
    shape: list[int]
    dtype: str
    frozen: bool


class GraphSaved(msgspec.Struct, frozen=True, gc=False):
    """A tensor that a node keeps for its backward. `storage_bytes` is the size of the memory behind it;
    `shared`: counted elsewhere, as it belongs to a leaf or an earlier node has saved it. `recomputed`: a
    checkpoint keeps a placeholder only; `packed`: a hook of the program has put something else in its place.
    Of both, shape and bytes are not known.
    """

    node: int
    name: str
    shape: list[int]
    dtype: str
    storage_bytes: int
    shared: bool
    recomputed: bool
    packed: bool


class GraphPlace(msgspec.Struct, frozen=True):
    """Where nodes were made. `module` is the path of the module that ran, with the root's name first, and
    `location.module` the same from the root on. `variable` is the name that the line's result is assigned
    to, `expression` the source text of the call; both are null in a redacted report.
    """

    location: Location | None
    module: str | None
    variable: str | None
    expression: str | None


class GraphDefinition(msgspec.Struct, frozen=True):
    """A custom Function that nodes belong to, and the line of its backward."""

    name: str
    location: Location | None


class GraphRoot(msgspec.Struct, frozen=True):
    """What was differentiated: an output of a node."""

    node: int
    output_nr: int


class GraphPass(msgspec.Struct, frozen=True):
    """Another line that ran backwards, and the number of its first pass."""

    location: Location | None
    number: int


class Graph(msgspec.Struct, frozen=True):
    """The graph of the backward pass `number` of the run, from 1; 0 where none ran. `backward` is the line
    that asked for it. `loss` is the value of a scalar root. `small` says that every value of the graph is a
    scalar. `modules` gives the class of each module by its path with the root's name first. `notes` say how
    to read the numbers, `not_seen` what is missing. `directed` and `multigraph` are true: networkx asks.

    In a redacted report `loss` and every gradient and value are null.
    """

    directed: bool
    multigraph: bool
    number: int
    call: Literal["backward", "grad"]
    backward: Location | None
    loss: Number | None
    small: bool
    roots: list[GraphRoot]
    other_passes: list[GraphPass]
    notes: list[str]
    not_seen: list[str]
    modules: dict[str, str]
    definitions: list[GraphDefinition]
    leaves: list[GraphLeaf]
    places: list[GraphPlace]
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    saved: list[GraphSaved]
    constants: list[GraphConstant]
