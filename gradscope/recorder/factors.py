"""Which saved tensor an outgoing gradient is multiplied by, so that a zero one can be named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gradscope.folds.visits import Content, Factor
from gradscope.recorder.saved import is_number, saved_tensor
from gradscope.recorder.stats import content

_SUM = ""
# The saved name of each edge's own input. The gradient of one named edge is multiplied by the other named
# input; an unnamed edge gets a sum, which may cancel.
_PRODUCTS: dict[str, tuple[str, ...]] = {
    "MulBackward0": ("self", "other"),
    "MmBackward0": ("self", "mat2"),
    "BmmBackward0": ("self", "mat2"),
    "MvBackward0": ("self", "vec"),
    "DotBackward0": ("self", "tensor"),
    "VdotBackward0": ("self", "other"),
    "AddmmBackward0": (_SUM, "mat1", "mat2"),
    "AddmvBackward0": (_SUM, "mat", "vec"),
    "AddrBackward0": (_SUM, "vec1", "vec2"),
    "AddbmmBackward0": (_SUM, "batch1", "batch2"),
    "BaddbmmBackward0": (_SUM, "batch1", "batch2"),
    "AddcmulBackward0": (_SUM, "tensor1", "tensor2"),
    "LinearBackward0": ("input", "weight", _SUM),
    "ConvolutionBackward0": ("input", "weight", _SUM),
}
# Only the first edge is multiplied, by the weight of the second.
_SCALED = frozenset(
    (
        "NativeLayerNormBackward0",
        "NativeGroupNormBackward0",
        "NativeBatchNormBackward0",
        "CudnnBatchNormBackward0",
        "MiopenBatchNormBackward0",
    )
)
_SUMS = frozenset(("AddBackward0", "SubBackward0", "RsubBackward1", "ExpandBackward0"))
CARRIERS = frozenset(
    (
        "TBackward0",
        "TransposeBackward0",
        "PermuteBackward0",
        "ViewBackward0",
        "UnsafeViewBackward0",
        "ReshapeAliasBackward0",
        "UnsqueezeBackward0",
        "SqueezeBackward0",
        "SqueezeBackward1",
        "ExpandBackward0",
        "ToCopyBackward0",
        "CloneBackward0",
        "AliasBackward0",
    )
)


def _sources(label: str) -> tuple[tuple[str, int] | None, ...]:
    """For each edge, the saved name that multiplies its gradient, and that input's own edge."""
    if label in _SCALED:
        return (("weight", 1), None, None)
    names = _PRODUCTS.get(label, ())
    named = [edge for edge, name in enumerate(names) if name]
    other = dict(zip(named, reversed(named), strict=True))
    return tuple((names[other[edge]], other[edge]) if edge in other else None for edge in range(len(names)))


def is_sum(label: str, edge: int, outgoing: Tensor, incoming: int) -> bool:
    """Whether this edge gets a sum of the incoming gradient, which has `incoming` elements: it may cancel."""
    if label in _PRODUCTS:
        return _PRODUCTS[label][edge : edge + 1] == (_SUM,)
    if label in _SCALED:
        return edge > 1
    return label in _SUMS and outgoing.numel() < incoming


def zero_factor(node: Any, label: str, edge: int, leaf_of: Callable[[Tensor], int | None]) -> Factor | None:
    """The saved tensor that made this edge's gradient zero, if it is all zeros.

    `leaf_of` gives the id of the leaf that a tensor shares memory with; a cast of a leaf is also one.
    """
    sources = _sources(label)
    source = sources[edge] if edge < len(sources) else None
    if source is None:
        return None
    name, own_edge = source
    tensor = saved_tensor(node, name)
    if tensor is None or content(tensor) is not Content.ZERO:
        return None
    own = node.next_functions[own_edge][0] if own_edge < len(node.next_functions) else None
    leaf = leaf_of(tensor)
    return Factor(name, _leaf_behind(own) if leaf is None else leaf, own is None and is_number(tensor))


def _leaf_behind(node: Any) -> int | None:
    """The id of the leaf that a node only views or casts."""
    for _ in range(8):
        if node is None:
            return None
        if hasattr(node, "variable"):
            return id(node.variable)
        if node.name() not in CARRIERS:
            return None
        node = node.next_functions[0][0]
    return None


def edge_of(label: str, saved_name: str) -> int:
    """The edge of the input that a node saved under a name; 0 where that is not known."""
    names = _PRODUCTS.get(label, ("self", "other"))
    return names.index(saved_name) if saved_name in names else 0
