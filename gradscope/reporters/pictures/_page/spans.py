"""Long groups cut into spans: the turns of a loop, or else nodes that follow one another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gradscope.autograd_graph.turns import turns_of
from gradscope.facts.graph import AutogradGraph, NodeKind

_FEWEST_NODES: Final = 60  # of a group whose turns are put into frames
_LONG: Final = 400  # nodes that are cut also where nothing repeats itself
_SHORT_TURN: Final = 4  # nodes; turns shorter than this have no frames of their own
_MOST: Final = 40  # spans side by side, and nodes in a span that is no turn


@dataclass(eq=False, slots=True)
class Span:
    """Pieces of a group from the number `first` to `last`: turns, or nodes, as `what` says.

    `nodes` are all that lie in it, `is_innermost` says that no other span holds them. `around` is the span
    around it, None where that is the group itself.
    """

    what: str
    first: int
    last: int
    group: int
    nodes: Sequence[int]
    is_innermost: bool = True
    around: Span | None = None

    @property
    def name(self) -> str:
        """ "turn 3", "turns 1 to 40"."""
        one = self.first == self.last
        return f"{self.what} {self.first:,}" if one else f"{self.what}s {self.first:,} to {self.last:,}"


def spans_of(graph: AutogradGraph, group_of: Sequence[int], line_in: Mapping[int, int]) -> Iterator[Span]:
    """The spans of every group that is long. `group_of` is by node.

    `line_in` gives, by the groups that are lines, the group around them: a loop goes through its lines turn
    after turn, so its turns are made of the nodes of all of them.
    """
    own: dict[int, list[int]] = defaultdict(list)
    with_lines: dict[int, list[int]] = defaultdict(list)
    for node, group in enumerate(group_of):
        own[group].append(node)
        with_lines[line_in.get(group, group)].append(node)
    cut = set()
    for group, nodes in with_lines.items():
        turns = _turns(graph, group, nodes)
        if turns:
            cut.add(group)
            yield from _nested(turns)
    for group, nodes in own.items():
        if group not in cut and line_in.get(group) not in cut:
            yield from _nested(_stretches(graph, group, nodes))


def entering(graph: AutogradGraph, spans: Sequence[Span]) -> list[float | None]:
    """The 2-norm of the gradient that enters each span, None where it is not known."""
    depth = [0] * len(spans)
    number = {span: index for index, span in enumerate(spans)}
    for index in range(len(spans) - 1, -1, -1):
        around = spans[index].around
        depth[index] = 0 if around is None else depth[number[around]] + 1
    squares: list[float | None] = [None] * len(spans)
    for level in sorted(set(depth)):
        span_of = [-1] * len(graph.nodes)
        for index, span in enumerate(spans):
            if depth[index] == level:
                for node in span.nodes:
                    span_of[node] = index
        for node in _used_outside(graph, span_of):
            incoming = graph.nodes[node].incoming
            if incoming is not None:
                squares[span_of[node]] = (squares[span_of[node]] or 0.0) + incoming * incoming
    return [None if each is None else each**0.5 for each in squares]


def _used_outside(graph: AutogradGraph, span_of: Sequence[int]) -> set[int]:
    """The nodes of spans that something outside their span has used."""
    found = {node for node, _ in graph.roots if span_of[node] >= 0}
    for user, node in enumerate(graph.nodes):
        for edge in node.next:
            if edge is not None and span_of[edge[0]] not in (-1, span_of[user]):
                found.add(edge[0])
    return found


def _made(graph: AutogradGraph, nodes: Sequence[int]) -> list[int]:
    """The nodes without the leaves, which belong to no turn; many leaves are what a group is made of."""
    made = [node for node in nodes if graph.nodes[node].kind is not NodeKind.LEAF]
    return made if len(nodes) - len(made) <= _LONG else list(nodes)


def _turns(graph: AutogradGraph, group: int, nodes: Sequence[int]) -> list[Span]:
    """The turns that most of the nodes are; several in a span where they are short. Nothing for no loop."""
    if len(nodes) <= _FEWEST_NODES:
        return []
    made = _made(graph, nodes)
    words: dict[object, int] = {}
    each = [graph.nodes[node] for node in made]
    found = turns_of([words.setdefault((node.name, node.place), len(words)) for node in each])
    longest = max(found, key=lambda one: one.end - one.start, default=None)
    if longest is None or longest.end - longest.start <= max(len(made) / 2, _FEWEST_NODES):
        return []
    if longest.period < _SHORT_TURN:
        return _stretches(graph, group, nodes)
    starts = [0, *range(longest.start + longest.period, longest.end, longest.period)]
    return [
        Span("turn", number, number, group, made[start:end])
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(made)], strict=True), 1)
    ]


def _stretches(graph: AutogradGraph, group: int, nodes: Sequence[int]) -> list[Span]:
    made = _made(graph, nodes)
    if len(made) <= _LONG:
        return []
    return [
        Span("node", start + 1, min(start + _MOST, len(made)), group, made[start : start + _MOST])
        for start in range(0, len(made), _MOST)
    ]


def _nested(spans: list[Span]) -> Iterator[Span]:
    """The spans, and where they are many, spans around them, and around those."""
    while spans:
        yield from spans
        if len(spans) <= _MOST:
            return
        width = math.ceil(len(spans) / math.ceil(len(spans) / _MOST))
        outer = []
        for start in range(0, len(spans), width):
            held = spans[start : start + width]
            nodes = [node for span in held for node in span.nodes]
            whole = Span(held[0].what, held[0].first, held[-1].last, held[0].group, nodes, is_innermost=False)
            for span in held:
                span.around = whole
            outer.append(whole)
        spans = outer
