"""Equal parts drawn once: blocks, modules that alternate, loops."""

from __future__ import annotations

from collections.abc import Callable

from gradscope.autograd_graph.blocks import fold_blocks
from gradscope.autograd_graph.loops import fold_loops
from gradscope.autograd_graph.modules import tree_of
from gradscope.facts.graph import AutogradGraph, GraphNode

from .drawn import HOME, graph, leaf, op, place


def stack(
    count: int, *, odd: int | None = None, extra: Callable[[int], tuple[int, ...]] | None = None
) -> AutogradGraph:
    """`count` numbered Linear-like modules, one after the other; that with the number `odd` is wider."""
    nodes: list[GraphNode] = []
    places, modules = [], {"m": "Net", "m.h": "ModuleList"}
    last: int | None = None
    for number in range(count):
        modules[f"m.h.{number}"] = "Block"
        places.append(place(5, f"m.h.{number}"))
        shape = ((4, 4),) if number == odd else ((2, 2),)
        weight = len(nodes)
        nodes.append(leaf(f"h.{number}.weight", shape=shape[0]))
        more = extra(number) if extra else ()
        nodes.append(
            op("Mm", (last, 0) if last is not None else None, weight, *more, place=number, shapes=shape)
        )
        last = len(nodes) - 1
    return graph(*nodes, places=tuple(places), modules=modules)


def runs(of: AutogradGraph) -> list[tuple[list[str], int, str]]:
    tree = tree_of(of, HOME)
    found = {id(run): run for run in fold_blocks(of, tree).runs.values()}
    return [
        ([tree.groups[g].name for g in run.groups], run.turns, tree.groups[run.last].name)
        for run in found.values()
    ]


