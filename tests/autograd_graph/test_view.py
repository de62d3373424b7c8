"""Drawings of hand-made graphs: depth, folding, colours, findings, names that could break a picture."""

from __future__ import annotations

import math

import pytest

from gradscope.autograd_graph.drawing import WHOLE, BoxKind, Colour, Mark, Subject, View
from gradscope.autograd_graph.opening import PAGE
from gradscope.autograd_graph.view import drawing_of
from gradscope.facts.graph import AutogradGraph, Constant, Definition, GraphNode, NodeKind, SavedTensor
from gradscope.finding import Finding, Location, Related, Severity

from .drawn import HOME, between, box, frames, graph, leaf, op, picture, place, titles

HOSTILE = '<b>&"{|}[/red]\n'


def layers(count: int) -> AutogradGraph:
    """`count` layers of other widths, of 10 nodes each."""
    nodes: list[GraphNode] = []
    modules, places = {"net": "Net"}, []
    for number in range(count):
        modules[f"net.{number}"] = "Layer"
        places.append(place(4, f"net.{number}"))
        shape = (2, number + 1)
        weight = len(nodes)
        nodes.append(leaf(f"{number}.weight", float(number + 1), shape=shape))
        for step in range(9):
            inputs = (weight,) if step == 0 else (len(nodes) - 1,)
            before = (weight - 1, 0) if step == 1 and weight else None
            nodes.append(op(f"Step{step}", *inputs, before, place=number, shapes=(shape,), incoming=2.0))
    return graph(*nodes, places=tuple(places), modules=modules)


class TestDepth:
    """How far modules are open."""

    def test_what_fits_on_a_page_is_open(self) -> None:
        assert len(picture(layers(3)).boxes) == 31

    def test_more_is_closed(self) -> None:
        drawing = picture(layers(20))
        assert titles(drawing) == [*(f"{number} (Layer)" for number in range(20)), "output"]
        assert {one.kind for one in drawing.boxes[:-1]} == {BoxKind.GROUP}

    def test_what_does_not_fit_either_is_closed_too(self) -> None:
        assert titles(picture(layers(PAGE + 1))) == ["net (Net)", "output"]

    def test_as_asked_for(self) -> None:
        assert [len(picture(layers(20), depth=depth).boxes) for depth in (0, 1, 2, WHOLE)] == [
            2,
            21,
            201,
            201,
        ]

    def test_a_closed_module_says_what_it_holds(self) -> None:
        first = picture(layers(20)).boxes[0]
        assert first.lines == ("10 nodes, 2 parameters", "|grad| 1.0e+00")
        assert first.nodes == tuple(range(10))

    def test_arrows_between_closed_modules(self) -> None:
        drawing = picture(layers(20))
        assert [(a.tail, a.head, a.count) for a in drawing.arrows[:2]] == [("g1", "g2", 1), ("g2", "g3", 1)]
        assert len(drawing.arrows) == 20


def chain(count: int, *, module: str | None = None) -> AutogradGraph:
    nodes = [leaf("w", parameter=False)]
    for _ in range(count):
        before = len(nodes) - 1
        nodes += [op("Mul", before, 0, place=0), op("Add", before + 1, None, place=1)]
    places = (place(5, module, column=3), place(5, module, "x", expression="x * w + 1"))
    return graph(*nodes, places=places, modules={module: "Cell"} if module else {})


class TestLoops:
    """Turns of a loop."""

    def test_a_loop_is_one_turn_and_an_arrow_back(self) -> None:
        drawing = picture(chain(2_000))
        assert titles(drawing) == ["w", "MulBackward0 x 2,000", "AddBackward0 x 2,000", "x"]
        assert between(drawing, "AddBackward0 x 2,000", "MulBackward0 x 2,000").label == "x1,999"
        assert between(drawing, "MulBackward0 x 2,000", "AddBackward0 x 2,000").label == ""
        assert len(drawing.boxes[1].nodes) == 2_000

    def test_a_module_called_again_and_again(self) -> None:
        drawing = picture(chain(2_000, module="cell"))
        assert frames(drawing) == ["cell (Cell) x 2,000  train.py:5"]
        assert titles(drawing)[1:3] == ["MulBackward0", "AddBackward0"]
        closed = picture(chain(2_000, module="cell"), depth=0)
        assert between(closed, "cell (Cell) x 2,000", "cell (Cell) x 2,000").label == "x1,999"

    def test_a_closed_line(self) -> None:
        closed = picture(chain(2_000), depth=0)
        assert box(closed, "train.py:5 x 2,000").lines[:2] == ("x = x * w + 1", "4,000 nodes")

    def test_a_short_loop_is_drawn_turn_by_turn(self) -> None:
        assert len(picture(chain(10)).boxes) == 22

    def test_nothing_is_folded_where_that_is_not_wanted(self) -> None:
        assert len(picture(chain(2_000), depth=WHOLE, fold=False).boxes) == 4_002

    @pytest.mark.parametrize(
        "view", [{}, {"depth": 0}, {"depth": WHOLE}, {"path": "w"}, {"depth": WHOLE, "fold": False}]
    )
    def test_a_hundred_thousand_nodes(self, view: dict[str, object]) -> None:
        drawing = picture(chain(50_000), **view)
        assert sum(len(one.nodes) for one in drawing.boxes) == 100_001

    def test_a_hundred_thousand_nodes_without_lines(self) -> None:
        nodes = [op("Mul" if index % 2 else "Add", index - 1 if index else None) for index in range(100_000)]
        assert titles(picture(graph(*nodes)))[:2] == ["AddBackward0 x 50,000", "MulBackward0 x 50,000"]

    def test_turns_that_are_never_alike(self) -> None:
        nodes = [
            op(f"Op{index % 7 * index % 5}", index - 1 if index else None, place=index * index % 11)
            for index in range(5_000)
        ]
        places = tuple(place(line + 1, function="run") for line in range(11))
        assert len(picture(graph(*nodes, places=places)).boxes) <= PAGE


