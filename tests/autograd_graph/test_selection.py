"""The way of one leaf, what is near to a line, and what is said of those that are not there."""

from __future__ import annotations

import pytest

from gradscope.autograd_graph.drawing import View
from gradscope.autograd_graph.selection import part_of
from gradscope.errors import UsageError
from gradscope.facts.graph import AutogradGraph, Constant

from .drawn import HOME, graph, leaf, op, place


def two_layers() -> AutogradGraph:
    return graph(
        leaf("enc.0.weight"),
        op("Mm", None, 0, place=0),
        leaf("enc.0.bias"),
        op("Add", 1, 2, place=1),
        leaf("head.weight"),
        op("Mm", 3, 4, place=2),
        op("Sum", 5, place=3),
        places=(place(3, "net.enc.0"), place(4, "net.enc.0"), place(7, "net.head"), place(20)),
        modules={"net": "Net", "net.enc": "Sequential", "net.enc.0": "Linear", "net.head": "Linear"},
        constants=(Constant(1, "x", (2, 2), "float32"), Constant(6, None, (), "bool")),
    )


class TestPath:
    """`--path`."""

    def test_only_what_lies_between(self) -> None:
        part = part_of(two_layers(), View(path="enc.0.bias"))
        assert list(part.original) == [2, 3, 5, 6]
        assert [node.next for node in part.graph.nodes] == [(), (None, (0, 0)), ((1, 0), None), ((2, 0),)]
        assert part.graph.roots == ((3, 0),)
        assert [constant.node for constant in part.graph.constants] == [3]

    @pytest.mark.parametrize("name", ["head.weight", "net.head.weight"])
    def test_with_and_without_the_root_modules_name(self, name: str) -> None:
        assert list(part_of(two_layers(), View(path=name)).original) == [4, 5, 6]

    def test_the_end_of_a_name_where_only_one_ends_so(self) -> None:
        assert list(part_of(two_layers(), View(path="0.weight")).original) == [0, 1, 3, 5, 6]
        with pytest.raises(UsageError, match="2 leaves of the graph are called weight") as caught:
            part_of(two_layers(), View(path="weight"))
        assert caught.value.try_next == ("--path enc.0.weight", "--path head.weight")

    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(UsageError, match=r"no leaf called head\.wieght") as caught:
            part_of(two_layers(), View(path="head.wieght"))
        assert caught.value.try_next[0] == "--path head.weight"

    def test_a_graph_without_leaves(self) -> None:
        with pytest.raises(UsageError, match="no leaves at all"):
            part_of(graph(op("Mul", None)), View(path="w"))


class TestAround:
    """`--around`."""

    def test_steps_go_both_ways(self) -> None:
        of = two_layers()
        assert list(part_of(of, View(around=(None, 4), reach=0)).original) == [3]
        assert list(part_of(of, View(around=(None, 4), reach=1)).original) == [1, 2, 3, 5]
        assert list(part_of(of, View(around=("train.py", 4), reach=9)).original) == list(range(7))

    @pytest.mark.parametrize("path", ["train.py", "lab/train.py", "./train.py", f"{HOME}/train.py"])
    def test_a_file_is_named_by_the_end_of_its_path(self, path: str) -> None:
        assert list(part_of(two_layers(), View(around=(path, 20), reach=0), HOME).original) == [6]

    def test_a_line_without_nodes(self) -> None:
        with pytest.raises(UsageError, match="no node of the graph was made at line 6") as caught:
            part_of(two_layers(), View(around=(None, 6)), HOME)
        assert caught.value.try_next[:2] == ("--around train.py:7", "--around train.py:4")

    def test_a_file_without_nodes(self) -> None:
        with pytest.raises(UsageError, match=r"no node of the graph was made in rain\.py") as caught:
            part_of(two_layers(), View(around=("rain.py", 4)), HOME)
        assert caught.value.try_next == ("--around train.py:LINE",)

    def test_a_graph_without_lines(self) -> None:
        with pytest.raises(UsageError, match="made in any file"):
            part_of(graph(op("Mul", None)), View(around=(None, 4)))


def test_both_at_once() -> None:
    part = part_of(two_layers(), View(path="enc.0.bias", around=(None, 7), reach=1))
    assert list(part.original) == [3, 5, 6]
    assert part.words == "paths from enc.0.bias, within 1 step of line 7"


def test_the_whole_graph_is_not_copied() -> None:
    of = two_layers()
    assert part_of(of, View()).graph is of


def test_a_path_through_a_hundred_thousand_nodes() -> None:
    nodes = [leaf("w"), *[op("Mul", index) for index in range(100_000)]]
    assert len(part_of(graph(*nodes), View(path="w")).original) == 100_001
