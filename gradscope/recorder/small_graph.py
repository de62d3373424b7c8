"""A small graph taken down before its backward: values, shapes, and the local derivatives of scalar nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gradscope.folds.chain_rule import Chain, ChainNode
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.places import Loc
from gradscope.recorder.saved import has_unpack_hook
from gradscope.recorder.stats import elements, is_freed

MOST_ELEMENTS = 64
_IMPURE = frozenset(("CppFunction", "CopySlices", "Error", "NotImplemented", "DelayedError"))

Values: TypeAlias = Mapping[int, float]
"""Forward values by the sequence number of the node that made them."""


def measure(tensor: Tensor) -> float:
    """A scalar's value, or the 2-norm of anything else."""
    with torch.no_grad():
        stored = elements(tensor)
        if tensor.numel() == 1 and stored.numel() == 1 and not stored.is_complex():
            return float(stored.item())
        wide = stored.to(torch.complex128 if stored.is_complex() else torch.float64)
        return float(torch.linalg.vector_norm(wide).item())


def is_small(nodes: Sequence[Any]) -> bool:
    """Whether every tensor that these nodes made has a fixed shape of few elements, and can be read."""
    for node in nodes:
        if type(node) is AccumulateGrad and is_freed(node.variable):
            return False  # what was saved of it is freed as well
        for shape in _shapes(node):
            if not all(isinstance(size, int) for size in shape) or torch.Size(shape).numel() > MOST_ELEMENTS:
                return False
    return True


def _shapes(node: Any) -> list[Sequence[int]]:
    if type(node) is AccumulateGrad:
        return [node.variable.shape]
    return [one.shape for one in node._input_metadata]


def take_down(
    nodes: Sequence[Any],
    roots: Sequence[Tensor],
    grad_tensors: Sequence[Tensor | None],
    backward: Loc | None,
    values: Values,
) -> Chain:
    """Everything of a chain that can be known before the engine runs."""
    indices = {node: index for index, node in enumerate(nodes)}
    taken = [_take(node, indices, values) for node in nodes]
    begins = []
    for root in roots:
        if root.grad_fn is None:
            continue  # a leaf: nothing to see
        begins.append(indices[root.grad_fn])
        node = taken[begins[-1]]
        if len(root.grad_fn._input_metadata) == 1:
            node.value, node.own = measure(root), True
    value = measure(roots[0]) if len(roots) == 1 and roots[0].numel() == 1 else None
    return Chain(backward, tuple(begins), value, _seed(roots, grad_tensors), taken)


def _take(node: Any, indices: Mapping[Any, int], values: Values) -> ChainNode:
    if type(node) is AccumulateGrad:
        leaf = node.variable
        scalar = leaf.numel() == 1 and not leaf.is_complex()
        return ChainNode(
            "", None, measure(leaf), () if scalar else tuple(leaf.shape), leaf=id(leaf), scalar=scalar
        )
    outputs = list(node._input_metadata)
    scalar = all(torch.Size(one.shape).numel() == 1 and not one.dtype.is_complex for one in outputs)
    number = node._sequence_nr()
    return ChainNode(
        node_label(node),
        place_of(node),
        values.get(number),
        () if scalar else tuple(int(size) for size in outputs[0].shape),
        tuple(indices.get(following) for following, _ in node.next_functions),
        scalar=scalar,
        own=number in values or isinstance(node, torch._C._FunctionBase),
        local=_local_derivatives(node, outputs) if scalar and is_pure(node) else (),
    )


def is_pure(node: Any) -> bool:
    """Whether calling this node computes its derivative and does nothing else.

    A node that torch generated is a pure function of its saved tensors; calling it outside the engine
    neither frees them nor runs hooks. A custom Function is the program's code, and so is an unpack hook.
    """
    kind = type(node)
    if kind.__name__ in _IMPURE or isinstance(node, torch._C._FunctionBase) or kind is AccumulateGrad:
        return False
    return not has_unpack_hook(node)


def _local_derivatives(node: Any, outputs: Sequence[Any]) -> tuple[float | None, ...]:
    ones = [torch.ones(one.shape, dtype=one.dtype, device=one.device) for one in outputs]
    try:
        given = node(*ones)
    except RuntimeError:
        return ()  # freed, or a saved tensor was changed in place: the engine will say so
    return tuple(map(_scalar, given if isinstance(given, tuple) else (given,)))


def _scalar(tensor: Tensor | None) -> float | None:
    known = tensor is not None and tensor.numel() == 1 and not tensor.is_complex()
    return float(tensor.item()) if tensor is not None and known else None


def _seed(roots: Sequence[Tensor], grad_tensors: Sequence[Tensor | None]) -> str | None:
    """The gradients given to `backward`, as text; None for the plain 1 of a scalar."""
    given = [
        gradient
        for root, gradient in zip(roots, grad_tensors, strict=False)
        if gradient is not None and not (root.numel() == 1 and bool((gradient == 1).all()))
    ]
    return ", ".join(_text(gradient.tolist()) for gradient in given) or None


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
