"""What the lessons teach about graphs, as `gradscope graph` shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from identity.running import run_recorded

from gradscope.autograd_graph.drawing import Box, BoxKind, Drawing, Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.facts.graph import AutogradGraph, NodeKind

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def graph_of(example: str, number: int = 1) -> AutogradGraph:
    graph = run_recorded(EXAMPLES / f"{example}.py", graph_of=number).recording.graph
    assert graph is not None
    return graph


def drawn(example: str, number: int = 1) -> Drawing:
    return drawing_of(Subject(graph_of(example, number), cwd=str(EXAMPLES.parent)), View())


def box(drawing: Drawing, title: str) -> Box:
    (found,) = [each for each in drawing.boxes if each.title == title]
    return found


def test_leaves_nodes_and_the_constant() -> None:
    drawing = drawn("graph")
    kinds = {each.title: each.kind for each in drawing.boxes}
    assert kinds == {
        "a": BoxKind.LEAF,
        "b": BoxKind.LEAF,
        "MulBackward0": BoxKind.OP,
        "c": BoxKind.CONSTANT,
        "AddBackward0": BoxKind.OP,
        "e = 16": BoxKind.ROOT,
    }


def test_the_chain_rule_stands_at_the_arrows_and_both_passes_in_the_boxes() -> None:
    drawing = drawn("chain_rule")
    assert [arrow.label for arrow in drawing.arrows] == ["da/dx = 3", "db/da = 1", "dc/db = 14", ""]
    assert box(drawing, "x").lines == ("value 2", "grad 42")
    assert box(drawing, "PowBackward0").lines[-2:] == ("c = 49", "grad 1")


def test_what_a_frozen_encoder_gives_is_labelled() -> None:
    encoder = box(drawn("frozen_encoder"), "encoder")
    assert encoder.kind is BoxKind.FROZEN
    assert "frozen" in encoder.lines


def test_second_order_graphs_are_drawn_and_named() -> None:
    graph = graph_of("create_graph", 2)
    inner = [node for node in graph.nodes if node.kind is NodeKind.OP]
    assert {(node.parent, node.order) for node in inner} == {("PowBackward0", 2)}
    lines = [line for each in drawn("create_graph", 2).boxes for line in each.lines]
    assert any("in the backward of PowBackward0" in line for line in lines)


@pytest.mark.parametrize(
    ("example", "value", "gradients"),
    [
        ("engine_neuron", 1.9044, {-4.968, 6.624, -0.276}),
    ],
)
def test_an_engine_of_the_programs_own_has_a_graph(example: str, value: float, gradients: set[float]) -> None:
    graph = graph_of(example)
    assert graph.loss == pytest.approx(value)
    assert {node.kind for node in graph.nodes} == {NodeKind.VALUE, NodeKind.LEAF}
    told = [leaf.incoming for leaf in graph.leaves if leaf.incoming is not None]
    for gradient in gradients:
        assert any(each == pytest.approx(gradient) for each in told), gradient
