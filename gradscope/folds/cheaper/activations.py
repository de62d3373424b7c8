"""Activations that keep their input although their output is kept anyway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gradscope.folds.cheaper.view import SHAPED, GraphView, Saving

_IN_PLACE: Final = {
    "CeluBackward0": "CELU",
    "EluBackward0": "ELU",
    "LeakyReluBackward0": "LeakyReLU",
    "RreluWithNoiseBackward0": "RReLU",
}


def activations(view: GraphView) -> Iterator[Saving]:
    """In-place forms that keep the output instead, and ReLU in place of a clamp at 0."""
    for index, node in view.of(*_IN_PLACE, "ClampBackward1"):
        output = view.saved_output(index)
        if output is None or not view.is_exclusive(index, "self", (index,)):
            continue
        size = view.size(index, "self")
        if node.op == "ClampBackward1":
            if node.scalars.get("min") == 0 and "max" not in node.scalars:
                text = "F.relu computes the same and keeps its output, which is kept anyway"
                yield Saving(text, ((index, "self"),), size)
        elif node.scalars.get("negative_slope", 0.0) >= 0 and _is_overwritable(view, index):
            name = "SELU" if node.scalars.get("scale", 1.0) != 1 else _IN_PLACE[node.op]
            text = (
                f"{name} with inplace=True keeps its output, which is kept anyway, and not its "
                "input (where nothing else reads that)"
            )
            yield Saving(text, ((index, "self"),), size)


def _is_overwritable(view: GraphView, index: int) -> bool:
    """Whether the input comes from an op that does not need it, and goes nowhere else in this graph."""
    edge = view.nodes[index].next[0]
    while edge is not None:
        made, number = edge
        node = view.nodes[made]
        if number or len(view.users(made)) != 1 or not node.next:
            return False
        if node.op == "ExpandBackward0":
            return False  # several elements in one place
        if node.op not in SHAPED:
            return True
        edge = node.next[0]
    return False


def log_sigmoid(view: GraphView) -> Iterator[Saving]:
    """On the CPU `logsigmoid` keeps a buffer as large as its input."""
    for index, _ in view.of("LogSigmoidBackward0"):
        size = view.size(index, "buffer")
        if size and view.is_exclusive(index, "buffer", (index,)):
            text = "-F.softplus(-x) computes the same as F.logsigmoid(x) and keeps one tensor, not two"
            extra = 0 if view.is_exclusive(index, "self", (index,)) else view.size(index, "self")
            yield Saving(text, ((index, "buffer"),), size - extra)
