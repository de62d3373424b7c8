"""The tree of groups, and what the groups come to."""

from __future__ import annotations

import pytest

from gradscope.autograd_graph.modules import OUTSIDE, GroupKind, tree_of
from gradscope.facts.graph import SavedTensor

from .drawn import HOME, graph, leaf, op, place

MODULES = {
    "model": "GPT",
    "model.h": "ModuleList",
    "model.h.0": "Block",
    "model.h.0.attn": "Attention",
    "model.ln_f": "LayerNorm",
}


def transformer():
    """model > h > 0 > attn, ln_f; the loss is computed by the script."""
    places = (
        place(5, "model.h.0.attn"),
        place(6, "model.h.0"),
        place(9, "model.ln_f"),
        place(20, variable="loss"),
    )
    return graph(
        leaf("h.0.attn.weight", 3.0),
        op("Mm", 0, None, place=0, incoming=5.0, seconds=1e-3),
        leaf("h.0.bias", 4.0, shape=(2,)),
        op("Add", 1, 2, place=1, incoming=6.0, saved=(SavedTensor("self", (2,), "float32", 8),)),
        op("Tanh", 3, place=2, incoming=7.0, seconds=2e-3),
        op("Sum", 4, place=3, shapes=((),), incoming=1.0),
        places=places,
        modules=MODULES,
    )


def test_modules_stand_in_modules_in_the_order_of_the_forward() -> None:
    tree = tree_of(transformer(), HOME)
    assert [(g.path, g.class_name, g.level, g.parent, g.end) for g in tree.groups] == [
        ("model", "GPT", 0, OUTSIDE, 5),
        ("model.h", "ModuleList", 1, 0, 4),
        ("model.h.0", "Block", 2, 1, 4),
        ("model.h.0.attn", "Attention", 3, 2, 4),
        ("model.ln_f", "LayerNorm", 1, 0, 5),
    ]
    assert list(tree.group_of) == [3, 3, 2, 2, 4, OUTSIDE]
    assert tree.top == (0,)
    assert tree.loose == (5,)
    assert tree.around(3) == [3, 2, 1, 0]


def test_figures_are_those_of_all_that_is_inside() -> None:
    model, _, block, attention, norm = tree_of(transformer(), HOME).groups
    assert (model.size, model.parameters, model.saved_bytes) == (5, 6, 8)
    assert model.seconds == pytest.approx(3e-3)
    assert model.norm == pytest.approx(5.0)  # of both parameters: 3 and 4
    assert (block.size, block.parameters, attention.norm) == (4, 6, 3.0)
    assert norm.parameters == 0
    assert norm.norm == 7.0  # the gradient that enters it


def test_the_gradient_that_enters_counts_each_output_once() -> None:
    made = graph(
        op("Mul", None, place=0, incoming=3.0),
        op("Exp", 0, place=0, incoming=4.0),
        op("Add", 0, 1, place=1, incoming=1.0),
        op("Sub", 1, 2, place=1, incoming=1.0),
        places=(place(3, "m.act"), place(4, "m")),
        modules={"m": "Net", "m.act": "Act"},
    )
    act = tree_of(made, HOME).groups[1]
    assert act.path == "m.act"
    assert act.norm == pytest.approx(5.0)


def test_several_nodes_of_a_line_are_a_group_and_one_is_none() -> None:
    made = graph(
        op("Mul", None, place=0),
        op("Add", 0, place=0),
        op("Exp", 1, place=1),
        places=(place(3, "m"), place(4, "m")),
        modules={"m": "Net"},
    )
    tree = tree_of(made, HOME)
    assert [(g.kind, g.name, g.nodes) for g in tree.groups] == [
        (GroupKind.MODULE, "m", (2,)),
        (GroupKind.LINE, "train.py:3", (0, 1)),
    ]


def test_the_only_line_of_a_module_is_no_group() -> None:
    made = graph(op("Mul", None, place=0), op("Add", 0, place=0), places=(place(3, "m"),), modules={"m": "N"})
    assert [g.kind for g in tree_of(made, HOME).groups] == [GroupKind.MODULE]


def test_outside_modules_functions_hold_lines() -> None:
    places = (place(3, function="loss_of"), place(4, function="loss_of"), place(9))
    made = graph(
        op("Mul", None, place=0),
        op("Add", 0, place=0),
        op("Exp", 1, place=1),
        op("Sum", 2, place=2),
        places=places,
    )
    tree = tree_of(made, HOME)
    assert [(g.kind, g.name, g.size) for g in tree.groups] == [
        (GroupKind.FUNCTION, "loss_of in train.py", 3),
        (GroupKind.LINE, "train.py:3", 2),
    ]
    assert tree.loose == (3,)


