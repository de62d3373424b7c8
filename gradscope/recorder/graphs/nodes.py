"""The nodes of a graph as facts: what they are, what they lead to, what they keep.

One pass over the graph, without recursion. What all nodes of a type have in common is asked once.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

from gradscope.facts.graph import Definition, Edge, GraphNode, NodeKind
from gradscope.finding import Location
from gradscope.recorder.graphs.kept import Kept
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.stats import dtype_name
from gradscope.syntax.definitions import function_at

_NO_NUMBER: Final = 2**64 - 1  # an AccumulateGrad has none
_GENERATED = "GeneratedBackwardFor_"
_MANY_NAMES = "CppFunction"  # a type that nodes of several names share


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
    next: list[tuple[Edge, ...]]
    facts: list[dict[str, Any]] = field(default_factory=list)
    definitions: dict[Definition, int] = field(default_factory=dict)
    leaves: dict[int, Tensor] = field(default_factory=dict)  # by the index of the node


def root_nodes(roots: Iterable[Any]) -> list[tuple[Any, int]]:
    """(node, output_nr) of tensors and `GradientEdge`s; a leaf stands for its AccumulateGrad."""
    found = []
    for root in roots:
        if isinstance(root, Tensor):
            if root.grad_fn is not None:
                found.append((root.grad_fn, root.output_nr))
        else:
            found.append((root.node, root.output_nr))
    return found


def in_forward_order(roots: Iterable[Any]) -> tuple[list[Any], dict[Any, tuple[Any, ...]]]:
    """All nodes reachable from root nodes, those that a node leads to before it; and their next functions.

    The order is that in which they were made, where the sequence numbers of the nodes say so (those of
    several threads do not), and an order of the graph itself otherwise.
    """
    following: dict[Any, tuple[Any, ...]] = {}
    first_use: dict[Any, int] = {}
    numbers: dict[Any, int] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in following:
            continue
        numbers[node] = number = node._sequence_nr()
        following[node] = edges = node.next_functions
        for target, _ in edges:
            if target is None:
                continue
            if target not in following:
                stack.append(target)
            if number < first_use.get(target, _NO_NUMBER):
                first_use[target] = number
    for node, number in numbers.items():
        numbers[node] = 2 * number if number != _NO_NUMBER else 2 * first_use.get(node, _NO_NUMBER) - 1
    ordered = sorted(following, key=numbers.__getitem__)
    known = all(
        numbers[target] < numbers[node]
        for node, edges in following.items()
        for target, _ in edges
        if target is not None
    )
    return (ordered if known else _by_depth(following)), following


def _by_depth(following: Mapping[Any, Sequence[Any]]) -> list[Any]:
    """The nodes in an order that the edges alone give, targets first."""
    waiting = {node: sum(target is not None for target, _ in edges) for node, edges in following.items()}
    users: dict[Any, list[Any]] = {node: [] for node in following}
    for node, edges in following.items():
        for target, _ in edges:
            if target is not None:
                users[target].append(node)
    ready = [node for node, count in waiting.items() if not count]
    ordered = []
    while ready:
        node = ready.pop()
        ordered.append(node)
        for user in users[node]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return ordered


def take_down(roots: Iterable[Any], *, shared: Callable[[int], bool] | None = None) -> Taken:
    """Everything of a graph that can be known before the engine runs.

    `roots` are nodes. `shared` says of the address of a memory whether it is counted elsewhere.
    """
    nodes, following = in_forward_order(roots)
    index = {node: number for number, node in enumerate(nodes)}
    taken = Taken(nodes, index, [])
    types: dict[Any, _Type] = {}
    counted: set[int] = set()
    keep_next, keep_facts = taken.next.append, taken.facts.append
    for number, node in enumerate(nodes):
        kind = node.__class__
        known = types.get(kind)
        if known is None:
            known = types[kind] = _type_of(node)
        keep_next(tuple([None if target is None else (index[target], nr) for target, nr in following[node]]))
        if kind is AccumulateGrad:
            leaf = node.variable
            taken.leaves[number] = leaf
            memory = _address(leaf)
            if memory:
                counted.add(memory)
            keep_facts(_leaf(leaf))
            continue
        keep_facts(_facts(node, known, taken))
    for node, facts in zip(nodes, taken.facts, strict=True):
        if facts["kind"] is not NodeKind.LEAF:
            facts["saved"] = types[node.__class__].kept.of(node, counted, shared)
    return taken


def _leaf(leaf: Tensor) -> dict[str, Any]:
    return {
        "name": "AccumulateGrad",
        "kind": NodeKind.LEAF,
        "shapes": (tuple(leaf.shape),),
        "dtypes": (str(leaf.dtype)[6:],),
    }


def _facts(node: Any, known: _Type, taken: Taken) -> dict[str, Any]:
    outputs = node._input_metadata
    facts: dict[str, Any] = {
        "name": known.name or short_name(node),
        "kind": known.kind,
        "sequence_nr": node._sequence_nr(),
        "shapes": tuple([_shape(one.shape) for one in outputs]),
        "dtypes": tuple([dtype_name(one.dtype) for one in outputs]),
    }
    if known.definition is not None:
        facts["definition"] = taken.definitions.setdefault(known.definition, len(taken.definitions))
    return facts


def _shape(sizes: Iterable[Any]) -> tuple[int, ...]:
    """A shape as numbers; a size that is only a symbol counts as -1."""
    return tuple([size if type(size) is int else -1 for size in sizes])


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
    if name.startswith(_GENERATED):
        words = name.removeprefix(_GENERATED).removesuffix("Backward").removesuffix("_default")
        return Definition(words.replace("_", "::", 1), None)
    code = getattr(getattr(own, "backward", None), "__code__", None)
    if code is None:
        return Definition(own.__name__, None)
    source = "".join(linecache.getlines(code.co_filename))
    found = function_at(source, code.co_firstlineno, code.co_name)
    line = found.lineno if found is not None else code.co_firstlineno
    return Definition(own.__name__, Location(code.co_filename, line, function=code.co_qualname))


def _address(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, a wrapper: no memory of its own
        return 0


def structs(taken: Taken, more: Sequence[Mapping[str, Any]] | None = None) -> tuple[GraphNode, ...]:
    """The nodes as facts, each with what `more` adds."""
    added: Sequence[Mapping[str, Any]] = more if more is not None else ({},) * len(taken.facts)
    return tuple(
        [
            GraphNode(next=following, **facts, **extra)
            for following, facts, extra in zip(taken.next, taken.facts, added, strict=True)
        ]
    )
