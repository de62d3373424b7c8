"""The graph of an engine's backward, in the facts that torch's graphs are told by."""

from __future__ import annotations

from gradscope.facts import AutogradGraph
from gradscope.facts.graph import NodeKind
from gradscope.recorder import Recorder
from recorder.engines.running import LESSON, execute

OWN_LINES = LESSON.count("\n")
PROGRAM = "x, w = Value(2.0), Value(-1.0)\nu = x * 3 + w\ny = u - x\ny.backward()\n"


def graph(program: str, number: int = 1, **names: object) -> AutogradGraph:
    recorder = Recorder(graph_of=number)
    with recorder:
        execute(LESSON + program, **names)
    found = recorder.recording().graph
    assert found is not None
    return found


def test_nodes_places_and_gradients() -> None:
    found = graph(PROGRAM)
    rows = [
        (node.name, node.kind, node.next, node.value, node.incoming, node.outgoing) for node in found.nodes
    ]
    assert rows == [
        ("Value", NodeKind.LEAF, (), 2.0, 2.0, ()),
        ("Value", NodeKind.LEAF, (), -1.0, 1.0, ()),
        ("*", NodeKind.VALUE, ((0, 0), None), 6.0, 1.0, (3.0, None)),
        ("+", NodeKind.VALUE, ((2, 0), (1, 0)), 5.0, 1.0, (1.0, 1.0)),
        ("*", NodeKind.VALUE, ((0, 0), None), -2.0, 1.0, (-1.0, None)),
        ("+", NodeKind.VALUE, ((3, 0), (4, 0)), 3.0, 1.0, (1.0, 1.0)),
    ]
    assert [leaf.leaf for leaf in found.leaves] == ["x", "w"]
    places = [found.place(node) for node in found.nodes]
    assert [place and (place.variable, place.expression) for place in places] == [
        None,
        None,
        (None, "x * 3"),
        ("u", "x * 3 + w"),
        (None, None),
        ("y", "u - x"),
    ]
    lines = [place.location.line - OWN_LINES for place in places if place is not None and place.location]
    assert lines == [2, 2, 3, 3]
    assert (found.roots, found.loss, found.small, found.number) == (((5, 0),), 3.0, True, 1)
    assert found.backward is not None
    assert found.backward.line == OWN_LINES + 4
    assert [(each.node, each.name, each.dtype) for each in found.constants] == [
        (2, "3", "int"),
        (4, "-1", "int"),
    ]


def test_passes_are_counted_with_torchs() -> None:
    program = (
        "import torch\n"
        "t = torch.tensor(2.0, requires_grad=True)\n"
        "(t * 2).backward()\n" + PROGRAM + "(t * 3).backward()\n"
    )
    first, second, third = (graph(program, number) for number in (1, 2, 3))
    assert [len(each.nodes) for each in (first, second, third)] == [2, 6, 2]
    assert {node.kind for node in first.nodes} == {NodeKind.OP, NodeKind.LEAF}
    lines = [(place and place.line - OWN_LINES, number) for place, number in second.other_passes]
    assert lines == [(3, 1), (8, 3)]
    assert third.number == 3


def test_a_backward_that_raises_has_a_graph_without_gradients() -> None:
    found = graph(
        "x = Value(2.0)\ny = x * 3\ny._backward = 1\ntry:\n    y.backward()\nexcept TypeError: pass\n"
    )
    assert [(node.value, node.incoming, node.outgoing) for node in found.nodes] == [
        (2.0, None, ()),
        (6.0, None, ()),
    ]


def test_a_late_pass_has_its_lines() -> None:
    found = graph("x = Value(1.0)\nfor k in range(40):\n    y = x * k\n    y.backward()\n", 38)
    assert found.number == 38
    assert [(place.variable, place.expression) for place in found.places] == [("y", "x * k")]
    assert found.nodes[-1].value == 37.0


def test_a_graph_that_is_not_of_numbers_is_none() -> None:
    recorder = Recorder(graph_of=1)
    with recorder:
        execute(LESSON + "import numpy\nx = Value(numpy.ones(3))\ny = x * x\ny.backward()\n")
    assert recorder.recording().graph is None
