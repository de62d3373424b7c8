"""The rows of the page: every node of the graph under its own number, then the boxes that are no nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gradscope.autograd_graph.drawing import BoxKind
from gradscope.errors import printable
from gradscope.facts.graph import AutogradGraph, GraphNode, SavedTensor
from gradscope.reporters.pictures._page.tables import Number, Table, column, exact, number

PLAIN: Final = 0
CONSTANT: Final = 1
CUT: Final = 2
NOWHERE: Final = -1


class ExtraBox(NamedTuple):
    """A box that is no node. `text` says what it is, `inputs` are the (node, output_nr) that lead into it."""

    kind: BoxKind
    title: str
    group: int
    text: str = ""
    place: int = NOWHERE
    inputs: tuple[tuple[int, int], ...] = ()
    edge: int = PLAIN


@dataclass(slots=True)
class Rows:
    """Columns of rows, and of the edges from each row to its inputs.

    An edge is told by how many rows it leads back (below zero: forward); 0 is an input that is not tracked.
    """

    signature: list[Number] = field(default_factory=list)
    place: list[Number] = field(default_factory=list)
    group: list[Number] = field(default_factory=list)
    title: list[Number] = field(default_factory=list)
    sequence: list[Number] = field(default_factory=list)
    incoming: list[Number] = field(default_factory=list)
    seconds: list[Number] = field(default_factory=list)
    value: list[Number] = field(default_factory=list)
    bytes: list[Number] = field(default_factory=list)
    degree: list[Number] = field(default_factory=list)
    back: list[Number] = field(default_factory=list)
    nr: list[Number] = field(default_factory=list)
    edge_kind: list[Number] = field(default_factory=list)
    outgoing: list[Number] = field(default_factory=list)
    strings: Table[str] = field(default_factory=Table)
    signatures: Table[tuple[Any, ...]] = field(default_factory=Table)

    def columns(self) -> dict[str, Any]:
        """What the page is told of rows and edges."""
        names = ["signature", "place", "group", "title", "sequence", "incoming", "seconds", "value", "bytes"]
        return {
            "rows": {"count": len(self.group), **{name: column(getattr(self, name)) for name in names}},
            "edges": {
                "degree": column(self.degree),
                "back": self.back,
                "nr": column(self.nr),
                "kind": column(self.edge_kind),
                "outgoing": column(self.outgoing),
            },
            "strings": self.strings.items,
            "signatures": [_signature(each) for each in self.signatures.items],
        }


def rows_of(
    graph: AutogradGraph, groups: Sequence[int], boxes: Sequence[ExtraBox], into: dict[int, list[int]]
) -> Rows:
    """The nodes of the graph and then `boxes`. `groups` has the group of each node.

    `into` gives, by node, the numbers of the boxes that lead into it.
    """
    rows = Rows()
    first_box = len(graph.nodes)
    round_number = exact if graph.small else number
    # what many nodes share is looked up by identity first: hashing all of it for each node takes long
    for row, (node, group) in enumerate(zip(graph.nodes, groups, strict=True)):
        rows.signature.append(rows.signatures.index(_facts(node)))
        rows.place.append(node.place)
        rows.group.append(group)
        rows.title.append(NOWHERE if node.leaf is None else rows.strings.index(printable(node.leaf)))
        rows.sequence.append(node.sequence_nr)
        rows.incoming.append(round_number(node.incoming))
        rows.seconds.append(number(node.seconds))
        rows.value.append(round_number(node.value))
        rows.bytes.append(node.saved_bytes)
        extra = into.get(row, ())
        rows.degree.append(len(node.next) + len(extra))
        passed = node.outgoing or (None,) * len(node.next)
        for edge, outgoing in zip(node.next, passed, strict=True):
            rows.back.append(0 if edge is None else row - edge[0])
            rows.nr.append(0 if edge is None else edge[1])
            rows.edge_kind.append(PLAIN)
            rows.outgoing.append(round_number(outgoing))
        for number_of_box in extra:
            _edge(rows, row - first_box - number_of_box, 0, boxes[number_of_box].edge)
    for row, box in enumerate(boxes, first_box):
        _box(rows, row, box)
    return rows


def _box(rows: Rows, row: int, box: ExtraBox) -> None:
    rows.signature.append(rows.signatures.index(("", box.kind.value, box.text, (), NOWHERE, None, 1, False)))
    rows.place.append(box.place)
    rows.group.append(box.group)
    rows.title.append(rows.strings.index(printable(box.title)))
    rows.sequence.append(NOWHERE)
    for each in (rows.incoming, rows.seconds, rows.value, rows.bytes):
        each.append(None)
    rows.degree.append(len(box.inputs))
    for node, output_nr in box.inputs:
        _edge(rows, row - node, output_nr, box.edge)


def _edge(rows: Rows, back: int, output_nr: int, kind: int) -> None:
    rows.back.append(back)
    rows.nr.append(output_nr)
    rows.edge_kind.append(kind)
    rows.outgoing.append(None)


def _facts(node: GraphNode) -> tuple[Any, ...]:
    return (
        node.name,
        node.kind.value,
        (node.shapes, node.dtypes),
        tuple([_kept(each) for each in node.saved]),
        node.definition,
        node.parent,
        node.order,
        node.is_parameter,
    )


def _kept(saved: SavedTensor) -> tuple[Any, ...]:
    return (
        saved.name,
        saved.shape,
        saved.dtype,
        saved.storage_bytes,
        saved.shared,
        saved.recomputed,
        saved.packed,
    )


def _signature(facts: tuple[Any, ...]) -> dict[str, Any]:
    name, kind, about, saved, definition, parent, order, is_parameter = facts
    found = {
        "name": printable(name),
        "kind": kind,
        "output": about if isinstance(about, str) else _outputs(*about),
        # without a dtype and a reason for that, nothing was kept: this backward has no use for it
        "saved": [_saved(*each) for each in saved if each[2] or any(each[4:])],
    }
    if definition != NOWHERE:
        found["definition"] = definition
    if parent is not None or order > 1:
        found |= {"parent": printable(parent or ""), "order": order}
    if is_parameter:
        found["parameter"] = True
    return found


def shape_text(shape: Iterable[int]) -> str:
    """ "(2, 3)", and "()" for a scalar."""
    return f"({', '.join(map(str, shape))})"


def _outputs(shapes: tuple[tuple[int, ...], ...], dtypes: tuple[str, ...]) -> str:
    kinds = dtypes or ("",) * len(shapes)
    return ", ".join(
        f"{shape_text(shape)} {dtype}".strip() for shape, dtype in zip(shapes, kinds, strict=True)
    )


def _saved(
    name: str, shape: tuple[int, ...], dtype: str, size: int, shared: bool, recomputed: bool, packed: bool
) -> dict[str, Any]:
    marks = (("shared", shared), ("recomputed", recomputed), ("packed", packed))
    return {
        "name": printable(name),
        "output": "" if recomputed or packed else f"{shape_text(shape)} {dtype}",
        "bytes": size,
        "how": next((word for word, holds in marks if holds), ""),
    }
