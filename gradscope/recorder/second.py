"""Why a graph was walked twice: the lines that carried a tensor of the freed graph into the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from gradscope import syntax
from gradscope.facts import SecondBackward, Step
from gradscope.finding import Location
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.places import Loc

_ALWAYS_NEW = 1 << 63  # AccumulateGrad's sequence number: it belongs to no graph


@dataclass(frozen=True, slots=True)
class Earlier:
    """The backward before: the sequence number after it, its line, whether an optimizer stepped since."""

    watermark: int
    loc: Loc | None
    stepped: bool


def explain_second_backward(
    nodes: Sequence[Any], living: Sequence[Any], backward: Loc, earlier: Earlier, source: Callable[[str], str]
) -> SecondBackward:
    """Finds the edges from nodes made after the last backward to nodes made before it.

    `nodes` are those of the graph, `living` the grad_fns of all living tensors. Where the line of the
    old node has run again since, the graph is carried from step to step; else it was built once.
    """
    edges = list(_edges_into_old(nodes, earlier.watermark))
    carriers: dict[Step, None] = {}
    for node, _ in edges:
        place = place_of(node)
        for location in _carrying(place, source) if place is not None else ():
            carriers.setdefault(Step(node_label(node), location))
    old = edges[0][1] if edges else next((n for n in nodes if _is_old(n, earlier.watermark)), None)
    made = place_of(old) if old is not None else None
    ran_since = {_line(place_of(n)) for n in (*nodes, *living) if _is_new(n, earlier.watermark)} - {None}
    recurrent = any(_line(place_of(following)) in ran_since for _, following in edges)
    return SecondBackward(
        backward.location(),
        earlier.loc.location() if earlier.loc else None,
        tuple(carriers),
        node_label(old) if old is not None else None,
        made.location() if made else None,
        subject=None if recurrent or made is None else _variable(made, backward, source),
        recurrent=recurrent,
        stepped=earlier.stepped,
        built_by=_before_loop(made, backward, source) if made is not None else None,
    )


def _is_new(node: Any, watermark: int) -> bool:
    return bool(watermark <= node._sequence_nr() < _ALWAYS_NEW)


def _is_old(node: Any, watermark: int) -> bool:
    return bool(node._sequence_nr() < watermark)


def _edges_into_old(nodes: Sequence[Any], watermark: int) -> Iterator[tuple[Any, Any]]:
    """(new node, old node) for the edges between the two graphs, the first-made new node first."""
    for node in sorted(nodes, key=lambda n: n._sequence_nr()):
        if _is_new(node, watermark):
            for following, _ in node.next_functions:
                if following is not None and _is_old(following, watermark):
                    yield node, following


def _line(place: Loc | None) -> tuple[CodeType, int, tuple[str, int] | None] | None:
    """A line, and the line of the training loop it was called from: two models may share a forward."""
    where = place.location() if place is not None else None
    if place is None or place.code is None or where is None:
        return None
    caller = place.caller.location() if place.caller is not None else None
    return place.code, where.line, caller.at if caller is not None else None


def _in_function_of(backward: Loc, made: Loc) -> Location | None:
    """The line that made a node, as seen in the function that runs the backward; None for another's."""
    for place in (made, made.caller):
        if place is not None and place.code is backward.code:
            return place.location()
    return None


def _variable(made: Loc, backward: Loc, source: Callable[[str], str]) -> str | None:
    """What the old tensor was assigned to: in the function of the backward, else where it was made."""
    for where in (_in_function_of(backward, made), made.location()):
        if where is not None and (name := _assigned(where, source)):
            return name
    before = _before_loop(made, backward, source)
    names = syntax.assigned_names(source(before.path), before.line) if before is not None else frozenset()
    return next(iter(names)) if len(names) == 1 else None


def _assigned(where: Location, source: Callable[[str], str]) -> str | None:
    """The variable that is given the whole value of the expression at this place."""
    if where.column is None or where.end_line is None or where.end_column is None:
        return None
    text = source(where.path)
    return syntax.expression_at(text, where.line, where.column, where.end_line, where.end_column)[0]


def _before_loop(made: Loc, backward: Loc, source: Callable[[str], str]) -> Location | None:
    """Where the old graph was built, if that came before the loop around the backward.

    Its own line, or that of the call; else the one call of that function in the backward's own.
    """
    at = backward.location()
    if at is None or made.code is None:
        return None
    text = source(at.path)
    where = _in_function_of(backward, made)
    if where is not None:
        return where if where.line < at.line and not syntax.is_in_loop_of(text, where.line, at.line) else None
    calls = syntax.calls_before_loop(text, made.code.co_name, at.line)
    return Location(at.path, calls[0]) if len(calls) == 1 else None


def _carrying(place: Loc, source: Callable[[str], str]) -> list[Location | None]:
    """The lines of an edge, the telling one first.

    Where it was made inside a module's forward, that is the line in the training loop if the statement
    there uses what it gives (`out, hidden = model(x, hidden)`).
    """
    own = place.location()
    caller = place.caller.location() if place.caller is not None else None
    if caller is None:
        return [own]
    if syntax.feeds_itself(source(caller.path), caller.line):
        return [caller, own]
    return [own, caller]
