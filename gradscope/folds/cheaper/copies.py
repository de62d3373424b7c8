"""Copies that a broadcast makes unnecessary, and numbers of 64 bits among those of 32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.folds.cheaper.view import GraphView, Saving, count


def repeated(view: GraphView) -> Iterator[Saving]:
    """A product with a tensor that was repeated along dimensions of size 1: the product does so by itself."""
    for index, node in view.of("MulBackward0"):
        for position, name in ((0, "self"), (1, "other")):
            edge = node.next[position]
            copied = view.saved(index, name)
            if edge is None or copied is None or not view.is_exclusive(index, name, (index,)):
                continue
            source = _repeated(view, edge[0])
            if source is None or len(view.users(edge[0])) != 1:
                continue
            by = node.next[1 - position]
            other = view.nodes[by[0]].shape if by is not None else ()
            whole = view.size(index, name)
            part = whole * count(source) // max(1, count(copied.shape))
            if part < whole and other == copied.shape:
                text = "without the copy (repeat, or expand and contiguous) the product broadcasts the same"
                yield Saving(text, ((index, name),), whole - part)


def _repeated(view: GraphView, index: int) -> Sequence[int] | None:
    """The shape before `repeat`, or `expand` and a copy, along dimensions of size 1."""
    made = index
    if view.is_op(made, "CloneBackward0"):
        expanded = view.source(made, 0)
        if expanded is None or not view.is_op(expanded, "ExpandBackward0"):
            return None
        made = expanded
    elif not view.is_op(made, "RepeatBackward0"):
        return None
    edge = view.nodes[made].next[0]
    if edge is None or edge[1]:
        return None
    before, after = view.nodes[edge[0]].shape, view.nodes[made].shape
    padded = (1,) * (len(after) - len(before)) + before
    same = all(one in (1, more) for one, more in zip(padded, after, strict=True))
    return before if len(before) <= len(after) and same else None


def doubles(view: GraphView) -> Iterator[Saving]:
    """float64 in the graph of a model whose parameters all have less, where nobody asked for it.

    It comes with a constant (NumPy's numbers have 64 bits) that an op takes in; a conversion is meant.
    """
    leaves = {node.dtype for _, node in view.of("AccumulateGrad")}
    if not leaves or "float64" in leaves or "complex128" in leaves or _is_asked_for(view):
        return
    for index, node in enumerate(view.nodes):
        for one in node.saved:
            size = view.size(index, one.name)
            if one.dtype == "float64" and size:
                text = f"it is float64, the parameters are {' or '.join(sorted(leaves))}: float32 keeps half"
                yield Saving(text, ((index, one.name),), size // 2)


def _is_asked_for(view: GraphView) -> bool:
    """Whether float32 became float64 by a conversion."""
    return any(
        node.dtype == "float64" and all(view.nodes[each].dtype != "float64" for each in view.sources(index))
        for index, node in view.of("ToCopyBackward0")
    )
