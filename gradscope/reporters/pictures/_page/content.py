"""All that the page is told of a graph, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gradscope.autograd_graph.cuts import Broken, broken_ways
from gradscope.autograd_graph.drawing import BoxKind, Subject, View
from gradscope.autograd_graph.modules import tree_of
from gradscope.autograd_graph.selection import leaf_called, part_of
from gradscope.errors import printable
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.paths import near
from gradscope.reporters.pictures._page.frames import frames_of
from gradscope.reporters.pictures._page.listing import listing_of
from gradscope.reporters.pictures._page.rows import CONSTANT, CUT, ExtraBox, rows_of, shape_text
from gradscope.reporters.pictures._page.tables import exact
from gradscope.reporters.pictures._page.words import definitions_of, findings_of, formulas_of, places_of


def content_of(subject: Subject, view: View) -> dict[str, Any]:
    """The tables of the page, and how it is to open. Only what is `around` a line, where a view says so.

    Raises UsageError for a leaf or a line that the graph does not have.
    """
    if view.around is not None:
        near_by = part_of(subject.graph, View(around=view.around, reach=view.reach), subject.cwd)
        subject = msgspec.structs.replace(subject, graph=near_by.graph)
    graph = subject.graph
    frames = frames_of(tree_of(graph, subject.cwd), graph, fold=view.fold)
    boxes, into = _boxes(subject, frames.of_node)
    rows = rows_of(graph, frames.of_node, boxes, into)
    columns = rows.columns()
    return {
        "target": printable(subject.target),
        "backward": printable(near(graph.backward, subject.cwd)) if graph.backward is not None else "",
        "call": graph.call,
        "loss": exact(graph.loss),
        "nodes": len(graph.nodes),
        "small": graph.small,
        "notes": [printable(each) for each in (*graph.notes, *graph.not_seen)],
        "roots": [list(each) for each in graph.roots],
        "groups": frames.groups,
        "places": places_of(subject),
        "definitions": definitions_of(subject),
        "formulas": formulas_of(graph),
        "findings": findings_of(subject),
        "listing": listing_of(subject) if graph.small else [],
        "view": _view(subject, view),
        **columns,
    }


def _view(subject: Subject, view: View) -> dict[str, Any]:
    graph = subject.graph
    return {
        "depth": view.depth,
        "fold": view.fold,
        "colour": view.colour.value,
        "path": leaf_called(graph, view.path) if view.path is not None else None,
    }


def _boxes(subject: Subject, of_node: Sequence[int]) -> tuple[list[ExtraBox], dict[int, list[int]]]:
    """What is drawn beside the nodes, and which of it leads into which node."""
    graph = subject.graph
    boxes: list[ExtraBox] = []
    into: dict[int, list[int]] = {}
    broken = broken_ways(subject, graph, str)
    severed = {constant for each in broken for constant in each.constants}
    for index, each in enumerate(graph.constants):
        if index in severed:
            continue
        into.setdefault(each.node, []).append(len(boxes))
        text = f"{shape_text(each.shape)} {each.dtype}"
        kind = BoxKind.FROZEN if each.frozen else BoxKind.CONSTANT
        boxes.append(ExtraBox(kind, each.name or "constant", of_node[each.node], text, edge=CONSTANT))
    for way in broken:
        _add_way(way, len(graph.nodes), boxes, into)
    if graph.roots:
        boxes.append(
            ExtraBox(BoxKind.ROOT, _root_title(graph), 0, "what is differentiated", inputs=graph.roots)
        )
    return boxes, into


def _add_way(way: Broken, first_row: int, boxes: list[ExtraBox], into: dict[int, list[int]]) -> None:
    """Adds a severed way: what lost its gradient, the cuts, and the nodes at which the value goes on."""
    numbers = {box.id: len(boxes) + index for index, box in enumerate(way.boxes)}
    for box in way.boxes:
        before = tuple((first_row + numbers[arrow.tail], 0) for arrow in way.arrows if arrow.head == box.id)
        text = ", ".join((*box.lines, *box.codes))
        boxes.append(ExtraBox(box.kind, box.title, 0, text, inputs=before, edge=CUT))
    for arrow in way.arrows:
        if arrow.head not in numbers:
            into.setdefault(int(arrow.head), []).append(numbers[arrow.tail])


def _root_title(graph: AutogradGraph) -> str:
    if len(graph.roots) > 1:
        return f"{len(graph.roots)} tensors"
    place = graph.place(graph.nodes[graph.roots[0][0]])
    return (place.variable if place is not None else None) or "loss"