def test_blocks_and_what_differs_between_them() -> None:
    nodes: list[GraphNode] = []
    modules, places = {"net": "Net"}, []
    for number in range(10):
        modules[f"net.{number}"] = "Block"
        places.append(place(4, f"net.{number}"))
        nodes.append(leaf(f"{number}.weight", 10.0**-number))
        nodes.append(op("Mm", len(nodes) - 2 if number else None, len(nodes) - 1, place=number))
        nodes += [op("Tanh", len(nodes) - 1 + step, place=number, incoming=1.0) for step in range(5)]
    drawing = picture(graph(*nodes, places=tuple(places), modules=modules))
    assert frames(drawing) == ["net (Net)  train.py:4", "10 x Block: 0 to 9"] or frames(drawing) == [
        "10 x Block: net.0 to net.9  train.py:4"
    ]
    weight = box(drawing, "weight")
    assert weight.lines[-1] == "|grad| 1.0e-09 to 1.0e+00"
    assert len(weight.nodes) == 10


class TestColours:
    """The scale, and what stands out."""

    def net(self) -> AutogradGraph:
        saved = (
            SavedTensor("self", (4,), "float32", 16),
            SavedTensor("other", (2,), "float32", 8, shared=True),
        )
        return graph(
            leaf("a", math.nan),
            leaf("b", 0.0),
            op("Mul", 0, 1, place=0, incoming=2.0, seconds=2e-3, saved=saved),
            op("Sum", 2, place=0, incoming=1.0, seconds=1e-3, shapes=((),)),
            places=(place(3),),
        )

    def test_gradients(self) -> None:
        drawing = picture(self.net())
        assert [(one.heat, one.mark) for one in drawing.boxes] == [
            (1.0, Mark.NONFINITE),
            (0.0, Mark.ZERO),
            (1.0, None),
            (0.0, None),
            (None, None),
        ]
        assert drawing.scale is not None
        assert (drawing.scale.low, drawing.scale.high) == ("1.0e+00", "2.0e+00")
        assert [one.lines[-1] for one in drawing.boxes[:2]] == ["|grad| nan", "|grad| 0"]

    def test_time(self) -> None:
        drawing = picture(self.net(), colour=Colour.TIME)
        assert [one.heat for one in drawing.boxes] == [None, None, 1.0, 0.0, None]
        assert box(drawing, "MulBackward0").lines[-1] == "2.0 ms"
        assert all(one.mark is None for one in drawing.boxes)

    def test_bytes(self) -> None:
        drawing = picture(self.net(), colour=Colour.BYTES)
        assert box(drawing, "MulBackward0").lines[-1] == "16 bytes saved"
        assert drawing.scale is not None
        assert drawing.scale.title == "bytes saved for the backward"

    def test_none(self) -> None:
        drawing = picture(self.net(), colour=Colour.NONE)
        assert drawing.scale is None
        assert all(one.heat is None for one in drawing.boxes)


def finding(code: str, location: Location | None, **more: object) -> Finding:
    return Finding(code, "some-rule", Severity.ERROR, "text", location, **more)  # type: ignore[arg-type]


class TestFindings:
    """Which boxes they mark."""

    def of(self) -> AutogradGraph:
        places = (place(3, column=5, end_column=9), place(3, column=5, end_column=20), place(4))
        return graph(
            leaf("w"), op("Exp", 0, place=0), op("Sqrt", 1, place=1), op("Sum", 2, place=2), places=places
        )

    def marked(self, *findings: Finding, **view: object) -> list[str]:
        drawing = drawing_of(Subject(self.of(), findings, "train.py", HOME), View(**view))  # type: ignore[arg-type]
        assert all(bool(one.codes) == (one.severity is not None) for one in drawing.boxes)
        return [one.title for one in drawing.boxes if one.codes]

    def test_the_expression_itself(self) -> None:
        where = Location(f"{HOME}/train.py", 3, 5, 3, 20)
        assert self.marked(finding("GS401", where)) == ["SqrtBackward0"]

    def test_the_line_where_no_column_is_known(self) -> None:
        where = Location(f"{HOME}/train.py", 3)
        assert self.marked(finding("GS401", where)) == ["ExpBackward0", "SqrtBackward0"]

    def test_a_line_without_nodes_is_told_by_its_related_lines(self) -> None:
        related = (Related(Location(f"{HOME}/train.py", 4), "saved here"),)
        where = Location(f"{HOME}/train.py", 9)
        assert self.marked(finding("GS201", where, related=related)) == ["SumBackward0"]

    def test_else_the_leaves_that_are_named(self) -> None:
        assert self.marked(finding("GS404", None, subjects=("w", "v"))) == ["w"]

    def test_another_file_marks_nothing(self) -> None:
        assert self.marked(finding("GS401", Location(f"{HOME}/other.py", 3))) == []

    def test_a_closed_box_shows_what_is_inside(self) -> None:
        where = Location(f"{HOME}/train.py", 4)
        assert self.marked(finding("GS401", where), depth=0) == ["train.py"]


