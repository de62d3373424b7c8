"""Where nodes of a name occur in a graph."""

from __future__ import annotations

from gradscope.facts.graph import AutogradGraph, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.formulas.uses import uses_of

AT_4 = Location("/p/net.py", 4)
GRAPH = AutogradGraph(
    nodes=(
        GraphNode("AccumulateGrad", NodeKind.LEAF, (), shapes=((3,),), leaf="h.0.weight"),
        GraphNode("AccumulateGrad", NodeKind.LEAF, (), shapes=((3,),), leaf="h.1.weight"),
        GraphNode("MulBackward0", NodeKind.OP, ((0, 0),), place=0, shapes=((2, 3),)),
        GraphNode("MulBackward0", NodeKind.OP, ((1, 0),), place=1, shapes=((2, 3),)),
        GraphNode("MulBackward0", NodeKind.OP, ((3, 0),), place=1, shapes=((2, 3),)),
        GraphNode("MulBackward0", NodeKind.OP, ((3, 0),), place=2, shapes=((),)),
        GraphNode("MulBackward0", NodeKind.OP, ((3, 0),), shapes=((5,),)),
        GraphNode("SumBackward0", NodeKind.OP, ((4, 0),), place=2, shapes=((),)),
    ),
    places=(
        GraphPlace(AT_4, "net.h.0", expression="x * self.weight"),
        GraphPlace(AT_4, "net.h.1", expression="x * self.weight"),
        GraphPlace(Location("/p/net.py", 9), None, expression="y * y"),
    ),
)


def test_a_line_is_told_once_with_its_modules() -> None:
    first, second, third = uses_of(GRAPH, ["MulBackward0"])
    assert (first.location, first.count, first.shapes) == (AT_4, 3, ((2, 3),))
    assert first.modules == ("net.h.0", "net.h.1")
    assert first.expression == "x * self.weight"
    assert (second.count, second.shapes, second.modules) == (1, ((),), ())
    assert (third.location, third.shapes) == (None, ((5,),))


def test_leaves_have_their_names() -> None:
    [leaves] = uses_of(GRAPH, ["AccumulateGrad"])
    assert leaves.leaves == ("h.0.weight", "h.1.weight")
    assert leaves.count == 2


def test_several_names_in_the_order_of_the_forward() -> None:
    assert [use.node for use in uses_of(GRAPH, ["SumBackward0", "AccumulateGrad"])] == [
        "AccumulateGrad",
        "SumBackward0",
    ]
    assert uses_of(GRAPH, ["ExpBackward0"]) == ()