class TestBlocks:
    """Numbered neighbours."""

    def test_equal_blocks_are_one(self) -> None:
        of = stack(12)
        folds = fold_blocks(of, tree_of(of, HOME))
        assert runs(of) == [(["0"], 12, "11")]
        assert folds.shown == [0, 1] * 12
        assert folds.shown_groups == [0, 1, *[2] * 12]

    def test_two_are_too_few(self) -> None:
        assert runs(stack(2)) == []

    def test_another_shape_stays_apart(self) -> None:
        assert runs(stack(9, odd=5)) == [(["0"], 5, "4"), (["6"], 3, "8")]

    def test_an_edge_more_stays_apart(self) -> None:
        assert runs(stack(8, extra=lambda number: (2 * number,) if number == 4 else ())) == [
            (["0"], 4, "3"),
            (["5"], 3, "7"),
        ]

    def test_edges_from_outside_may_lead_anywhere(self) -> None:
        shared = leaf("shift", parameter=False)
        of = stack(6)
        nodes = [shared]
        for number, node in enumerate(of.nodes):
            edges = [edge and (edge[0] + 1, 0) for edge in node.next]
            far = (0 if number < 6 else 1 + number // 2, 0)
            nodes.append(op("Mm", *edges, far, place=node.place) if edges else node)
        assert runs(graph(*nodes, places=of.places, modules=of.modules)) == [(["0"], 6, "5")]

    def test_names_without_numbers_play_different_parts(self) -> None:
        modules = {"m": "Attention", "m.query": "Linear", "m.key": "Linear", "m.value": "Linear"}
        nodes: list[GraphNode] = []
        for name in ("query", "key", "value"):
            nodes += [leaf(f"{name}.weight"), op("Mm", len(nodes), None, place=len(nodes) // 2)]
        places = tuple(place(4, f"m.{name}") for name in ("query", "key", "value"))
        assert runs(graph(*nodes, op("Stack", 1, 3, 5), places=places, modules=modules)) == []

    def test_modules_that_alternate(self) -> None:
        modules, places, nodes = {"net": "Sequential"}, [], []
        for number in range(8):
            modules[f"net.{number}"] = "Tanh" if number % 2 else "Linear"
            places.append(place(9, f"net.{number}"))
            before = len(nodes) - 1
            if number % 2:
                nodes.append(op("Tanh", before, place=number))
            else:
                nodes.append(leaf(f"{number}.weight"))
                nodes.append(op("Mm", before if number else None, len(nodes) - 1, place=number))
        assert runs(graph(*nodes, places=tuple(places), modules=modules)) == [(["0", "1"], 4, "7")]

    def test_blocks_in_blocks(self) -> None:
        modules, places, nodes = {"m": "Net"}, [], []
        for outer in range(3):
            modules[f"m.{outer}"] = "Stage"
            for inner in range(4):
                modules[f"m.{outer}.{inner}"] = "Act"
                places.append(place(3, f"m.{outer}.{inner}"))
                nodes.append(op("Exp", len(nodes) - 1 if nodes else None, place=len(places) - 1))
        of = graph(*nodes, places=tuple(places), modules=modules)
        assert sorted(runs(of)) == [(["0"], 3, "2"), (["0"], 4, "3")]
        folds = fold_blocks(of, tree_of(of, HOME))
        assert set(folds.shown) == {0}
        assert set(folds.shown_groups) == {0, 1, 2}

    def test_another_class_stays_apart(self) -> None:
        of = stack(6)
        modules = {**of.modules, "m.h.2": "OtherBlock"}
        assert runs(graph(*of.nodes, places=of.places, modules=modules)) == [(["3"], 3, "5")]


def folded(of: AutogradGraph) -> list[int]:
    tree = tree_of(of, HOME)
    return fold_loops(of, tree, fold_blocks(of, tree)).shown


class TestLoops:
    """What one place makes again and again."""

    def test_a_loop_is_one_turn(self) -> None:
        nodes = [leaf("w")]
        for _ in range(50):
            before = len(nodes) - 1
            nodes += [op("Mul", before, 0, place=0), op("Add", before + 1, None, place=1)]
        of = graph(*nodes, op("Sum", len(nodes) - 1, place=2), places=(place(4), place(4), place(6)))
        assert folded(of) == [0, *[1, 2] * 50, 101]

    def test_three_turns_are_drawn_as_they_are(self) -> None:
        of = graph(*[op("Mul", i - 1 if i else None, place=0) for i in range(3)], places=(place(4),))
        assert folded(of) == [0, 1, 2]

    def test_other_shapes_are_other_ops(self) -> None:
        nodes = [op("Cat", i - 1 if i else None, place=0, shapes=((i,),)) for i in range(20)]
        assert folded(graph(*nodes, places=(place(4),))) == list(range(20))

    def test_many_other_shapes_at_one_place_are_one_box(self) -> None:
        nodes = [op("Cat", i - 1 if i else None, place=0, shapes=((i,),)) for i in range(40)]
        assert set(folded(graph(*nodes, places=(place(4),)))) == {0}

    def test_what_each_turn_takes_one_of(self) -> None:
        nodes: list[GraphNode] = []
        for index in range(6):
            nodes.append(leaf(f"ws[{index}]", parameter=False))
            nodes.append(op("Mm", 2 * index - 1 if index else None, 2 * index, place=0))
        assert folded(graph(*nodes, places=(place(4),))) == [0, 1] * 6

    def test_leaves_of_other_shapes_or_used_twice_stay_apart(self) -> None:
        nodes: list[GraphNode] = [leaf(f"ws[{i}]", shape=(i, 2), parameter=False) for i in range(5)]
        nodes += [op("Mm", None if not i else 4 + i, i, place=0) for i in range(5)]
        assert folded(graph(*nodes, places=(place(4),)))[:5] == [0, 1, 2, 3, 4]

    def test_a_cell_that_holds_modules(self) -> None:
        modules = {"m": "Net", "m.cell": "Cell", "m.cell.lin": "Linear"}
        places = (place(3, "m.cell.lin"), place(4, "m.cell"))
        nodes = [leaf("cell.lin.weight")]
        for _ in range(10):
            before = len(nodes) - 1
            nodes += [op("Mm", before if before else None, 0, place=0), op("Tanh", len(nodes), place=1)]
        of = graph(*nodes, places=places, modules=modules)
        assert folded(of) == [0, *[1, 2] * 10]

    def test_nodes_whose_line_is_not_known(self) -> None:
        nodes = [op("Mul" if i % 2 else "Add", i - 1 if i else None) for i in range(30)]
        assert folded(graph(*nodes)) == [0, 1] * 15
