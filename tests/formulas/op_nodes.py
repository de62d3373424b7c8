"""The backward nodes that PyTorch's own operator database leaves: what a formula is asked for."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.autograd.graph import Node
from torch.utils._pytree import tree_leaves

DTYPES = (torch.float64, torch.float32, torch.complex128, torch.bfloat16, torch.float16)


def all_ops() -> list[Any]:
    """Those with a backward, in a fixed order. Raises ImportError without what torch's tests need."""
    from tests.opinfos import op_db

    ops = [op for op in op_db if op.supports_autograd]
    return sorted(ops, key=lambda op: (op.name, op.variant_test_name))


def nodes_left(ops: Iterable[Any], samples: int | None = None) -> dict[str, set[str]]:
    """Node -> the ops that leave it: with all samples of every dtype, or with the first ones of one dtype."""
    found: dict[str, set[str]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for op in ops:
            for dtype in DTYPES:
                if dtype in op.dtypes and dtype in op.backward_dtypes:
                    for node in _nodes(op, dtype, samples):
                        found.setdefault(node, set()).add(op.name)
                    if samples is not None:
                        break
    return found


def _nodes(op: Any, dtype: torch.dtype, samples: int | None) -> Iterator[str]:
    torch.manual_seed(0)
    for sample in itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=True), samples):
        try:
            returned = op(sample.input, *sample.args, **sample.kwargs)
        except (RuntimeError, NotImplementedError):
            continue  # an op that this build of torch lacks
        yield from names_above(returned)


def names_above(returned: Any) -> Iterator[str]:
    """The names of the nodes that lead to what an op returned, without `torch::autograd::`."""
    tensors = [leaf for leaf in tree_leaves(returned) if isinstance(leaf, torch.Tensor)]
    waiting: list[Node] = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node.name().removeprefix("torch::autograd::")
        following = [next_node for next_node, _ in node.next_functions if next_node is not None]
        waiting += [each for each in following if each not in seen]
        seen.update(following)
