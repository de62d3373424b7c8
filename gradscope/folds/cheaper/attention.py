"""Attention written out: its weights are kept, a number for every pair of positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gradscope.folds.cheaper.view import COPIED, GraphView, Saving, count

_BETWEEN: Final = COPIED | {
    "AddBackward0",
    "DivBackward0",
    "MaskedFillBackward0",
    "MulBackward0",
    "ToCopyBackward0",
}
_WITHOUT: Final = "without keeping the attention weights (where they are needed for nothing else)"


def attention(view: GraphView) -> Iterator[Saving]:
    """softmax(q k^T) v, with a scale and a mask or without, whose weights go nowhere else.

    Dropout of the weights is left alone on the CPU, where the fused function keeps them too.
    """
    for index, node in view.of("SoftmaxBackward0"):
        after = _product_after(view, index)
        scores = _scores_before(view, index)
        if after is None or scores is None or node.scalars.get("dim") not in (-1, len(node.shape) - 1):
            continue
        product, passed = after
        _, before = scores
        gone = {
            number: where
            for number, where in view.freed({index, product, *passed, *before}).items()
            if where[0] != product or _is_of(view, number, index)
        }
        size = sum(map(view.size_of, gone)) - _kept_instead(view, index, product, before)
        if size > 0:
            yield Saving(_text(view, index), tuple(gone.values()), size)


def _text(view: GraphView, index: int) -> str:
    place = view.graph.place(view.nodes[index])
    if place is not None and place.class_name == "MultiheadAttention":
        return f"need_weights=False lets {place.class_name} work {_WITHOUT}"
    return f"F.scaled_dot_product_attention computes the same {_WITHOUT}"


def _kept_instead(view: GraphView, index: int, product: int, before: set[int]) -> int:
    """What the fused function keeps: its output, the logarithm of a sum for each row, its mask as numbers."""
    weights = view.nodes[index]
    each = view.size(index, "result") // max(1, count(weights.shape))
    masks = [view.saved(node, "mask") for node in before]
    numbers = sum(count(mask.shape) for mask in masks if mask is not None)
    return each * (count(view.nodes[product].shape) + numbers) + 4 * count(weights.shape[:-1])


def _product_after(view: GraphView, index: int) -> tuple[int, set[int]] | None:
    """The matrix product that takes the weights as its first operand, and the nodes between."""
    passed: set[int] = set()
    users = view.users(index)
    made = index
    while len(users) == 1:
        user = users[0]
        if view.is_op(user, "BmmBackward0"):
            return (user, passed) if view.source(user, 0) == made else None
        if view.is_op(user, "MulBackward0"):  # dropout: a mask of the program's own looks no different
            return None
        if view.is_op(user, "NativeDropoutBackward0"):
            if view.graph.device == "cpu":
                return None
        elif view.nodes[user].op not in COPIED | {"ToCopyBackward0"}:
            return None
        passed.add(user)
        made, users = user, view.users(user)
    return None


def _scores_before(view: GraphView, index: int) -> tuple[int, set[int]] | None:
    """The matrix product that the softmax is of, and the nodes between: scale and mask, without gradients."""
    passed: set[int] = set()
    made = index
    while True:
        sources = view.sources(made)
        if len(sources) != 1:
            return None  # a bias that is trained
        made = sources[0]
        if len(view.users(made)) != 1:
            return None
        if view.is_op(made, "BmmBackward0", "BaddbmmBackward0"):
            return (made, passed) if view.is_op(made, "BmmBackward0") else None
        if view.nodes[made].op not in _BETWEEN:
            return None
        passed.add(made)


def _is_of(view: GraphView, number: int, index: int) -> bool:
    """Whether a node saves the memory of that number."""
    return any(number in one.storages for one in view.nodes[index].saved)
