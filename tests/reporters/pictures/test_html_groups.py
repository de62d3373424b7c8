"""The groups of the page: equal blocks as one, and long groups cut into turns or runs of nodes."""

from __future__ import annotations

import math

import pytest

from gradscope.autograd_graph.modules import tree_of
from gradscope.facts.graph import AutogradGraph, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.reporters.pictures._page.frames import Frames, frames_of


def line_of_modules(paths: list[str], classes: dict[str, str], inside: int = 4) -> AutogradGraph:
    """Modules one behind the other, each of some nodes, all made on one line."""
    line = Location("/work/net.py", 5, function="forward")
    places = tuple(GraphPlace(line, path) for path in paths)
    nodes = [
        GraphNode(
            "MulBackward0",
            NodeKind.OP,
            ((at - 1, 0),) if at else (None,),
            at // inside,
            at,
            ((2,),),
            ("float32",),
            incoming=2.0,
        )
        for at in range(len(paths) * inside)
    ]
    return AutogradGraph(tuple(nodes), places, roots=((len(nodes) - 1, 0),), modules=classes)


def unrolled(turns: int, turn: int) -> AutogradGraph:
    """A cell of `turn` ops that is called over and over."""
    places = tuple(
        GraphPlace(Location("/work/net.py", at + 1, function="forward"), "cell") for at in range(turn)
    )
    nodes = [
        GraphNode(
            "TanhBackward0", NodeKind.OP, ((at - 1, 0),) if at else (None,), at % turn, at, incoming=float(at)
        )
        for at in range(turns * turn)
    ]
    return AutogradGraph(tuple(nodes), places, roots=((len(nodes) - 1, 0),), modules={"cell": "Cell"})


def grouped(graph: AutogradGraph, *, fold: bool = True) -> Frames:
    frames = frames_of(tree_of(graph, "/work"), graph, fold=fold)
    assert all(group["parent"] < index for index, group in enumerate(frames.groups))
    return frames


def test_equal_blocks_are_one_group_until_it_is_opened() -> None:
    paths = ["net.stem", *(f"net.h.{at}" for at in range(12))]
    graph = line_of_modules(paths, {"net": "Net", "net.h": "ModuleList"} | dict.fromkeys(paths, "Block"))
    (folded,) = [group for group in grouped(graph).groups if group.get("folded")]
    assert folded["name"] == "h"
    assert folded["class"] == "ModuleList, 12 x Block"
    assert not [group for group in grouped(graph, fold=False).groups if group.get("folded")]


def test_equal_blocks_beside_others_have_a_group_of_their_own() -> None:
    paths = [f"net.{at}" for at in range(6)] + ["net.head"]
    classes = {"net": "Net"} | dict.fromkeys(paths[:6], "Block") | {"net.head": "Linear"}
    frames = grouped(line_of_modules(paths, classes))
    (folded,) = [index for index, group in enumerate(frames.groups) if group.get("folded")]
    assert frames.groups[folded]["name"] == "6 x Block"
    assert frames.groups[folded]["size"] == 24
    inside = [group["path"] for group in frames.groups if group["parent"] == folded]
    assert inside == paths[:6]


def test_the_turns_of_a_loop_are_frames() -> None:
    frames = grouped(unrolled(20, 8), fold=False)
    turns = [
        group for group in frames.groups if group["kind"] == "span" and group["name"].startswith("turn ")
    ]
    assert len(turns) * 8 >= 20 * 8 - 8
    assert {group["size"] for group in turns[:5]} == {8}
    assert sum(group["size"] for group in turns) == 160


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_no_group_of_any_length_has_many_children(count: int) -> None:
    nodes = tuple(
        GraphNode("MulBackward0", NodeKind.OP, ((at - 1, 0),) if at else (None,), 0, at)
        for at in range(count)
    )
    place = GraphPlace(Location("/work/net.py", 1, function="forward"), "net")
    graph = AutogradGraph(nodes, (place,), roots=((count - 1, 0),), modules={"net": "Net"})
    frames = grouped(graph)
    children = [0] * len(frames.groups)
    for group in frames.groups[1:]:
        children[group["parent"]] += 1
    for group in frames.of_node:
        children[group] += 1
    assert max(children) <= 60


def test_the_norm_of_a_span_is_that_of_what_enters_it() -> None:
    frames = grouped(unrolled(500, 2), fold=False)  # turns too short for frames of their own
    last = next(group for group in frames.groups if group["name"].endswith("to 1,000"))
    assert math.isclose(last["norm"], 999.0)  # at the root
    first = next(group for group in frames.groups if group["name"] == "nodes 1 to 40")
    assert math.isclose(first["norm"], 39.0)
