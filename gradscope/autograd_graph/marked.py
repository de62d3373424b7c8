"""Which nodes the findings of a run point at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.finding import Finding, Location, Severity

DRAWN_AS_CUT = "GS102"  # its location is where the graph ends: a box of its own


def all_of(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings and what they explain, causes first."""
    for finding in findings:
        yield finding
        yield from finding.consequences


def marked_nodes(graph: AutogradGraph, findings: Iterable[Finding]) -> Mapping[int, list[Finding]]:
    """For each node, the findings that point at it; not what these explain, which is elsewhere.

    A finding points at what its line made; where that is nothing of this graph, at what its related lines
    made; and else at the leaves that it names.
    """
    found: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.code == DRAWN_AS_CUT:
            continue
        nodes = _made_at(graph, finding.location)
        for related in finding.related:
            nodes = nodes or _made_at(graph, related.location)
        for node in nodes or _leaves(graph, finding.subjects):
            found[node].append(finding)
    return found


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The highest severity among the findings, None for none."""
    return max((finding.severity for finding in findings), key=lambda severity: severity.rank, default=None)


def _made_at(graph: AutogradGraph, location: Location | None) -> list[int]:
    """The nodes made at exactly that expression, or else on that line."""
    if location is None:
        return []
    places = {
        index: place.location
        for index, place in enumerate(graph.places)
        if place.location is not None and place.location.at == location.at
    }
    exact = {index for index, place in places.items() if _span(place) == _span(location)}
    begun = {index for index, place in places.items() if place.column == location.column}
    chosen = (exact or begun or set(places)) if location.column is not None else set(places)
    return [index for index, node in enumerate(graph.nodes) if node.place in chosen] if chosen else []


def _span(location: Location) -> tuple[int | None, int | None, int | None]:
    return location.column, location.end_line, location.end_column


def _leaves(graph: AutogradGraph, names: Iterable[str]) -> list[int]:
    named = set(names)
    if not named:
        return []
    return [
        index for index, node in enumerate(graph.nodes) if node.kind is NodeKind.LEAF and node.leaf in named
    ]
