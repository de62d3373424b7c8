"""Losses of a linear layer's output that keep all of it, in pieces instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gradscope.folds.cheaper.view import SHAPED, GraphView, Saving, count

_TEXT: Final = (
    "F.linear_cross_entropy with options=nn.LinearCrossEntropyOptions() computes layer and loss in pieces "
    "(where the logits are needed for nothing else)"
)


def cross_entropy(view: GraphView) -> Iterator[Saving]:
    """The logarithms of the probabilities, one for every class: a row of the vocabulary for every token.

    Torch's fused loss keeps the gradients of the layer's input and weight instead.
    """
    for index, _ in view.of("LogSoftmaxBackward0"):
        users = set(view.users(index))
        product = view.source(index, 0, SHAPED)
        if not users or not all(view.is_op(user, "NllLossBackward0") for user in users):
            continue
        if product is None or not view.is_op(product, "AddmmBackward0", "MmBackward0"):
            continue
        weight = view.source(product, len(view.nodes[product].next) - 1, SHAPED)
        if weight is None or not view.is_op(weight, "AccumulateGrad"):
            continue
        if not _is_used_once(view, product, index) or not view.is_exclusive(index, "result", {index, *users}):
            continue
        rows, classes = view.nodes[product].shape
        inner = count(view.nodes[weight].shape) // max(1, classes)
        size = view.size(index, "result")
        kept = size * inner * (rows + classes) // max(1, rows * classes)
        if size > kept:
            yield Saving(_TEXT, ((index, "result"),), size - kept)


def _is_used_once(view: GraphView, index: int, by: int) -> bool:
    """Whether nothing but views lies between, each used once."""
    while index != by:
        users = view.users(index)
        if len(users) != 1:
            return False
        index = users[0]
    return True
