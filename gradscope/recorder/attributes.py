"""Which attribute of a module holds a tensor that the module does not know, and where it is assigned."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from typing import Any, TypeAlias

from torch import Tensor, nn

from gradscope.folds.visits import op_name
from gradscope.recorder.places import Loc
from gradscope.recorder.values import grad_fn

_SMALL_GRAPH = 16  # nodes

Holder: TypeAlias = tuple[nn.Module, str, str]  # the owner, its attribute, and the path from the owner on


def stored_in(root: nn.Module, tensor: Tensor) -> Holder | None:
    """The attribute of the root's modules that holds the tensor or its module."""
    for owner, name, held in _attributes(root):
        path = _holds(held, tensor, 3)
        if path is not None:
            return owner, name, name + path
    return None


def result_in(root: nn.Module, leaf: Tensor) -> tuple[Holder, str] | None:
    """The attribute that holds what was computed from this leaf alone (`Parameter(x) * 2`), and the op."""
    for owner, name, held in _attributes(root):
        if isinstance(held, Tensor) and (node := grad_fn(held)) is not None and _only_leaf(node) is leaf:
            return (owner, name, name), op_name(node.name()).replace("to_copy", "to")
    return None


def _attributes(root: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    for owner in root.modules():
        for name, held in vars(owner).items():
            if not (name.startswith("_") and name in _TORCH_ATTRIBUTES):
                yield owner, name, held


def _only_leaf(node: Any) -> Any:
    """The one leaf behind a node of a small graph; None for several, or for a large graph."""
    leaves: dict[int, Any] = {}
    seen, stack = {node}, [node]
    while stack:
        current = stack.pop()
        leaf = getattr(current, "variable", None)
        if leaf is not None:
            leaves[id(leaf)] = leaf
        for inner, _ in current.next_functions:
            if inner is not None and inner not in seen:
                seen.add(inner)
                stack.append(inner)
        if len(seen) > _SMALL_GRAPH or len(leaves) > 1:
            return None
    return next(iter(leaves.values()), None)


_TORCH_ATTRIBUTES = frozenset(vars(nn.Module()))


def _holds(held: Any, tensor: Tensor, depth: int) -> str | None:
    if held is tensor:
        return ""
    if isinstance(held, nn.Module):
        return next((f".{name}" for name, p in held.named_parameters() if p is tensor), None)
    if depth and isinstance(held, (list, tuple)):
        for index, item in enumerate(held):
            inside = _holds(item, tensor, depth - 1)
            if inside is not None:
                return f"[{index}]{inside}"
    if depth and isinstance(held, dict):
        for key, item in held.items():
            inside = _holds(item, tensor, depth - 1)
            if inside is not None:
                return f"[{key!r}]{inside}"
    if depth and _is_plain_object(held):
        for name, item in vars(held).items():
            inside = _holds(item, tensor, depth - 1)
            if inside is not None:
                return f".{name}{inside}"
    return None


def _is_plain_object(held: Any) -> bool:
    """An instance of a class of the program's: no module, tensor, type or object of torch's."""
    return (
        type(getattr(held, "__dict__", None)) is dict
        and not isinstance(held, (type, nn.Module, Tensor))
        and not type(held).__module__.startswith(("torch", "builtins"))
    )


def assignment_of(owner: nn.Module, attribute: str) -> Loc | None:
    """Where the class of `owner` assigns an attribute, read from its code, not from the disk."""
    for name in ("__init__", *(n for n in vars(type(owner)) if n != "__init__")):
        code = getattr(getattr(type(owner), name, None), "__code__", None)
        if code is None:
            continue
        for instruction in dis.get_instructions(code):
            if instruction.opname == "STORE_ATTR" and instruction.argval == attribute:
                return Loc(code, instruction.offset)
    return None
