"""The chain rule of one small backward as numbers, and its table in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gradscope.facts import ChainRow, ChainTable
from gradscope.folds.places import Place
from gradscope.folds.visits import location

Expression: TypeAlias = Callable[[Any], tuple[str | None, str | None]]
"""Gives the variable that the expression at a place is assigned to, and its source text."""


@dataclass(slots=True)
class ChainNode:
    """A node of a small graph. `targets` are the indices of its next nodes, edge by edge.

    `value` and the gradients are scalars, or 2-norms where `shape` is not empty. `local` are the derivatives
    that the node itself gave, edge by edge. `own` says that an op of the program gave its value; it is False
    for an op inside another, which has no expression of its own.
    """

    label: str
    place: Place | None
    value: float | None
    shape: tuple[int, ...]
    targets: tuple[int | None, ...] = ()
    leaf: int | None = None
    scalar: bool = False
    own: bool = True
    local: tuple[float | None, ...] = ()
    incoming: float | None = None
    outgoing: tuple[float | None, ...] = ()


@dataclass(slots=True)
class Chain:
    """One backward of a small graph; `order` are the indices of the nodes that ran, as they ran."""

    backward: Place | None
    roots: tuple[int, ...]
    value: float | None
    seed: str | None
    nodes: list[ChainNode]
    order: list[int] = field(default_factory=list)
    times: int = 1


def chain_table(chain: Chain, leaf_name: Callable[[int], str], expression_of: Expression) -> ChainTable:
    """The table of a chain: nodes in the order backward visited them, leaves last."""
    naming = _Naming(chain, leaf_name, expression_of)
    nodes = chain.nodes
    ran = set(chain.order)
    reached = {target for index in ran for target in nodes[index].targets if target is not None}
    rows = [naming.row(nodes[index]) for index in chain.order if nodes[index].leaf is None]
    for index, node in enumerate(nodes):
        if node.leaf is not None and (index in ran or index in reached):
            given = _given_to(index, chain)
            if given or index in ran:
                rows.append(naming.leaf_row(node, given))
    return ChainTable(
        backward=location(chain.backward),
        root=", ".join(naming.name(index) for index in chain.roots) or None,
        value=chain.value,
        seed=chain.seed,
        scalar=all(node.scalar for node in nodes),
        rows=tuple(rows),
        times=chain.times,
    )


def _given_to(leaf: int, chain: Chain) -> list[float]:
    """What each edge into a leaf gave it."""
    return [
        given
        for index in chain.order
        for target, given in zip(chain.nodes[index].targets, chain.nodes[index].outgoing, strict=False)
        if target == leaf and given is not None
    ]


def _at(values: Sequence[float | None], edge: int) -> float | None:
    return values[edge] if edge < len(values) else None


class _Naming:
    """Rows in the words of the program: variables, else expressions, else node names."""

    def __init__(self, chain: Chain, leaf_name: Callable[[int], str], expression_of: Expression) -> None:
        self._nodes = chain.nodes
        self._leaf_name = leaf_name
        self._expression_of = expression_of

    def name(self, index: int) -> str:
        """What to call the value that a node made."""
        node = self._nodes[index]
        if node.leaf is not None:
            return self._leaf_name(node.leaf)
        name, expression = self._words(node)
        return name or expression or node.label

    def _words(self, node: ChainNode) -> tuple[str | None, str | None]:
        if not node.own or node.place is None:
            return None, None
        return self._expression_of(node.place)

    def row(self, node: ChainNode) -> ChainRow:
        """The row of a node: local derivative and outgoing gradient for each input that needs one."""
        name, expression = self._words(node)
        edges = [(edge, target) for edge, target in enumerate(node.targets) if target is not None]
        return ChainRow(
            name=name,
            expression=expression,
            node=node.label,
            location=location(node.place),
            shape=node.shape,
            value=node.value,
            local=tuple((self.name(target), self._slope(node, edge, target)) for edge, target in edges),
            incoming=node.incoming,
            outgoing=tuple((self.name(target), _at(node.outgoing, edge)) for edge, target in edges),
        )

    def _slope(self, node: ChainNode, edge: int, target: int) -> float | None:
        """The local derivative: as the node told it, else as outgoing / incoming tell it."""
        slope, outgoing = _at(node.local, edge), _at(node.outgoing, edge)
        if slope is not None or outgoing is None or not node.incoming:
            return slope
        both_scalar = node.scalar and self._nodes[target].scalar
        return outgoing / node.incoming if both_scalar else None

    def leaf_row(self, node: ChainNode, given: Sequence[float]) -> ChainRow:
        """The row of a leaf: what this backward adds to its `.grad`."""
        name = self._leaf_name(node.leaf) if node.leaf is not None else "leaf"
        total = sum(given) if node.incoming is None and node.scalar else node.incoming
        return ChainRow(
            name=name,
            expression=None,
            node=None,
            location=None,
            shape=node.shape,
            value=node.value,
            local=(),
            incoming=total,
            outgoing=((name, total),),
            is_leaf=True,
            paths=max(1, len(given)),
        )
