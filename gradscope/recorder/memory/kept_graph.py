"""Takes down which storages a graph keeps, just before its backward. Nothing of the graph is held."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from gradscope.facts.memory import MemoryKind
from gradscope.folds.kept_graph import NO_PLACE, KeptNode, KeptTensor
from gradscope.recorder.creation import place_of, root_of
from gradscope.recorder.graphs.depth import hold
from gradscope.recorder.graphs.kept import Kept
from gradscope.recorder.graphs.nodes import short_name
from gradscope.recorder.graphs.order import in_forward_order
from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.places import Loc
from gradscope.recorder.stats import PLAIN, dtype_name
from gradscope.recorder.values import tensors_in

LEAF: Final = "AccumulateGrad"
_MANY_NAMES: Final = "CppFunction"  # a type that nodes of several names share
_SCALARS: Final = tuple(
    f"_saved_{name}" for name in ("alpha", "correction", "exponent", "max", "min", "negative_slope", "scale")
)
_DIM: Final = "_saved_dim"
_SAMPLES: Final = 4
_SAMPLED_FROM: Final = 1024  # elements
_SAMPLED: Final = frozenset(
    f"{op}Backward0" for op in ("Erf", "Exp", "Log", "Mul", "Pow", "Reciprocal", "Sigmoid", "Tanh")
)
"""The ops of formulas that are told apart by what they compute."""


@dataclass(slots=True)
class Taken:
    """A graph as it was. `places` are (line, ordinal of the root module); `leaves` are weak references."""

    nodes: list[KeptNode]
    places: dict[tuple[Loc, int], int]
    leaves: list[weakref.ref[Tensor]]
    placeholders: set[int]  # ids of what checkpoints have put in place of tensors
    devices: set[str] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)  # sequence numbers of the nodes

    @property
    def storages(self) -> set[int]:
        """The numbers of all that the graph keeps."""
        return {number for node in self.nodes for one in node.saved for number in one.storages}


class _Type:
    """What the nodes of one Python type have in common."""

    __slots__ = ("has_dim", "is_sampled", "kept", "name", "scalars")

    def __init__(self, node: Any) -> None:
        kind = type(node)
        self.name = None if kind.__name__ == _MANY_NAMES else short_name(node)
        self.kept = Kept(kind)
        self.is_sampled = kind.__name__ in _SAMPLED
        self.has_dim = hasattr(kind, _DIM)
        self.scalars = [(each, each.removeprefix("_saved_")) for each in _SCALARS if hasattr(kind, each)]


def take_down(roots: Iterable[Any], live: LiveStorages, within: range | None = None) -> Taken:
    """The nodes reachable from `roots` and the storages that they keep.

    `within` bounds the sequence numbers of the nodes that are told.
    """
    order, following = in_forward_order(roots)
    hold(order, following)
    if within is not None:
        order = [node for node in order if node._sequence_nr() in within]
    index = {node: number for number, node in enumerate(order)}
    taken = Taken([], {}, [], set())
    types: dict[type, _Type] = {}
    for node in order:
        if node.__class__ is AccumulateGrad:
            taken.leaves.append(weakref.ref(node.variable))
            leaf = node.variable
            taken.nodes.append(KeptNode(LEAF, (), shape=shape_of(leaf), dtype=dtype_name(leaf.dtype)))
            continue
        known = types.get(node.__class__)
        if known is None:
            known = types[node.__class__] = _Type(node)
        edges = following[node]
        taken.numbers.append(node._sequence_nr())
        taken.nodes.append(_fact(node, known, edges, index, taken, live))
    return taken


def _fact(
    node: Any, known: _Type, edges: Any, index: dict[Any, int], taken: Taken, live: LiveStorages
) -> KeptNode:
    output = next(iter(node._input_metadata), None)
    scalars = {}
    for attribute, name in known.scalars:
        value = getattr(node, attribute, None)
        if isinstance(value, (int, float)):
            scalars[name] = float(value)
    if known.has_dim:
        dim = node._saved_dim
        only = dim[0] if isinstance(dim, tuple) and len(dim) == 1 else dim
        if isinstance(only, int):
            scalars["dim"] = float(only - 2**64 if only >= 2**63 else only)  # torch tells it unsigned
    samples: dict[str, tuple[float, ...]] = {}
    return KeptNode(
        known.name or short_name(node),
        tuple([(index[target], nr) if target in index else None for target, nr in edges]),
        tuple(_saved(node, known, scalars, samples, taken, live)),
        _place(node, taken),
        shape_of(output) if output is not None else (),
        dtype_name(output.dtype) if output is not None else "",
        scalars,
        samples,
    )


def _place(node: Any, taken: Taken) -> int:
    loc = place_of(node)
    if loc is None or loc.code is None:
        return NO_PLACE
    return taken.places.setdefault((loc, root_of(node)), len(taken.places))


def _saved(
    node: Any,
    known: _Type,
    scalars: dict[str, float],
    samples: dict[str, tuple[float, ...]],
    taken: Taken,
    live: LiveStorages,
) -> Iterator[KeptTensor]:
    if not known.kept:
        return
    for name, raw in known.kept.raw(node):
        tensor = getattr(raw, "data", None)
        if isinstance(tensor, Tensor):
            if type(tensor) in PLAIN and tensor.layout is torch.strided and not tensor.is_meta:
                if tensor.dim() == 0 and tensor.device.type == "cpu":
                    _scalar(name, tensor, scalars)
                elif known.is_sampled and tensor.numel() >= _SAMPLED_FROM:
                    samples[name] = _sample(tensor)
            yield _kept_tensor(name, tensor, taken, live)
        elif tensor is not None:
            taken.placeholders.add(id(tensor))
            for packed in tensors_in(tensor):  # a hook of the program has put them in its place
                yield _kept_tensor(name, packed, taken, live)


def _kept_tensor(name: str, tensor: Tensor, taken: Taken, live: LiveStorages) -> KeptTensor:
    """A tensor that is saved under that name."""
    taken.devices.add(tensor.device.type)
    numbers = tuple(live.counted(tensor, MemoryKind.OTHER))
    return KeptTensor(name, shape_of(tensor), dtype_name(tensor.dtype), numbers)


def shape_of(of: Any) -> tuple[int, ...]:
    """The shape of a tensor or of a node's output; a size that is only a symbol counts as -1."""
    try:
        return tuple([size if type(size) is int else -1 for size in of.shape])
    except RuntimeError:  # nested: it has none
        return ()


def _scalar(name: str, tensor: Tensor, scalars: dict[str, float]) -> None:
    """A number of the program ("0.5 * x") is saved as a tensor without dimensions."""
    if not tensor.requires_grad and tensor.dtype in (torch.float32, torch.float64, torch.int64):
        with torch._C._DisableTorchDispatch():  # a mode would be given a float in the tensor's place
            scalars[name] = float(tensor.item())


def _sample(tensor: Tensor) -> tuple[float, ...]:
    """The first elements of the first row; none of a tensor that is not of real numbers."""
    if not tensor.is_floating_point() or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return ()
    with torch._C._DisableTorchDispatch(), torch.no_grad():
        row = tensor.detach()
        while row.dim() > 1:
            row = row[0]
        return tuple(row[:_SAMPLES].tolist())
