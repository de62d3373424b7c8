"""The groups of the page: those of the graph, and more around equal blocks and the turns of loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gradscope.autograd_graph.blocks import fold_blocks
from gradscope.autograd_graph.folding import Run
from gradscope.autograd_graph.modules import OUTSIDE, Group, Tree
from gradscope.errors import printable
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.pictures._page.spans import entering, spans_of
from gradscope.reporters.pictures._page.tables import number


class Frames(NamedTuple):
    """The groups as the page is told them, each behind the one around it, and the group of each node.

    Group 0 is the page itself. A group that is `folded` stays closed until it is clicked.
    """

    groups: list[dict[str, Any]]
    of_node: Sequence[int]


def frames_of(tree: Tree, graph: AutogradGraph, *, fold: bool = True) -> Frames:
    """The groups of a tree under the page; with `fold`, equal blocks in a row are one until it is opened."""
    groups: list[dict[str, Any]] = [{"kind": "page", "name": "", "path": "", "parent": -1}]
    groups += [_group(each) for each in tree.groups]
    if fold:
        runs = {id(run): run for run in fold_blocks(graph, tree).runs.values()}
        for run in runs.values():
            _fold(run, tree, groups)
    of_node = [each + 1 for each in tree.group_of]
    _add_spans(graph, groups, of_node)
    return _numbered(groups, of_node)


def _group(group: Group) -> dict[str, Any]:
    return {
        "kind": group.kind.value,
        "name": printable(group.name),
        "path": printable(group.path),
        "class": printable(group.class_name or ""),
        "parent": 0 if group.parent == OUTSIDE else group.parent + 1,
        "size": group.size,
        "parameters": group.parameters,
        "bytes": group.saved_bytes,
        "seconds": number(group.seconds),
        "norm": number(group.norm),
    }


def _fold(run: Run, tree: Tree, groups: list[dict[str, Any]]) -> None:
    """Puts equal blocks into a group of their own; where a module holds nothing else, that is the group."""
    first = tree.groups[run.groups[0]]
    siblings = tree.groups[first.parent].children if first.parent != OUTSIDE else tree.top
    start = siblings.index(run.groups[0])
    inside = siblings[start : siblings.index(run.last) + 1]
    kinds = [tree.groups[each].class_name or tree.groups[each].name for each in run.groups]
    title = f"{run.turns} x {kinds[0] if len(kinds) == 1 else '(' + ', '.join(kinds) + ')'}"
    if first.parent != OUTSIDE and len(inside) == len(siblings) and not tree.groups[first.parent].nodes:
        around = groups[first.parent + 1]
        around["class"] = printable(f"{around['class']}, {title}" if around["class"] else title)
        around["folded"] = True
        return
    members = [tree.groups[each] for each in inside]
    known = [each.norm for each in members if each.norm is not None]
    times = [each.seconds for each in members if each.seconds is not None]
    groups.append(
        {
            "kind": "blocks",
            "name": printable(title),
            "path": printable(f"{first.path} to {members[-1].path}"),
            "class": "",
            "parent": first.parent + 1 if first.parent != OUTSIDE else 0,
            "size": sum(each.size for each in members),
            "parameters": sum(each.parameters for each in members),
            "bytes": sum(each.saved_bytes for each in members),
            "seconds": number(sum(times) if times else None),
            "norm": number(sum(each * each for each in known) ** 0.5 if known else None),
            "folded": True,
        }
    )
    for each in inside:
        groups[each + 1]["parent"] = len(groups) - 1


def _add_spans(graph: AutogradGraph, groups: list[dict[str, Any]], of_node: list[int]) -> None:
    lines = {index: each["parent"] for index, each in enumerate(groups) if each["kind"] == "line"}
    spans = list(spans_of(graph, of_node, lines))
    numbers = {span: len(groups) + index for index, span in enumerate(spans)}
    for span, norm in zip(spans, entering(graph, spans), strict=True):
        nodes = [graph.nodes[node] for node in span.nodes]
        times = [node.seconds for node in nodes if node.seconds is not None]
        groups.append(
            {
                "kind": "span",
                "name": span.name,
                "path": f"{groups[span.group]['path']}: {span.name}".removeprefix(": "),
                "class": "",
                "parent": span.group if span.around is None else numbers[span.around],
                "size": len(nodes),
                "parameters": 0,
                "bytes": sum(node.saved_bytes for node in nodes),
                "seconds": number(sum(times) if times else None),
                "norm": number(norm),
            }
        )
        if span.is_innermost:
            for each in span.nodes:
                of_node[each] = numbers[span]


def _numbered(groups: list[dict[str, Any]], of_node: Sequence[int]) -> Frames:
    """The same groups, each behind the one around it, without lines whose nodes are in turns of a loop."""
    inside: list[list[int]] = [[] for _ in groups]
    for index, group in enumerate(groups[1:], 1):
        inside[group["parent"]].append(index)
    used = set(of_node)
    order: list[int] = []
    stack = [0]
    while stack:
        index = stack.pop()
        if groups[index]["kind"] == "line" and index not in used and not inside[index]:
            continue
        order.append(index)
        stack.extend(reversed(inside[index]))
    numbers = {index: position for position, index in enumerate(order)}
    kept = [groups[index] for index in order]
    for group in kept[1:]:
        group["parent"] = numbers[group["parent"]]
    return Frames(kept, [numbers[each] for each in of_node])