def test_a_loop_at_one_line_is_one_group() -> None:
    nodes = [op("Mul", index - 1 if index else None, place=0) for index in range(5_000)]
    tree = tree_of(graph(*nodes, places=(place(12),)), HOME)
    assert [(g.kind, g.name, g.size) for g in tree.groups] == [(GroupKind.LINE, "train.py:12", 5_000)]


def test_nodes_without_a_line_are_grouped_by_name_where_they_are_many() -> None:
    nodes = [op("Mul" if index % 2 else "Add", index - 1 if index else None) for index in range(40)]
    tree = tree_of(graph(*nodes), HOME)
    assert {(g.kind, g.name, g.size) for g in tree.groups} == {
        (GroupKind.NAME, "MulBackward0", 20),
        (GroupKind.NAME, "AddBackward0", 20),
    }
    assert tree_of(graph(op("Mul", None), op("Add", 0)), HOME).groups == ()


class TestLeaves:
    """Whose a leaf is."""

    def test_of_several_roots_the_name_begins_with_the_root(self) -> None:
        made = graph(
            leaf("gen.0.weight"),
            op("Mm", 0, place=0),
            leaf("disc.scale"),
            op("Mul", 1, 2, place=1),
            places=(place(1, "gen.0"), place(2, "disc")),
            modules={"gen": "Sequential", "gen.0": "Linear", "disc": "Disc"},
        )
        tree = tree_of(made, HOME)
        assert [tree.groups[g].path for g in tree.group_of] == ["gen.0", "gen.0", "disc", "disc"]

    def test_a_root_named_as_its_child(self) -> None:
        made = graph(
            leaf("h.weight"),
            op("Mm", 0, place=0),
            places=(place(1, "h.h"),),
            modules={"h": "Net", "h.h": "Linear"},
        )
        tree = tree_of(made, HOME)
        assert tree.groups[tree.group_of[0]].path == "h.h"

    def test_a_bare_name_is_the_roots_where_the_root_uses_it(self) -> None:
        made = graph(
            leaf("scale"),
            leaf("w"),
            op("Mul", 0, None, place=0),
            op("Mul", 1, 2, place=1),
            places=(place(1, "m"), place(9)),
            modules={"m": "Net"},
        )
        tree = tree_of(made, HOME)
        assert list(tree.group_of) == [0, OUTSIDE, 0, OUTSIDE]

    def test_no_parameter_belongs_to_no_module(self) -> None:
        made = graph(
            leaf("h.weight", parameter=False), op("Mm", 0, place=0), places=(place(1, "m.h"),),
            modules={"m": "Net", "m.h": "Linear"},
        )  # fmt: skip
        assert tree_of(made, HOME).group_of[0] == OUTSIDE

    def test_many_of_one_name_are_a_group(self) -> None:
        leaves = [leaf(f"ws[{index}]") for index in range(20)]
        tree = tree_of(graph(*leaves, leaf("bias"), op("Stack", *range(21))), HOME)
        assert [(g.kind, g.name, g.size, g.parameters) for g in tree.groups] == [
            (GroupKind.LEAVES, "ws[0] to ws[19]", 20, 80)
        ]


def test_names_with_dots_in_them_belong_to_the_longest_known_module() -> None:
    made = graph(
        op("Mul", None, place=0),
        places=(place(1, "m.a.b.c"),),
        modules={"m": "M", "m.a.b": "X", "m.a.b.c": "Y"},
    )
    tree = tree_of(made, HOME)
    assert [(g.name, g.parent) for g in tree.groups] == [("m", OUTSIDE), ("a.b", 0), ("c", 1)]


def test_thousands_of_modules_in_one_another() -> None:
    path, modules = "m", {"m": "M"}
    for _ in range(3_000):
        path += ".x"
        modules[path] = "X"
    tree = tree_of(graph(op("Mul", None, place=0), places=(place(1, path),), modules=modules), HOME)
    assert tree.groups[-1].level == 3_000
    assert tree.groups[0].end == 3_001


def test_an_empty_graph() -> None:
    assert tree_of(graph(), HOME).groups == ()


def test_files_elsewhere_tell_nothing_of_the_machine() -> None:
    places = (
        place(1, file="/usr/lib/python3.11/site-packages/lightning/loop.py"),
        place(1, file="/secret/other.py"),
    )
    made = graph(
        op("Mul", None, place=0),
        op("Add", 0, place=0),
        op("Mul", 1, place=1),
        op("Add", 2, place=1),
        places=places,
    )
    assert [g.name for g in tree_of(made, HOME).groups] == ["lightning/loop.py:1", "other.py:1"]
