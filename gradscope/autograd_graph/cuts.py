"""Broken ways of a gradient: the leaves that lost it, the op at which it stops, where the value goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from gradscope.autograd_graph.drawing import Arrow, ArrowKind, Box, BoxKind, Subject
from gradscope.autograd_graph.marked import DRAWN_AS_CUT, all_of
from gradscope.facts.flow import Cut, SeveredLeaf
from gradscope.facts.graph import AutogradGraph
from gradscope.finding import Finding, Location
from gradscope.reporters.paths import near
from gradscope.reporters.screen.words import clip, group_names

_LONGEST = 60
_DIFFERENTIABLE = ("float", "bfloat", "complex")


class Broken(NamedTuple):
    """The boxes and arrows of one finding.

    `constants` index those of the graph that are the severed value itself: its arrow stands for them.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    constants: tuple[int, ...]


def broken_ways(subject: Subject, graph: AutogradGraph, box_of: Callable[[int], str]) -> list[Broken]:
    """What is drawn of the severed gradients that belong to this backward.

    `box_of` gives the box that a node of `graph` is drawn in.
    """
    found: list[Broken] = []
    for finding in all_of(subject.findings):
        facts = _facts(subject, finding) if finding.code == DRAWN_AS_CUT else []
        if facts or (finding.code == DRAWN_AS_CUT and not subject.severed):
            found.append(_broken(finding, facts, subject, graph, box_of, len(found)))
    return found


def _facts(subject: Subject, finding: Finding) -> list[SeveredLeaf]:
    """What was measured of the leaves that a finding names, of this backward or of one not known."""
    here = subject.graph.backward
    return [
        fact
        for fact in subject.severed
        if fact.leaf in finding.subjects
        and fact.cuts
        and (fact.backward is None or here is None or fact.backward.at == here.at)
    ]


def _broken(
    finding: Finding,
    facts: Sequence[SeveredLeaf],
    subject: Subject,
    graph: AutogradGraph,
    box_of: Callable[[int], str],
    number: int,
) -> Broken:
    lost = Box(
        f"lost{number}",
        BoxKind.LOST,
        clip(group_names(finding.subjects, 2, "parameter"), _LONGEST),
        ("no gradient",),
        severity=finding.severity,
        codes=(finding.code,),
    )
    cuts = _cut_boxes(finding, facts, subject, number)
    chain = [lost.id, *(box.id for box in cuts)]
    arrows = [Arrow(tail, head, ArrowKind.CUT, severity=finding.severity) for tail, head in pairwise(chain)]
    joined = {node: _severed_input(graph, node) for node in _joined(graph, facts)}
    heads: dict[str, str] = {}
    for node, constant in joined.items():
        name = graph.constants[constant].name if constant is not None else None
        heads.setdefault(box_of(node), clip(name or "", _LONGEST))
    arrows += [
        Arrow(chain[-1], head, ArrowKind.CUT, name, severity=finding.severity) for head, name in heads.items()
    ]
    known = tuple(constant for constant in joined.values() if constant is not None)
    return Broken((lost, *cuts), tuple(arrows), known)


def _severed_input(graph: AutogradGraph, node: int) -> int | None:
    """The constant by which a severed value comes to a node: the only one that could carry a gradient."""
    found = [
        index
        for index, constant in enumerate(graph.constants)
        if constant.node == node and not constant.frozen and constant.dtype.startswith(_DIFFERENTIABLE)
    ]
    return found[0] if len(found) == 1 else None


def _cut_boxes(finding: Finding, facts: Sequence[SeveredLeaf], subject: Subject, number: int) -> list[Box]:
    """The cuts on the way from the leaf on, the first with what the finding says of it."""
    cuts: Sequence[Cut | None] = facts[0].cuts if facts else (None,)
    boxes = []
    for index, cut in enumerate(cuts):
        where = (cut.location if cut is not None else None) or finding.location
        op = cut.op if cut is not None else str(finding.evidence.get("op", "cut"))
        lines = [near(where, subject.cwd)] if where is not None else []
        if cut is not None and cut.resumed is not None and where is not None and cut.resumed.at != where.at:
            lines.append(f"goes on at {near(cut.resumed, subject.cwd)}")
        if index == 0 and finding.label:
            lines.append(clip(finding.label, _LONGEST))
        boxes.append(
            Box(
                f"cut{number}" if index == 0 else f"cut{number}_{index}",
                BoxKind.CUT,
                clip(op, _LONGEST),
                tuple(lines),
                severity=finding.severity,
                codes=(finding.code,) if index == 0 else (),
            )
        )
    return boxes


def _joined(graph: AutogradGraph, facts: Sequence[SeveredLeaf]) -> Iterator[int]:
    """The nodes at which the values behind the cuts come into the graph, as far as that is known."""
    found: list[int] = []
    for fact in facts:
        last = max((at for at, step in enumerate(fact.path) if step.cut), default=-1)
        for step in fact.path[last + 1 :]:
            nodes = list(_untracked_at(graph, step.location))
            if nodes:
                found += nodes
                break
    yield from dict.fromkeys(found)


def _untracked_at(graph: AutogradGraph, location: Location | None) -> Iterator[int]:
    """The nodes of a line that took in something without a gradient, or else the first of the line."""
    if location is None:
        return
    places = {
        index
        for index, place in enumerate(graph.places)
        if place.location is not None and place.location.at == location.at
    }
    nodes = [index for index, node in enumerate(graph.nodes) if node.place in places] if places else []
    constants = {constant.node for constant in graph.constants}
    open_ends = [index for index in nodes if index in constants or None in graph.nodes[index].next]
    yield from open_ends[:1] or nodes[:1]
