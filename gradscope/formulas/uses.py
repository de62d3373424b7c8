"""Where nodes of a name occur in an autograd graph: line by line, with counts and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gradscope.facts.graph import AutogradGraph, GraphNode
from gradscope.finding import Location

Key: TypeAlias = tuple[str, tuple[str, int] | None, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True)
class Use:
    """A line at which nodes of one name were made, `count` of them with outputs of these shapes.

    `modules` are their modules ("model.h.0.attn"), `leaves` the names of leaves, in the order of the forward.
    """

    node: str
    location: Location | None
    count: int
    shapes: tuple[tuple[int, ...], ...]
    modules: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    expression: str = ""


def uses_of(graph: AutogradGraph, names: Iterable[str]) -> tuple[Use, ...]:
    """The uses of all nodes of these names, in the order of the forward."""
    wanted = frozenset(names)
    found: dict[Key, list[GraphNode]] = {}
    for node in graph.nodes:
        if node.name in wanted:
            location = graph.location(node)
            at = location.at if location is not None else None
            found.setdefault((node.name, at, node.shapes), []).append(node)
    return tuple(_use(graph, nodes) for nodes in found.values())


def _use(graph: AutogradGraph, nodes: list[GraphNode]) -> Use:
    places = [place for node in nodes if (place := graph.place(node)) is not None]
    first = nodes[0]
    return Use(
        first.name,
        graph.location(first),
        len(nodes),
        first.shapes,
        tuple(dict.fromkeys(place.module for place in places if place.module is not None)),
        tuple(dict.fromkeys(node.leaf for node in nodes if node.leaf is not None)),
        next((place.expression for place in places if place.expression), ""),
    )
