"""Looks for the op behind a non-finite loss in what the graph has saved, when no op was watched.

What is found is probable: an op that saves nothing is only known by the op that used its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.provenance import Origin
from gradscope.folds.visits import Content, op_name
from gradscope.recorder.creation import place_of
from gradscope.recorder.factors import edge_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.saved import saved_stats, saved_tensor, saved_tensors
from gradscope.recorder.stats import content, has_gradient_dtype, value_stats

_FILLS = frozenset(
    (
        "MaskedFillBackward0",
        "WhereBackward0",
        "FillBackward0",
        "TriuBackward0",
        "IndexPutBackward0",
        "CopySlices",
    )
)


def _outside(name: str, test: Callable[[Tensor], Tensor]) -> Callable[[Any], bool]:
    def asks(node: Any) -> bool:
        tensor = saved_tensor(node, name)
        return tensor is not None and bool(test(tensor).any())

    return asks


def _bad_power(node: Any) -> bool:
    base, exponent = saved_tensor(node, "self"), getattr(node, "_saved_exponent", None)
    if base is None or not isinstance(exponent, (int, float)):
        return False
    fractional = float(exponent) != int(exponent)
    return bool((fractional and (base < 0).any()) or (exponent < 0 and (base == 0).any()))


# Nodes that save only their input: what input makes the result non-finite.
_IMPLIES: dict[str, Callable[[Any], bool]] = {
    "LogBackward0": _outside("self", lambda t: t <= 0),
    "Log2Backward0": _outside("self", lambda t: t <= 0),
    "Log10Backward0": _outside("self", lambda t: t <= 0),
    "Log1PBackward0": _outside("self", lambda t: t <= -1),
    "DivBackward0": _outside("other", lambda t: t == 0),
    "AcosBackward0": _outside("self", lambda t: t.abs() > 1),
    "AsinBackward0": _outside("self", lambda t: t.abs() > 1),
    "AtanhBackward0": _outside("self", lambda t: t.abs() >= 1),
    "AcoshBackward0": _outside("self", lambda t: t < 1),
    "PowBackward0": _bad_power,
}


def search(nodes: Sequence[Any], root: Tensor, found: Content, order: int) -> Origin:
    """The most probable origin of a non-finite `root` among the nodes it was computed by.

    The first node, in forward order, that has a non-finite saved tensor tells: where that is its result,
    the node itself; where it is an input, the node or leaf that the input came from.
    """
    forward = sorted((n for n in nodes if type(n) is not AccumulateGrad), key=lambda n: n._sequence_nr())
    implied = [node for node in forward if _implies(node)]
    for node in forward:
        bad = {name: tensor for name, tensor in saved_tensors(node) if _is_bad(tensor)}
        inputs = {name: tensor for name, tensor in bad.items() if not name.startswith("result")}
        if bad and not inputs:
            earlier = _implied_behind(node, implied)
            return _made_by(earlier or node, None if earlier else next(iter(bad.values())), order)
        for name, tensor in inputs.items():
            edge = edge_of(node_label(node), name)
            maker = node.next_functions[edge][0] if edge < len(node.next_functions) else None
            if maker is None or type(maker) is AccumulateGrad:
                return _given_to(node, edge, tensor, maker, order)
            if node_label(maker) in _FILLS and content(tensor) is Content.INF:
                continue
            return _made_by(_nearest(maker, implied), tensor, order)
    if implied:
        return _made_by(implied[0], None, order)
    maker = root.grad_fn
    place = place_of(maker) if maker is not None else None
    op = op_name(node_label(maker)) if maker is not None else "unknown"
    return Origin(found.value, op, place, order, output=value_stats("output", root), exact=False)


def _implies(node: Any) -> bool:
    test = _IMPLIES.get(node_label(node))
    return test is not None and test(node)


def _is_bad(tensor: Tensor) -> bool:
    return has_gradient_dtype(tensor) and not content(tensor).is_finite


def _nearest(maker: Any, implied: Sequence[Any]) -> Any:
    """The node that gave the non-finite result: `maker`, or one behind it that is known to."""
    node = maker
    for _ in range(8):
        if node in implied:
            return node
        following = [n for n, _ in node.next_functions if n is not None and type(n) is not AccumulateGrad]
        if len(following) != 1 or next(iter(saved_tensors(node)), None) is not None:
            break
        node = following[0]
    return maker


def _implied_behind(node: Any, implied: Sequence[Any]) -> Any | None:
    """The node known to give a non-finite result to this one, None where there is none."""
    makers = [n for n, _ in node.next_functions if n is not None and type(n) is not AccumulateGrad]
    return next((known for n in makers if (known := _nearest(n, implied)) in implied), None)


def _made_by(node: Any, output: Tensor | None, order: int) -> Origin:
    kind = Content.INF if output is None else content(output)
    with torch.no_grad():
        return Origin(
            kind.value,
            op_name(node_label(node)),
            place_of(node),
            order,
            inputs=tuple(s for s in saved_stats(node) if not s.name.startswith("result")),
            output=value_stats("output", output) if output is not None else None,
            exact=False,
        )


def _given_to(node: Any, edge: int, tensor: Tensor, maker: Any, order: int) -> Origin:
    op = op_name(node_label(node))
    return Origin(
        content(tensor).value,
        op,
        place_of(node),
        order,
        inputs=(value_stats(f"input {edge}", tensor),),
        source=f"input {edge} of {op}",
        leaf=id(maker.variable) if maker is not None else None,
        exact=False,
    )
