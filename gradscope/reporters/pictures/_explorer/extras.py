"""What a picture has besides the nodes of the graph: constants, broken ways, what is differentiated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from gradscope.autograd_graph.cuts import broken_ways
from gradscope.autograd_graph.drawing import Box, BoxKind, Subject
from gradscope.facts.graph import AutogradGraph, Constant
from gradscope.reporters.paths import near
from gradscope.reporters.pictures._explorer.shapes import IncomingEdge, KeyValue, Metadata, Node, Style
from gradscope.reporters.pictures._explorer.texts import label, shape, shown
from gradscope.reporters.screen.words import number

_CONSTANT: Final = Style(background_color="#e5e7eb")
_BROKEN: Final = {
    BoxKind.CUT: Style(background_color="#fee2e2", border_color="#dc2626"),
    BoxKind.LOST: Style(border_color="#dc2626"),
}


class Extras:
    """The nodes that stand for no node of the graph. `tails` are those that lead into each node of it."""

    def __init__(self, subject: Subject, graph: AutogradGraph, namespaces: Sequence[str]) -> None:
        self.tails: dict[int, list[str]] = defaultdict(list)
        self.constants: list[Node] = []
        self._frozen: dict[str, str] = {}
        for index, constant in enumerate(graph.constants):
            self._take_in(index, constant, namespaces[constant.node])
        self.broken = self._broken(subject, graph)
        self.roots = [_root(subject, graph, index) for index in range(len(graph.roots))]

    def _take_in(self, index: int, constant: Constant, namespace: str) -> None:
        """A frozen parameter is one node; of other constants, two of one name need not be the same tensor."""
        known = self._frozen.get(constant.name or "") if constant.frozen else None
        if known is None:
            known = f"constant{index}"
            self.constants.append(_constant(constant, known, namespace))
            if constant.frozen and constant.name:
                self._frozen[constant.name] = known
        self.tails[constant.node].append(known)

    def _broken(self, subject: Subject, graph: AutogradGraph) -> list[Node]:
        found: list[Node] = []
        for way in broken_ways(subject, graph, str):
            ids = {box.id for box in way.boxes}
            inside: dict[str, list[str]] = defaultdict(list)
            for arrow in way.arrows:
                if arrow.head in ids:
                    inside[arrow.head].append(arrow.tail)
                else:
                    self.tails[int(arrow.head)].append(arrow.tail)
            found += (_box(box, inside[box.id]) for box in way.boxes)
        return found


def _constant(constant: Constant, name: str, namespace: str) -> Node:
    kind = "frozen parameter" if constant.frozen else "input without a gradient"
    return Node(
        id=name,
        label=label(constant.name or "constant"),
        namespace=namespace,
        attrs=[KeyValue("kind", kind)],
        outputs_metadata=[Metadata("0", [*shape(constant.shape, constant.dtype)])],
        style=_CONSTANT,
    )


def _box(box: Box, tails: Sequence[str]) -> Node:
    kind = "the gradient stops here" if box.kind is BoxKind.CUT else "gets no gradient"
    return Node(
        id=box.id,
        label=label(box.title),
        namespace="",
        attrs=[
            KeyValue("kind", kind),
            *(KeyValue("finding", code) for code in box.codes),
            *(KeyValue(f"line {at}", shown(line)) for at, line in enumerate(box.lines, 1)),
        ],
        incoming_edges=[IncomingEdge(tail, "0", str(at)) for at, tail in enumerate(tails)],
        style=_BROKEN.get(box.kind),
    )


def _root(subject: Subject, graph: AutogradGraph, index: int) -> Node:
    node, output = graph.roots[index]
    attributes = [KeyValue("kind", "what is differentiated")]
    if graph.backward is not None:
        attributes.append(KeyValue(graph.call, shown(near(graph.backward, subject.cwd))))
    if graph.loss is not None and len(graph.roots) == 1:
        attributes.append(KeyValue("value", number(graph.loss)))
    is_loss = len(graph.roots) == 1 and graph.call == "backward"
    return Node(
        id=f"root{index}",
        label="loss" if is_loss else f"output {index}",
        namespace="",
        attrs=attributes,
        incoming_edges=[IncomingEdge(str(node), str(output), "0")],
    )
