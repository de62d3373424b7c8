"""What a graph keeps, added up: every storage once, by module, line and tensor."""

from __future__ import annotations

from gradscope.facts import ModuleMemory
from gradscope.finding import Location
from gradscope.folds.kept_graph import KeptGraph, KeptNode, KeptPlace, KeptTensor, users_of
from gradscope.folds.kept_rows import KeptRows

SIZES = {0: 100, 1: 10, 2: 1, 3: 0}
PLACES = (
    KeptPlace(Location("net.py", 1, 5, module="a"), "net.a"),
    KeptPlace(Location("net.py", 1, 9, module="b"), "net.b"),
    KeptPlace(Location("net.py", 2), "net.b.<Odd>"),
)


def node(op: str, place: int, *saved: int, shape: tuple[int, ...] = (2,)) -> KeptNode:
    tensors = tuple(KeptTensor("self", shape, "float32", (number,)) for number in saved)
    return KeptNode(op, (), tensors, place)


def rows(*nodes: KeptNode) -> KeptRows:
    return KeptRows(KeptGraph(nodes, PLACES), SIZES.__getitem__)


def test_a_storage_counts_where_it_is_first() -> None:
    kept = rows(node("A", 0, 0), node("A", 1, 0, 1), node("B", 2, 2, 3))
    assert kept.saved == 111
    classes = {"net": "Net", "net.a": "Linear", "net.b": "Block", "net.c": "Linear"}
    assert kept.modules(classes) == (
        ModuleMemory("net", "Net", 111, 0),
        ModuleMemory("net.a", "Linear", 100, 100),
        ModuleMemory("net.b", "Block", 11, 10),
        ModuleMemory("net.b.<Odd>", "Odd", 1, 1),
    )


def test_lines_know_no_module() -> None:
    kept = rows(node("A", 0, 0), node("B", 1, 1), node("B", 2, 2))
    first, second = kept.lines()
    assert (first.location.line, first.saved, first.tensors, first.ops) == (1, 110, 2, ("A", "B"))
    assert first.location.module is None
    assert second.saved == 1


def test_equal_tensors_are_one_row() -> None:
    kept = rows(node("A", 0, 0), node("A", 1, 1), node("A", 1, 2, shape=(3,)))
    first, second = (row.fact() for row in kept.rows())
    assert (first.size, first.count, first.modules) == (110, 2, ("net.a", "net.b"))
    assert (second.size, second.shape) == (1, (3,))


def test_a_node_without_a_place_counts() -> None:
    kept = rows(node("A", -1, 0))
    assert kept.saved == 100
    assert kept.lines() == ()
    assert kept.modules({}) == ()
    assert kept.rows()[0].fact().location is None


def test_users() -> None:
    leaf = KeptNode("AccumulateGrad", ())
    square = KeptNode("MulBackward0", ((0, 0), (0, 0)))
    assert users_of((leaf, square)) == {0: (1, 1)}
