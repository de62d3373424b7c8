"""What comes into a picture without a gradient: data, targets, frozen parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from gradscope.autograd_graph.drawing import Arrow, ArrowKind, Box, BoxKind
from gradscope.autograd_graph.frames import Frames
from gradscope.facts.graph import AutogradGraph, Constant
from gradscope.reporters.screen.words import clip, shape_text

_LONGEST = 44


class Inputs(NamedTuple):
    """Boxes for constants, by the node that stands behind them, and the arrows from them."""

    boxes: dict[int, list[Box]]
    arrows: list[Arrow]


def inputs(
    graph: AutogradGraph,
    shown: Sequence[int],
    boxes: Sequence[int],
    original: Sequence[int],
    frames: Frames,
    severed: Collection[int],
) -> Inputs:
    """The constants of the nodes that have a box of their own.

    `boxes` gives the key of each node's box, `original` the node's number in the whole graph. The
    constants in `severed` are drawn as what a cut leads to.

    A frozen parameter is drawn once, other constants once for each op that takes them in: two of one name
    need not be the same tensor.
    """
    found = Inputs({}, [])
    frozen: dict[str, str] = {}
    for index, constant in enumerate(graph.constants):
        node = constant.node
        if boxes[node] != node or shown[node] != node or index in severed:
            continue
        name = constant.name or ""
        known = frozen.get(name) if constant.frozen and name else None
        if known is None:
            known = f"k{index}"
            found.boxes.setdefault(node, []).append(
                _box(constant, known, frames.around_node(node).id, frames.own_name(node, name))
            )
            if constant.frozen and name:
                frozen[name] = known
        found.arrows.append(Arrow(known, f"n{original[node]}", ArrowKind.CONSTANT))
    return found


def _box(constant: Constant, name: str, frame: str | None, title: str) -> Box:
    kind = BoxKind.FROZEN if constant.frozen else BoxKind.CONSTANT
    shape = shape_text(constant.shape)
    lines = [shape if constant.dtype == "float32" else f"{shape} {constant.dtype}"]
    if constant.frozen:
        lines.append("frozen")
    return Box(name, kind, clip(title or "constant", _LONGEST), tuple(lines), frame)
