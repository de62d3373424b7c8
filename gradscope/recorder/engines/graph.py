"""The graph of an engine's backward as the facts that torch's own graphs are told by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from gradscope.facts import AutogradGraph
from gradscope.facts.graph import UNKNOWN, Constant, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.folds.scalar_pass import ScalarNode, ScalarPass, given, outgoing
from gradscope.recorder.engines.births import Birth
from gradscope.recorder.engines.reading import Reading
from gradscope.recorder.places import Loc

_MOST_SIGNED = 500  # nodes of a graph whose numbers are shown, as of torch's own

_Where: TypeAlias = tuple[Loc, bool]  # a line, and whether the value is the whole of its expression
Expression: TypeAlias = Callable[[Loc], tuple[str | None, str | None]]


class EngineGraph:
    """One backward of an engine, without its values: expressions are read when the run is over.

    `names` are those of the leaves, by their index; without `scalar` the backward did not come to its end.
    """

    def __init__(
        self,
        reading: Reading,
        scalar: ScalarPass | None,
        backward: Loc,
        number: int,
        names: Mapping[int, str],
    ) -> None:
        self._nodes: Sequence[ScalarNode] = reading.nodes
        self._where = [_where(birth, node) for birth, node in zip(reading.births, reading.nodes, strict=True)]
        self._class = type(reading.values[0]).__name__
        self._numbers = [type(value.data).__name__ for value in reading.values]
        self._scalar = scalar
        self._backward = backward
        self._number = number
        self._names = names

    def fact(self, expression_of: Expression, passes: Sequence[tuple[Location | None, int]]) -> AutogradGraph:
        """The graph, operands first. `passes` are the lines that ran backwards, with their first numbers."""
        kept = [index for index, node in enumerate(self._nodes) if not node.constant]
        kept.reverse()
        index_of = {index: number for number, index in enumerate(kept)}
        places: dict[_Where, int] = {}
        for index in kept:
            where = self._where[index]
            if where is not None:
                places.setdefault(where, len(places))
        gradients = given(self._scalar) if self._scalar is not None else None
        sent = outgoing(self._scalar) if self._scalar is not None else None
        nodes = []
        constants = []
        for index in kept:
            node, where = self._nodes[index], self._where[index]
            nodes.append(
                GraphNode(
                    name=node.op or self._class,
                    kind=NodeKind.VALUE if node.edges else NodeKind.LEAF,
                    next=tuple(
                        (index_of[edge.target], 0) if edge.target in index_of else None for edge in node.edges
                    ),
                    place=places[where] if where is not None else UNKNOWN,
                    shapes=((),),
                    dtypes=(self._numbers[index],),
                    incoming=gradients[index] if gradients is not None else None,
                    outgoing=() if sent is None else self._tracked(node, sent[index]),
                    value=node.value,
                    leaf=self._names[index] if not node.edges else None,
                )
            )
            constants += [
                Constant(
                    index_of[index], f"{self._nodes[edge.target].value:g}", (), self._numbers[edge.target]
                )
                for edge in node.edges
                if self._nodes[edge.target].constant
            ]
        return AutogradGraph(
            nodes=tuple(nodes),
            places=tuple(_place(where, expression_of) for where in places),
            constants=tuple(constants),
            roots=((len(nodes) - 1, 0),),
            backward=self._backward.location(),
            number=self._number,
            loss=self._nodes[0].value,
            small=len(nodes) <= _MOST_SIGNED,
            other_passes=tuple((place, first) for place, first in passes if first != self._number),
        )

    def _tracked(self, node: ScalarNode, sent: Sequence[float | None]) -> tuple[float | None, ...]:
        """What a node gave, but for its constants: nobody asked for theirs."""
        pairs = zip(node.edges, sent, strict=True)
        return tuple(None if self._nodes[edge.target].constant else gave for edge, gave in pairs)


def _where(birth: Birth | None, node: ScalarNode) -> _Where | None:
    if birth is None or not node.edges or birth.loc.code is None:
        return None
    return birth.loc, birth.own


def _place(where: _Where, expression_of: Expression) -> GraphPlace:
    loc, own = where
    variable, expression = expression_of(loc) if own else (None, None)
    return GraphPlace(loc.location(), None, variable, expression)
