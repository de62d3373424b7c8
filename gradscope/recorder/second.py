"""Why a graph was walked twice: the lines that carried a tensor of the freed graph into the new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradscope import syntax
from gradscope.facts import SecondBackward, Step
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label
from gradscope.recorder.places import Loc

_ALWAYS_NEW = 1 << 63  # AccumulateGrad's sequence number: it belongs to no graph


def explain_second_backward(
    nodes: Sequence[Any], watermark: int, backward: Loc, freed_by: Loc | None, source: Callable[[str], str]
) -> SecondBackward:
    """Finds the edges from nodes made after the last backward to nodes made before it.

    Where the edge was made inside a module's forward, the line that handed the old tensor in is in the
    training loop if the statement there uses what it gives (`out, hidden = model(x, hidden)`).
    """
    carriers: dict[Step, None] = {}
    old: Any = None
    for node in sorted(nodes, key=lambda n: n._sequence_nr()):
        if node._sequence_nr() < watermark or node._sequence_nr() >= _ALWAYS_NEW:
            continue
        for following, _ in node.next_functions:
            if following is None or following._sequence_nr() >= watermark:
                continue
            old = old or following
            place = place_of(node)
            if place is not None:
                for location in _carrying(place, source):
                    carriers.setdefault(Step(node_label(node), location))
    if old is None:
        old = next((n for n in nodes if n._sequence_nr() < watermark), None)
    made = place_of(old) if old is not None else None
    return SecondBackward(
        backward.location(),
        freed_by.location() if freed_by else None,
        tuple(carriers),
        node_label(old) if old is not None else None,
        made.location() if made else None,
    )


def _carrying(place: Loc, source: Callable[[str], str]) -> list[Any]:
    own = place.location()
    caller = place.caller.location() if place.caller is not None else None
    if caller is None:
        return [own]
    if syntax.feeds_itself(source(caller.path), caller.line):
        return [caller, own]
    return [own, caller]
