"""The program's own text as the page quotes it."""

from __future__ import annotations

from gradscope.facts.graph import AutogradGraph, GraphPlace

_LONGEST = 200  # characters; what is shown is cut to its column


def source_text(place: GraphPlace | None) -> str:
    """`c = b ** 2`, `x + 1`, or nothing: what a place computes, in one line."""
    if place is None or place.expression is None:
        return ""
    text = " ".join(place.expression[: 2 * _LONGEST].split())
    return (f"{place.variable} = {text}" if place.variable else text)[:_LONGEST]


def is_single_file(graph: AutogradGraph) -> bool:
    """Whether all lines that made the graph are of one file, so that its name need not be said."""
    return len({place.location.path for place in graph.places if place.location is not None}) == 1
