"""Severed gradients: the lost leaves, the cut, and where the value goes on."""

from __future__ import annotations

from gradscope.autograd_graph.drawing import ArrowKind, BoxKind, Drawing, Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.facts.flow import Cut, CutKind, SeveredLeaf, Step
from gradscope.facts.graph import AutogradGraph, Constant
from gradscope.finding import Finding, Location, Severity

from .drawn import HOME, graph, leaf, op, place


def at(line: int) -> Location:
    return Location(f"{HOME}/train.py", line, 1)


BACKWARD = at(30)


def head(*constants: Constant) -> AutogradGraph:
    return graph(
        leaf("head.weight"),
        op("Mm", None, 0, place=0),
        op("MseLoss", 1, None, place=1),
        places=(place(9, "net.head"), place(20)),
        modules={"net": "Net", "net.head": "Linear"},
        constants=constants
        or (Constant(1, "h", (2, 2), "float32"), Constant(2, "target", (2, 2), "float32")),
        backward=BACKWARD,
    )


def severed(name: str, *cuts: Cut, line: int = 9, backward: Location | None = BACKWARD) -> SeveredLeaf:
    way = (
        Step(name, None),
        *(Step(cut.op, cut.location, cut=True) for cut in cuts),
        Step("linear", at(line)),
    )
    return SeveredLeaf(name, cuts, way, backward)


def found(*names: str) -> Finding:
    return Finding(
        "GS102", "severed-gradient", Severity.ERROR, "text", at(7), label="it stops here", subjects=names
    )


def drawn(graph: AutogradGraph, finding: Finding, *facts: SeveredLeaf, **view: int) -> Drawing:
    return drawing_of(Subject(graph, (finding,), "train.py", HOME, facts), View(**view))  # type: ignore[arg-type]


DETACH = Cut(CutKind.DETACH, "detach", at(7))


def test_lost_cut_and_joined() -> None:
    drawing = drawn(
        head(),
        found("enc.weight", "enc.bias", "enc.2.weight", "enc.2.bias", "enc.4.bias"),
        severed("enc.weight", DETACH),
    )
    lost, cut = drawing.boxes[:2]
    assert (lost.kind, lost.title, lost.lines) == (BoxKind.LOST, "enc.* (5 parameters)", ("no gradient",))
    assert (cut.kind, cut.title, cut.lines) == (BoxKind.CUT, "detach", ("train.py:7", "it stops here"))
    assert [(a.tail, a.head, a.label) for a in drawing.arrows if a.kind is ArrowKind.CUT] == [
        ("lost0", "cut0", ""),
        ("cut0", "n1", "h"),
    ]
    assert [one.title for one in drawing.boxes if one.kind is BoxKind.CONSTANT] == ["target"]


def test_two_constants_are_not_told_apart() -> None:
    both = head(Constant(1, "h", (2,), "float32"), Constant(1, "g", (2,), "float32"))
    drawing = drawn(both, found("w"), severed("w", DETACH))
    assert [one.title for one in drawing.boxes if one.kind is BoxKind.CONSTANT] == ["h", "g"]
    assert drawing.arrows[1].label == ""


def test_an_index_is_no_severed_value() -> None:
    of = head(Constant(1, "h", (2,), "float32"), Constant(1, "i", (2,), "int64"))
    assert drawn(of, found("w"), severed("w", DETACH)).arrows[1].label == "h"


def test_several_cuts_on_the_way() -> None:
    item = Cut(CutKind.PYTHON_NUMBER, "item", at(8), resumed=at(9))
    drawing = drawn(head(), found("w"), severed("w", DETACH, item))
    assert [(one.id, one.title) for one in drawing.boxes[:3]] == [
        ("lost0", "w"),
        ("cut0", "detach"),
        ("cut0_1", "item"),
    ]
    assert drawing.boxes[2].lines == ("train.py:8", "goes on at train.py:9")
    assert [(a.tail, a.head) for a in drawing.arrows[:3]] == [
        ("lost0", "cut0"),
        ("cut0", "cut0_1"),
        ("cut0_1", "n1"),
    ]


def test_closed_modules() -> None:
    drawing = drawn(head(), found("w"), severed("w", DETACH), depth=0)
    assert ("cut0", "g0") in [(a.tail, a.head) for a in drawing.arrows]


def test_where_the_value_joins_is_not_always_known() -> None:
    drawing = drawn(head(), found("w"), severed("w", DETACH, line=77))
    assert [(a.tail, a.head) for a in drawing.arrows if a.kind is ArrowKind.CUT] == [("lost0", "cut0")]


def test_without_the_facts_the_finding_tells() -> None:
    drawing = drawn(head(), found("w"))
    assert [(one.kind, one.lines) for one in drawing.boxes[:2]] == [
        (BoxKind.LOST, ("no gradient",)),
        (BoxKind.CUT, ("train.py:7", "it stops here")),
    ]


def test_another_backward_is_another_picture() -> None:
    drawing = drawn(head(), found("w"), severed("w", DETACH, backward=at(44)))
    assert not [one for one in drawing.boxes if one.kind in (BoxKind.CUT, BoxKind.LOST)]


def test_a_stop_without_a_finding_is_meant() -> None:
    drawing = drawing_of(Subject(head(), (), "train.py", HOME, (severed("w", DETACH),)), View())
    assert not [one for one in drawing.boxes if one.kind in (BoxKind.CUT, BoxKind.LOST)]
