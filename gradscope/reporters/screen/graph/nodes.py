"""A small graph, node by node: from what was differentiated down to the leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

from gradscope.autograd_graph.agreed import outer_calls
from gradscope.autograd_graph.marked import marked_nodes
from gradscope.facts.graph import UNKNOWN, AutogradGraph, Constant, GraphNode, NodeKind
from gradscope.finding import Finding
from gradscope.reporters.screen.graph.descent import Rung, descent, marks_for
from gradscope.reporters.screen.graph.ladder import LadderRow, ladder
from gradscope.reporters.screen.graph.words import is_single_file, source_text
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import number, plural, scientific, shape_text

FEW: Final = 25
"""A graph of no more nodes than this is shown node by node."""

MOST_CHOSEN: Final = 100
"""A part of a graph that was asked for is, up to this many nodes."""

_MOST_ROWS: Final = 150
_MOST_SHAPES: Final = 3
_REGIONS: Final = {
    NodeKind.CHECKPOINT: "checkpoint: its inside is computed again in the backward",
    NodeKind.COMPILED: "compiled region: torch.compile made one node of it",
}


def node_lines(graph: AutogradGraph, findings: Sequence[Finding], page: Page) -> list[Text]:
    """The whole of a graph, at most 150 rows of it, with the findings that point at its nodes."""
    words = _Words(graph, marked_nodes(graph, findings), page)
    rungs = list(descent(graph, marks_for(page.encoding)))
    rows = [words.row(rung) for rung in rungs[:_MOST_ROWS]]
    heads = ("value", "grad", "", "") if graph.small else ("shape", "|grad|", "", "")
    lines = list(ladder(heads, rows, page))
    if len(rungs) > _MOST_ROWS:
        lines.append(Text(f"and {plural(len(rungs) - _MOST_ROWS, 'more row')}", STYLES["faint"]))
    return lines


class _Words:
    """What is said about the nodes of one graph."""

    def __init__(self, graph: AutogradGraph, marked: Mapping[int, list[Finding]], page: Page) -> None:
        self._graph, self._marked, self._page = graph, marked, page
        # what the expression of a place comes to is its last node: `a @ b` makes several
        self._last = {node.place: node.name for node in graph.nodes}
        self._is_outer = outer_calls(graph)
        self._single_file = is_single_file(graph)

    def row(self, rung: Rung) -> LadderRow:
        """The row of a node, a reference to one, or a constant."""
        if rung.constant is not None:
            return self._constant(rung, self._graph.constants[rung.constant])
        node = self._graph.nodes[rung.node]
        name = self._page.text(self._name(node))
        if rung.is_reference:
            where = self._where(node)
            short = name.partition(" = ")[0] + (f" ({where})" if where else "")
            return LadderRow(rung.lead, rung.under, f"{short}, below")
        op = "leaf" if node.kind is NodeKind.LEAF else self._page.text(node.name)
        if op == name:
            op = ""
        columns = (self._size(node), self._gradient(node), op, self._where(node))
        codes = dict.fromkeys(finding.code for finding in self._marked.get(rung.node, ()))
        remarks = [*map(self._page.text, self._remarks(node)), *(f"<- {code}" for code in codes)]
        is_broken = node.incoming is not None and not math.isfinite(node.incoming)
        style = STYLES["error"] if is_broken else ""
        return LadderRow(rung.lead, rung.under, name, columns, tuple(remarks), style)

    def _constant(self, rung: Rung, constant: Constant) -> LadderRow:
        kind = "frozen" if constant.frozen else "no gradient"
        name = self._page.text(constant.name or "constant")
        size = "" if self._graph.small else _shapes((constant.shape,), (constant.dtype,))
        return LadderRow(rung.lead, rung.under, name, (size, "", kind, ""))

    def _name(self, node: GraphNode) -> str:
        """`c = b**2`, the name of a leaf, torch's name of the node where the line says nothing of it."""
        if node.kind is NodeKind.LEAF:
            return node.leaf or "leaf"
        if node.place != UNKNOWN and self._last[node.place] == node.name and not self._is_outer[node.place]:
            return source_text(self._graph.places[node.place]) or node.name
        return node.name

    def _size(self, node: GraphNode) -> str:
        """The value of a scalar, or shapes."""
        if self._graph.small:
            return number(node.value) if node.value is not None else ""
        return _shapes(node.shapes, node.dtypes)

    def _gradient(self, node: GraphNode) -> str:
        if node.incoming is None:
            return ""
        if self._graph.small:
            return number(node.incoming)
        return scientific(node.incoming)

    def _where(self, node: GraphNode) -> str:
        location = self._graph.location(node)
        if location is None:
            return ""
        return f"line {location.line}" if self._single_file else self._page.near(location)

    def _remarks(self, node: GraphNode) -> Iterator[str]:
        """What an unusual node is."""
        if node.kind in _REGIONS:
            yield _REGIONS[node.kind]
        if node.kind is NodeKind.CUSTOM and node.definition != UNKNOWN:
            definition = self._graph.definitions[node.definition]
            if definition.location is None:
                yield f"custom op {definition.name}"
            else:
                yield f"custom: backward of {definition.name} at {self._page.near(definition.location)}"
        if node.parent is not None:
            yield f"in the backward of {node.parent}"
        if any(saved.recomputed for saved in node.saved):
            yield "saved tensors are recomputed by a checkpoint"


def _shapes(shapes: Sequence[tuple[int, ...]], dtypes: Sequence[str]) -> str:
    """`(2, 8)`, `3 x (2, 8)`, `(2, 8), (8,)`; the dtype where it is not float32."""
    texts = [shape_text(shape) if shape else "scalar" for shape in shapes]
    if len(texts) > 1 and len(set(texts)) == 1:
        texts = [f"{len(texts):,} x {texts[0]}"]
    text = ", ".join(texts[:_MOST_SHAPES]) + (", ..." if len(texts) > _MOST_SHAPES else "")
    return " ".join([text, *dict.fromkeys(dtype for dtype in dtypes if dtype not in ("float32", ""))])
