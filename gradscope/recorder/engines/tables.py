"""The chain-rule tables of the small graphs of an engine: one for each backward line and shape of graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gradscope.facts import ChainTable
from gradscope.folds import chain_rule
from gradscope.folds.chain_rule import Chain, ChainNode, chain_table
from gradscope.folds.scalar_pass import ScalarPass, given, outgoing
from gradscope.recorder.engines.reading import Reading
from gradscope.recorder.places import Loc

_MOST_NODES = 40
_MOST_TABLES = 8

_Key: TypeAlias = tuple[Loc, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Table:
    """A small graph, and what its leaves are called."""

    chain: Chain
    leaf_names: Mapping[int, str]


class Tables:
    """Collects them while the program runs; expressions are read when it has ended."""

    def __init__(self) -> None:
        self._tables: dict[_Key, _Table] = {}

    def add(
        self, loc: Loc, reading: Reading, scalar: ScalarPass, namer: Callable[[], Callable[[int], str]]
    ) -> None:
        """One more backward; `namer` is asked for names only where it has a new table."""
        nodes = reading.nodes
        if nodes[0].is_leaf or sum(not node.constant for node in nodes) > _MOST_NODES:
            return
        key = (loc, tuple(node.op for node in nodes))
        known = self._tables.get(key)
        if known is not None:
            known.chain.times += 1
        elif len(self._tables) < _MOST_TABLES:
            name = namer()
            names = {index: name(index) for index, node in enumerate(nodes) if node.is_leaf}
            self._tables[key] = _Table(_chain(loc, reading, scalar), names)

    def facts(self, expression_of: chain_rule.Expression) -> tuple[ChainTable, ...]:
        """The tables in the order of their first backward."""
        return tuple(
            chain_table(table.chain, table.leaf_names.__getitem__, expression_of)
            for table in self._tables.values()
        )


def _chain(loc: Loc, reading: Reading, scalar: ScalarPass) -> Chain:
    nodes = reading.nodes
    taken = [
        ChainNode(
            label=node.op or type(value).__name__,
            place=birth.loc if birth is not None else None,
            value=node.value,
            shape=(),
            targets=tuple(None if nodes[edge.target].constant else edge.target for edge in node.edges),
            leaf=index if node.is_leaf else None,
            scalar=True,
            own=birth is not None and birth.own,
            local=tuple(edge.slope for edge in node.edges),
            incoming=incoming,
            outgoing=sent,
        )
        for index, (value, birth, node, incoming, sent) in enumerate(
            zip(reading.values, reading.births, nodes, given(scalar), outgoing(scalar), strict=True)
        )
    ]
    seed = scalar.seed
    text = None if seed is None or seed == 1 or math.isnan(seed) else f"{seed:g}"
    order = [index for index, node in enumerate(nodes) if not node.is_leaf]
    return Chain(loc, (0,), nodes[0].value, text, taken, order)