class TestKinds:
    """Nodes that are no ops of torch."""

    def test_custom_functions_and_ops(self) -> None:
        own = Definition("Round", Location(f"{HOME}/ops.py", 31))
        of = AutogradGraph(
            (
                GraphNode("RoundBackward", NodeKind.CUSTOM, (None,), definition=0),
                GraphNode(
                    "GeneratedBackwardFor_mylib_foo_defaultBackward", NodeKind.CUSTOM, ((0, 0),), definition=1
                ),
            ),
            definitions=(own, Definition("mylib::foo", None)),
        )
        first, second = picture(of).boxes
        assert (first.kind, first.title, first.lines) == (
            BoxKind.CUSTOM,
            "RoundBackward",
            ("backward of Round: ops.py:31",),
        )
        assert (second.title, second.lines) == ("mylib::foo", ("custom op",))

    def test_values_of_an_engine(self) -> None:
        of = AutogradGraph(
            (
                GraphNode(
                    "AccumulateGrad", NodeKind.LEAF, (), leaf="x", value=2.0, incoming=7.0, shapes=((),)
                ),
                GraphNode(
                    "+", NodeKind.VALUE, ((0, 0), (0, 0)), value=4.0, incoming=1.0, outgoing=(1.0, 1.0)
                ),
            ),
            roots=((1, 0),),
            small=True,
        )
        drawing = picture(of)
        assert [(one.kind, one.title, one.lines) for one in drawing.boxes[:2]] == [
            (BoxKind.LEAF, "x", ("value 2", "grad 7")),
            (BoxKind.VALUE, "+", ("value 4", "grad 1")),
        ]
        assert drawing.arrows[0].label == "d/dx = 1 + 1"

    def test_many_roots_are_one_box(self) -> None:
        nodes = [op("Sin", None) for _ in range(12)]
        drawing = picture(AutogradGraph(tuple(nodes), roots=tuple((index, 0) for index in range(12))))
        assert drawing.boxes[-1].title == "12 outputs"
        assert len(drawing.arrows) == 12

    def test_constants_of_closed_modules_are_not_drawn(self) -> None:
        of = layers(20)
        constant = (
            Constant(1, "x", (2, 2), "float32"),
            Constant(1, "0.frozen", (2,), "float32", frozen=True),
        )
        of = AutogradGraph(of.nodes, of.places, constants=constant, roots=of.roots, modules=of.modules)
        assert {one.kind for one in picture(of).boxes} == {BoxKind.GROUP, BoxKind.ROOT}
        kinds = [(one.kind, one.title) for one in picture(of, depth=WHOLE).boxes[1:3]]
        assert kinds == [(BoxKind.CONSTANT, "x"), (BoxKind.FROZEN, "frozen")]


def test_names_from_anywhere() -> None:
    """They come through as they are, short enough for a box; what they may not do is up to each format."""
    long = "x" * 10_000
    of = graph(
        leaf(HOSTILE),
        leaf(long),
        op(HOSTILE, 0, 1, place=0),
        op("Sum", 2, place=1),
        places=(
            place(3, f"net.{HOSTILE}", HOSTILE, expression=f"f({long})"),
            place(4, function="<lambda>", expression='"\\n'),
        ),
        modules={"net": long, f"net.{HOSTILE}": HOSTILE},
    )
    for view in ({}, {"depth": 0}, {"depth": 1}, {"path": HOSTILE}):
        drawing = picture(of, **view)
        texts = [text for one in drawing.boxes for text in (one.title, *one.lines)]
        texts += [cluster.title for cluster in drawing.clusters]
        assert max(map(len, texts)) < 200
        assert all(one.id.isidentifier() for one in (*drawing.boxes, *drawing.clusters))


def test_an_empty_graph() -> None:
    drawing = picture(AutogradGraph(()))
    assert (drawing.boxes, drawing.arrows, drawing.clusters) == ((), (), ())
    assert drawing.lines == ("0 nodes",)


def test_what_was_not_seen_is_said() -> None:
    of = AutogradGraph((op("Sin", None),), notes=("how to read",), not_seen=("the constants of 3 ops",))
    assert picture(of).notes == ("how to read", "not seen: the constants of 3 ops")


def test_the_same_graph_is_drawn_the_same() -> None:
    assert picture(layers(20)) == picture(layers(20))
