"""The nodes of a graph as facts: what they are, what they lead to, what they keep.

One pass over the graph, without recursion. What all nodes of a type have in common is asked once.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from gradscope.facts.graph import UNKNOWN, Definition, GraphNode, NodeKind
from gradscope.finding import Location
from gradscope.recorder.graphs.depth import hold
from gradscope.recorder.graphs.kept import Kept
from gradscope.recorder.graphs.order import in_forward_order
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.stats import dtype_name
from gradscope.syntax.definitions import function_at

_GENERATED = "GeneratedBackwardFor_"
_MANY_NAMES = "CppFunction"  # a type that nodes of several names share
_LEAF = "AccumulateGrad"
_INTS: Final = frozenset([int])


@dataclass(frozen=True, slots=True)
class _Type:
    """What all nodes of one Python type have in common."""

    name: str | None
    kind: NodeKind
    definition: Definition | None
    kept: Kept


@dataclass(slots=True)
class Taken:
    """A graph as it was before its backward. `nodes` are live: drop them when the backward is over."""

    nodes: list[Any]
    index: dict[Any, int]
    facts: list[GraphNode] = field(default_factory=list)
    definitions: dict[Definition, int] = field(default_factory=dict)
    leaves: dict[int, Tensor] = field(default_factory=dict)  # by the index of the node


def root_nodes(roots: Iterable[Any]) -> list[tuple[Any, int]]:
    """(node, output_nr) of tensors and `GradientEdge`s; a leaf stands for its AccumulateGrad."""
    found = []
    for root in roots:
        if isinstance(root, Tensor):
            if root.requires_grad:
                edge = get_gradient_edge(root)
                found.append((edge.node, edge.output_nr))
        else:
            found.append((root.node, root.output_nr))
    return found


def take_down(roots: Iterable[Any], *, shared: Callable[[int], bool] | None = None) -> Taken:
    """Everything of a graph that can be known before the engine runs.

    `roots` are nodes. `shared` says of the address of a memory whether it is counted elsewhere.
    """
    nodes, following = in_forward_order(roots)
    hold(nodes, following)
    index = {node: number for number, node in enumerate(nodes)}
    taken = Taken(nodes, index)
    types: dict[Any, _Type] = {}
    counted = _take_leaves(taken)
    keep, leaves, definitions = taken.facts.append, taken.leaves, taken.definitions
    for number, node in enumerate(nodes):
        if number in leaves:
            leaf = leaves[number]
            keep(
                GraphNode(
                    _LEAF,
                    NodeKind.LEAF,
                    (),
                    UNKNOWN,
                    UNKNOWN,
                    (tuple(leaf.shape),),
                    (dtype_name(leaf.dtype),),
                )
            )
            continue
        kind = node.__class__
        known = types.get(kind)
        if known is None:
            known = types[kind] = _type_of(node)
        outputs = node._input_metadata
        fact = GraphNode(
            known.name or short_name(node),
            known.kind,
            tuple([None if target is None else (index[target], nr) for target, nr in following[node]]),
            UNKNOWN,
            node._sequence_nr(),
            tuple([_shape(one.shape) for one in outputs]),
            tuple([dtype_name(one.dtype) for one in outputs]),
            known.kept.of(node, counted, shared) if known.kept else (),
        )
        if known.definition is not None:
            fact = replace(fact, definition=definitions.setdefault(known.definition, len(definitions)))
        keep(fact)
    return taken


def _take_leaves(taken: Taken) -> set[int]:
    """Notes the leaves, and returns the addresses of their memory."""
    counted = set()
    for number, node in enumerate(taken.nodes):
        if node.__class__ is AccumulateGrad:
            taken.leaves[number] = leaf = node.variable
            counted.add(_address(leaf))
    counted.discard(0)
    return counted


def _shape(sizes: Iterable[Any]) -> tuple[int, ...]:
    """A shape as numbers; a size that is only a symbol counts as -1."""
    shape = tuple(sizes)
    if _INTS.issuperset(map(type, shape)):
        return shape
    return tuple([size if type(size) is int else -1 for size in shape])


def short_name(node: Any) -> str:
    """The node's name, without the C++ namespace."""
    name: str = node.name()
    return name.rpartition("::")[2]


def _type_of(node: Any) -> _Type:
    kind = type(node)
    name = short_name(node)
    own = getattr(kind, "_forward_cls", None)
    kept = Kept(kind)
    if kind is AccumulateGrad:
        return _Type(name, NodeKind.LEAF, None, kept)
    if own is None:
        return _Type(None if kind.__name__ == _MANY_NAMES else name, NodeKind.OP, None, kept)
    if name == "CompiledFunctionBackward" and own.__module__.startswith("torch."):
        return _Type(name, NodeKind.COMPILED, None, kept)
    if name == "CheckpointFunctionBackward" and own.__module__.startswith("torch."):
        return _Type(name, NodeKind.CHECKPOINT, None, kept)
    return _Type(name, NodeKind.CUSTOM, _definition(own, name), kept)


def _definition(own: type, name: str) -> Definition:
    """The Function behind a node; a custom op under the name it was registered with."""
    backward, called = getattr(own, "backward", None), own.__name__
    if name.startswith(_GENERATED):
        inside = _closure(own.forward)  # type: ignore[attr-defined]
        called = str(inside["op"].name()) if "op" in inside else name
        backward = getattr(inside.get("info"), "_backward_fn", None)
    code = getattr(backward, "__code__", None)
    if code is None:
        return Definition(called, None)
    source = "".join(linecache.getlines(code.co_filename))
    found = function_at(source, code.co_firstlineno, code.co_name)
    line = found.lineno if found is not None else code.co_firstlineno
    return Definition(called, Location(code.co_filename, line, function=code.co_qualname))


def _closure(function: Any) -> dict[str, Any]:
    """What a function has taken from around it, by name."""
    cells = function.__closure__ or ()
    return {name: cell.cell_contents for name, cell in zip(function.__code__.co_freevars, cells, strict=True)}


def _address(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, a wrapper: no memory of its own
        return 0


def structs(facts: Sequence[GraphNode], more: Sequence[Mapping[str, Any]]) -> tuple[GraphNode, ...]:
    """The nodes, each with what `more` adds to what was taken down of it."""
    return tuple([replace(fact, **extra) if extra else fact for fact, extra in zip(facts, more, strict=True)])
