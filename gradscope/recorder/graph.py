"""The autograd graph as the engine will walk it, and what its nodes have saved."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor

from gradscope.recorder.graphs.depth import SHALLOW, hold
from gradscope.recorder.graphs.order import in_forward_order


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved tensor of a node, read without the version check.

    `intact` is False, and `error` torch's message, where reading it with the check raises.
    """

    name: str
    tensor: Tensor
    intact: bool
    error: str = ""


def walk(roots: Sequence[Tensor]) -> tuple[list[Any], dict[int, Tensor]]:
    """All nodes reachable from the roots, each once, and the leaves by `id`. No recursion."""
    nodes: list[Any] = []
    leaves: dict[int, Tensor] = {}
    seen: set[Any] = set()
    stack = [node for root in roots if (node := _grad_fn(root)) is not None]
    for root in roots:
        if _grad_fn(root) is None and root.requires_grad:
            leaves[id(root)] = root
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        nodes.append(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            leaves[id(variable)] = variable
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                stack.append(following)
    if len(nodes) > SHALLOW:
        hold(*in_forward_order(map(_grad_fn, roots)))
    return nodes, leaves


def _grad_fn(tensor: Any) -> Any:
    node = getattr(tensor, "grad_fn", None)
    if node is None and hasattr(tensor, "node"):
        return tensor.node  # a GradientEdge
    return node


def node_label(node: Any) -> str:
    """The node's name, without the C++ namespace."""
    name: str = node.name()
    return name.rpartition("::")[2]


@cache
def _saved_names(kind: Hashable) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_raw_saved_"))


def saved_tensors(node: Any) -> Iterator[Saved]:
    """The tensors a node has saved; nothing for a freed node. The version check is asked, not enforced.

    Raw saved tensors are read because a conflict makes the plain read raise; under non-reentrant
    checkpointing they hold placeholders, which are passed over.
    """
    for raw_name in _saved_names(node.__class__):
        try:
            raw = getattr(node, raw_name)
        except RuntimeError:
            continue  # freed
        name = raw_name.removeprefix("_raw_saved_")
        for one in raw if isinstance(raw, (tuple, list)) else (raw,):
            tensor = getattr(one, "data", None)
            if not isinstance(tensor, Tensor):
                continue
            error = ""
            try:
                getattr(node, "_saved_" + name, None) if name != "tensors" else node.saved_tensors
            except RuntimeError as refused:
                error = str(refused)
                if "inplace operation" not in error:
                    continue
            yield Saved(name, tensor, not error, error)
