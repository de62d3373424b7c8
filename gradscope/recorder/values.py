"""Which `Value` each living tensor holds: the bridge between tensors and the flow of values.

Tensors are never kept alive and nothing is written on them. An entry is (weak reference, Value) under
`id(tensor)`, valid while the reference still leads to that very tensor; dead entries are swept when the
table has doubled.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import CutKind
from gradscope.folds.flow import Flow, Severing, Value, carries_gradient, is_copy_of_leaf
from gradscope.folds.places import Place
from gradscope.recorder.now import Now
from gradscope.recorder.places import NOWHERE

_ref = weakref.ref
_SWEPT_AT = 1024  # entries; from then on whenever the table has doubled


def requires_grad(tensor: Tensor) -> bool:
    """`tensor.requires_grad`, False where torch refuses to say (a view changed under no_grad)."""
    try:
        return tensor.requires_grad
    except RuntimeError:
        return False


def is_leaf(tensor: Tensor) -> bool:
    """`tensor.is_leaf`, False where torch refuses to say."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False


def version(tensor: Tensor) -> int:
    """The version counter, -1 for an inference tensor, which has none."""
    try:
        return tensor._version
    except RuntimeError:
        return -1


class TensorValues:
    """The table of living tensors' values."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._table: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self._limit = _SWEPT_AT
        self._sources: dict[int, tuple[weakref.ref[Tensor], weakref.ref[Tensor]]] = {}
        self.flow = Flow()
        self.used: set[int] = set()  # ids of leaves that a differentiable op took in

    def uses_leaf(self, parents: Sequence[Value]) -> bool:
        """Whether a differentiable op's inputs include leaves; remembers which."""
        leaves = [parent.leaf for parent in parents if parent.leaf is not None]
        self.used.update(leaves)
        return bool(leaves)

    def __len__(self) -> int:
        return len(self._table)

    def get(self, tensor: Tensor) -> Value | None:
        """The value a tensor holds, None where it depends on no trainable leaf."""
        entry = self._table.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            value = entry[1]
            if not value.requires_grad and requires_grad(tensor):
                return self._regained(tensor, value)
            if value.leaf is not None and value.cut is not None and not is_leaf(tensor):
                return self._regained(tensor, value)  # a custom Function returned its input
            if value.epoch < self._now.epoch:
                if value.leaf is not None:
                    value.epoch = self._now.epoch
                else:
                    self.flow.crossed(value)
            return value
        if not requires_grad(tensor):
            return None
        leaf = id(tensor) if is_leaf(tensor) else None
        op = "leaf" if leaf is not None else node_name(tensor)
        return self.set(tensor, Value(op, (), NOWHERE, True, self._now.epoch, leaf=leaf))

    def peek(self, tensor: Tensor) -> Value | None:
        """The value, if the tensor has one already; adds nothing to the table."""
        entry = self._table.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def set(self, tensor: Tensor, value: Value) -> Value:
        """Says that `tensor` now holds `value`."""
        table = self._table
        if len(table) > self._limit:
            self._sweep()
        table[id(tensor)] = (_ref(tensor), value)
        return value

    def _regained(self, tensor: Tensor, value: Value) -> Value:
        """A result that was made without grad mode and got a grad_fn afterwards: a custom Function's."""
        if is_leaf(tensor):
            cut = value.cut if value.cut is not None else None
            return self.set(
                tensor,
                Value(value.op, value.parents, value.loc, True, self._now.epoch, leaf=id(tensor), cut=cut),
            )
        parents = tuple(_with_gradient(value))
        return self.set(tensor, Value(node_name(tensor), parents, value.loc, True, self._now.epoch))

    def forget_history(self, tensor: Tensor) -> None:
        """A leaf was written to: what it holds now is its own."""
        self.set(tensor, Value("leaf", (), NOWHERE, True, self._now.epoch, leaf=id(tensor)))

    def leaf_tensor(self, leaf: int) -> Tensor | None:
        """The living tensor behind a `Value.leaf`."""
        entry = self._table.get(leaf)
        return entry[0]() if entry is not None else None

    def alias(self, alias: Tensor, source: Tensor) -> None:
        """`alias` is another name for `source`'s memory (`source.data`): a write to one is in both."""
        if len(self._sources) > _SWEPT_AT:
            self._sources = {k: refs for k, refs in self._sources.items() if refs[0]() is not None}
        self._sources[id(alias)] = (_ref(alias), _ref(source))

    def written_with(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that a write to `tensor` changes: itself, its base, what it is an alias of."""
        base = base_of(tensor)
        found = [tensor] if base is None else [tensor, base]
        for one in list(found):
            alias, source = self._sources.get(id(one), (None, None))
            if (
                alias is not None
                and source is not None
                and alias() is one
                and (other := source()) is not None
            ):
                found.append(other)
        return found

    def drop(self, tensor: Tensor) -> None:
        """Forgets a tensor: it is a constant from now on."""
        self._table.pop(id(tensor), None)

    def overwritten(self, leaf: Tensor, op: str, parents: Sequence[Value], loc: Place) -> None:
        """A leaf was written to. A computed value that still carried gradient goes on in it, cut off.

        What an optimizer, a moving average or a copied state writes carries none: the leaf starts afresh.
        """
        live = tuple(p for p in parents if not is_copy_of_leaf(p) and carries_gradient(p))
        if live:
            cut = Severing(CutKind.DATA)
            self.set(leaf, Value(op, live, loc, True, self._now.epoch, leaf=id(leaf), cut=cut))
        else:
            self.forget_history(leaf)

    def living(self) -> Iterator[tuple[Tensor, Value]]:
        """Every living tensor of the table with its value."""
        for reference, value in list(self._table.values()):
            tensor = reference()
            if tensor is not None:
                yield tensor, value

    def _sweep(self) -> None:
        self._table = {key: entry for key, entry in self._table.items() if entry[0]() is not None}
        self._limit = max(_SWEPT_AT, 2 * len(self._table))

    def opaque(self, op: str, inputs: list[Tensor], output: Any, loc: Place, cut: Severing | None) -> None:
        """One op for a region that could not be looked into."""
        parents = tuple(v for v in map(self.get, inputs) if v is not None)
        for tensor in tensors_in(output):
            grad = requires_grad(tensor)
            severed = None if grad or not any(p.requires_grad for p in parents) else cut
            if parents:
                self.set(tensor, Value(op, parents, loc, grad, self._now.epoch, cut=severed))


def _with_gradient(value: Value, limit: int = 1000) -> list[Value]:
    """The nearest ancestors that carry gradient, looking through what ran without grad mode."""
    found: dict[int, Value] = {}
    seen, stack = {id(value)}, [value]
    while stack and len(seen) < limit:
        for parent in stack.pop().parents:
            if id(parent) in seen:
                continue
            seen.add(id(parent))
            if parent.requires_grad:
                found[id(parent)] = parent
            else:
                stack.append(parent)
    return list(found.values())


def node_name(tensor: Tensor) -> str:
    """The name of a tensor's grad_fn, without the C++ namespace."""
    try:
        node = tensor.grad_fn
    except RuntimeError:
        return "view"
    return "leaf" if node is None else node.name().rpartition("::")[2]


def tensors_in(value: Any, depth: int = 4) -> list[Tensor]:
    """The tensors in a result or an argument: nested tuples, lists, dicts and dataclass-like mappings."""
    if isinstance(value, Tensor):
        return [value]
    if depth:
        if isinstance(value, (tuple, list)):
            return [t for item in value for t in tensors_in(item, depth - 1)]
        if isinstance(value, dict):
            return [t for item in value.values() for t in tensors_in(item, depth - 1)]
    return []


def grad_fn(tensor: Tensor) -> Any:
    """`tensor.grad_fn`, None where torch refuses to say."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def base_of(tensor: Tensor) -> Tensor | None:
    """The tensor that `tensor` is a view of; None also where torch refuses to say."""
    try:
        return tensor._base
    except RuntimeError:
        return None


def is_plain(tensor: Tensor) -> bool:
    """True for a tensor with memory of its own to look at: no subclass, wrapper, fake or meta tensor."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type != "meta"
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )
