"""The boxes of what is differentiated: the loss, and the line that ran the backward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gradscope.autograd_graph.drawing import Arrow, Box, BoxKind
from gradscope.autograd_graph.words import Words
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.paths import near
from gradscope.reporters.screen.words import number, plural

_MOST = 8  # roots with a box of their own


def root_boxes(
    graph: AutogradGraph, words: Words, cwd: str, box_of: Callable[[int], str]
) -> tuple[list[Box], list[Arrow]]:
    """The roots and the arrows to them. `box_of` gives the box that a node is drawn in."""
    if not graph.roots:
        return [], []
    lines = _lines(graph, cwd)
    tails = [box_of(node) for node, _ in graph.roots]
    if len(graph.roots) > _MOST:
        box = Box("root0", BoxKind.ROOT, plural(len(graph.roots), "output"), lines)
        return [box], [Arrow(tail, box.id, count=count) for tail, count in Counter(tails).items()]
    boxes = [
        Box(f"root{index}", BoxKind.ROOT, _title(graph, words, node), lines)
        for index, (node, _) in enumerate(graph.roots)
    ]
    return boxes, [Arrow(tail, box.id) for tail, box in zip(tails, boxes, strict=True)]


def _title(graph: AutogradGraph, words: Words, node: int) -> str:
    is_loss = graph.loss is not None and len(graph.roots) == 1
    name = words.value_name(node) or ("loss" if is_loss else "output")
    return f"{name} = {number(graph.loss)}" if is_loss and graph.loss is not None else name


def _lines(graph: AutogradGraph, cwd: str) -> tuple[str, ...]:
    if graph.backward is None:
        return ()
    verb = "backward" if graph.call == "backward" else "autograd.grad"
    lines = [f"{verb} at {near(graph.backward, cwd)}"]
    if graph.number > 1:
        lines.append(f"backward pass {graph.number:,} of the run")
    return tuple(lines)
