"""Sizes in powers of 1,024, ranges of blocks, and the tree of modules."""

from __future__ import annotations

import pytest

from gradscope.facts import Block, MemoryKind, MemoryPeak, MemoryPhase, ModuleMemory, Strategy, StrategyKind
from gradscope.reporters.memory_tree import ModuleRow, module_tree
from gradscope.reporters.memory_words import (
    chosen,
    kind_list,
    ranges,
    share_text,
    short_size,
    size_text,
    strategy_name,
    when,
)

GIB = 2**30


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10_234, "9.99 KiB"),
        (10_239, "10.0 KiB"),
        (102_399, "100 KiB"),
        (1010 * 2**20, "1010 MiB"),
        (2**30 - 1, "1.00 GiB"),
        (6 * GIB, "6.00 GiB"),
        (3 * 2**60, "3072 PiB"),
        (-5 * 2**20, "-5.00 MiB"),
    ],
)
def test_sizes_have_three_digits_and_the_unit_that_suits_them(size: int, text: str) -> None:
    assert size_text(size) == text


def test_no_size_is_wider_than_its_column() -> None:
    sizes = [2**power + step for power in range(60) for step in (-1, 0, 1)]
    sizes += [
        int(scaled * 1024**power) for power in range(1, 6) for scaled in (9.994, 9.996, 99.94, 99.96, 1023.4)
    ]
    assert max(len(size_text(size)) for size in sizes) == 8


@pytest.mark.parametrize(
    ("size", "text"),
    [(6 * GIB, "6 GiB"), (int(6.5 * GIB), "6.5 GiB"), (100 * 2**20, "100 MiB"), (500, "500 B"), (0, "0 B")],
)
def test_a_budget_is_written_as_it_was_typed(size: int, text: str) -> None:
    assert short_size(size) == text


def test_shares() -> None:
    assert share_text(0, 10) == "0%"
    assert share_text(1, 1000) == "<1%"
    assert share_text(3, 2) == "150%"
    assert share_text(1, 0) == ""


def test_kinds_are_listed_the_most_first() -> None:
    kinds = {MemoryKind.PARAMETER: 2048, MemoryKind.SAVED: 4096, MemoryKind.BUFFER: 0}
    assert kind_list(kinds) == "saved for backward 4.00 KiB, parameters 2.00 KiB"


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["h.0", "h.1", "h.2"], [("h.0-2", 3)]),
        (["h.8", "h.9", "h.10"], [("h.8-10", 3)]),
        (["h.0", "h.2"], [("h.0", 1), ("h.2", 1)]),
        (["a.0", "b.1"], [("a.0", 1), ("b.1", 1)]),
        (["encoder", "decoder"], [("encoder", 1), ("decoder", 1)]),
        (["down1", "down2", "mid"], [("down1-2", 2), ("mid", 1)]),
        (["h.0.attn", "h.1.attn"], [("h.0.attn", 1), ("h.1.attn", 1)]),
        ([], []),
    ],
)
def test_numbered_neighbours_are_a_range(paths: list[str], told: list[tuple[str, int]]) -> None:
    assert list(ranges(paths)) == told


def test_stretches_of_one_option() -> None:
    blocks = [Block(f"h.{number}", "Block", 1, None) for number in range(5)]
    found = chosen(blocks, ("block", "block", "attn", "none", "none"))
    assert [(each.names, each.count, each.option) for each in found] == [
        ("h.0-1", 2, "block"),
        ("h.2", 1, "attn"),
        ("h.3-4", 2, "none"),
    ]


def test_names_of_strategies() -> None:
    names = [strategy_name(Strategy(kind, ()), 6 * GIB) for kind in StrategyKind]
    assert names == [
        "no checkpointing",
        "every block",
        "every second block",
        "selective (matmuls)",
        "plan for 6 GiB",
    ]


# ---------------------------------------------------------------- the tree


def block(path: str, inner: int = 1, *, class_name: str = "Block", saved: int = 10) -> list[ModuleMemory]:
    return [
        ModuleMemory(path, class_name, saved, 0),
        *(ModuleMemory(f"{path}.part{number}", "Linear", saved // inner, 1) for number in range(inner)),
    ]


def names(rows: list[ModuleRow]) -> list[str]:
    return [row.name for row in rows]


def test_equal_neighbours_are_one_row() -> None:
    modules = [ModuleMemory("net", "Net", 100, 10)]
    for number in range(3):
        modules += block(f"net.h.{number}", 2, saved=10 + 2 * number)
    modules += [*block("net.h.3", 3), *block("net.h.4", 3, class_name="Other")]
    modules.insert(1, ModuleMemory("net.h", "ModuleList", 90, 0))
    (root,) = module_tree(modules)
    (h,) = root.below
    assert names(h.below) == ["0-2", "3", "4"]
    run = h.below[0]
    assert (run.count, run.saved, run.least, run.most) == (3, 36, 10, 14)
    assert [(each.name, each.saved, each.own, each.count) for each in run.below] == [
        ("part0", 18, 3, 3),
        ("part1", 18, 3, 3),
    ]


def test_a_list_that_holds_one_run_is_that_run() -> None:
    modules = [ModuleMemory("net", "Net", 31, 1), ModuleMemory("net.h", "ModuleList", 30, 0)]
    for number in range(3):
        modules += block(f"net.h.{number}")
    (root,) = module_tree(modules)
    assert names(root.below) == ["h.0-2"]
    assert names(root.below[0].below) == ["part0"]


def test_a_module_that_holds_one_is_that_one() -> None:
    modules = [ModuleMemory("net", "Net", 10, 0), ModuleMemory("net.body", "Body", 10, 0)]
    modules += [ModuleMemory("net.body.a", "A", 6, 6), ModuleMemory("net.body.b", "B", 4, 4)]
    (root,) = module_tree(modules)
    assert (root.name, names(root.below)) == ("net", ["body"])
    modules[2:] = [ModuleMemory("net.body.a", "A", 10, 10)]
    (root,) = module_tree(modules)
    assert [(each.name, each.class_name) for each in root.below] == [("body.a", "A")]


def test_what_saves_nothing_is_left_out_and_what_is_below_it_stays() -> None:
    modules = [
        ModuleMemory("net", "Net", 8, 2),
        ModuleMemory("net.empty", "Dropout", 0, 0),
        ModuleMemory("net.list.0", "Linear", 6, 6),
        ModuleMemory("other", "Net", 3, 3),
    ]
    first, second = module_tree(modules)
    assert (names(first.below), second.name) == (["list.0"], "other")
    assert module_tree([]) == []


@pytest.mark.parametrize(
    ("phase", "step", "steps", "words"),
    [
        (MemoryPhase.FORWARD, 0, 40, "in the forward"),
        (MemoryPhase.FORWARD, 10, 40, "in the forward of step 11"),
        (MemoryPhase.OPTIMIZER, 39, 40, "in the optimizer of step 40"),
        (MemoryPhase.FORWARD, 40, 40, "in the forward after the last step"),
        (MemoryPhase.BACKWARD, 1, 0, "in the backward of pass 2"),
        (MemoryPhase.OUTSIDE, 7, 40, "outside the passes"),
    ],
)
def test_when_the_peak_was(phase: MemoryPhase, step: int, steps: int, words: str) -> None:
    assert when(MemoryPeak(1, phase, step=step), steps) == words
