"""The chain-rule table: its columns, the sums at the leaves, and how it fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradscope.facts import ChainRow, ChainTable
from gradscope.reporters.screen.chain_table import MOST_NODES, chain_lines
from gradscope.reporters.screen.page import Page

from .rendering import text
from .samples_lessons import chain_rule, layer, two_paths
from .samples_models import gan


def table(*rows: ChainRow) -> ChainTable:
    return ChainTable(None, "y", 1.0, None, True, rows)


def node(name: str | None, sent: float, *, to: str = "x", slope: float | None = 1.0) -> ChainRow:
    return ChainRow(name, "f(x)", "F", None, (), 1.0, ((to, slope),), 1.0, ((to, sent),))


def leaf(total: float | None, paths: int, name: str | None = "x") -> ChainRow:
    outgoing = ((name or "", total),) if total is not None else ()
    return ChainRow(name, None, None, None, (), 2.0, (), total, outgoing, is_leaf=True, paths=paths)


def shown(whole: ChainTable, width: int = 80) -> list[str]:
    return [line.plain.rstrip() for line in chain_lines(whole, Page(width))]


def result(*rows: ChainRow) -> str:
    return shown(table(*rows))[-1].split("   ")[-1].strip()


def test_the_lesson() -> None:
    (chain,) = chain_rule().recording.chains
    rows = [line.split() for line in shown(chain)]
    assert rows[0] == ["node", "forward", "local", "gradient", "incoming", "outgoing"]
    assert rows[1] == ["c", "=", "b", "**", "2", "49", "dc/db", "=", "14", "1", "14", "line", "4"]
    assert rows[3] == ["a", "=", "x", "*", "3", "6", "da/dx", "=", "3", "14", "42", "line", "2"]
    assert rows[4] == ["x", "leaf", "2", "42", "x.grad", "=", "42"]


def test_paths_are_summed_in_the_order_of_the_program() -> None:
    assert result(node("b", 4.0), node("a", 3.0), leaf(7.0, 2)) == "x.grad = 3 + 4 = 7"
    assert result(node("b", -4.0), node("a", 3.0), leaf(-1.0, 2)) == "x.grad = 3 - 4 = -1"
    assert result(node("a", 42.0), leaf(42.0, 1)) == "x.grad = 42"


def test_terms_that_do_not_add_up_are_not_told() -> None:
    assert result(node("b", 4.0), node("a", 3.0), leaf(9.0, 2)) == "x.grad = 9 (2 paths)"
    assert result(node("a", 3.0), leaf(7.0, 2)) == "x.grad = 7 (2 paths)"
    assert result(node("b", 4.0, slope=None), node("a", 3.0), leaf(7.0, 2)) == "x.grad = 7 (2 paths)"
    many = [node(f"n{i}", 1.0) for i in range(9)]
    assert result(*many, leaf(9.0, 9)) == "x.grad = 9 (9 paths)"


def test_a_leaf_without_name_or_without_gradient() -> None:
    assert result(node("a", 3.0), leaf(3.0, 1, name=None)) == "grad = 3"
    assert "grad" not in shown(table(node("a", 3.0), leaf(None, 1)))[-1]


def test_a_description_is_no_name() -> None:
    assert result(node("a", 3.0), leaf(3.0, 1, name="tensor (3,)")) == "grad = 3"
    assert result(node("a", 3.0), leaf(3.0, 1, name="self.w[0]")) == "self.w[0].grad = 3"


def test_a_factor_used_twice_has_two_rows() -> None:
    square = ChainRow(
        "y", "x * x", "Mul", None, (), 9.0, (("x", 3.0), ("x", 3.0)), 1.0, (("x", 3.0), ("x", 3.0))
    )
    lines = shown(table(square, leaf(6.0, 2)))
    assert [line.count("dy/dx = 3") for line in lines] == [0, 1, 1, 0]
    assert lines[-1].endswith("x.grad = 3 + 3 = 6")


def test_tensors_show_shapes_and_norms() -> None:
    (chain,) = layer().recording.chains
    lines = shown(chain)
    assert any("(2, 3) |2.4495|" in line and line.endswith("|W.grad| = 7.4833") for line in lines)
    assert any("dy/db" in line and "=" not in line.partition("dy/db")[2] for line in lines)
    assert lines[-1] == "  |v| is the 2-norm of a tensor v"
    met_twice = shown(table(replace(leaf(5.0, 2), shape=(3,))))[1]
    assert met_twice.split() == ["x", "leaf", "(2", "paths)", "(3,)", "|2|", "|5|", "|x.grad|", "=", "5"]
    assert "2-norm" not in shown(chain_rule().recording.chains[0])[-1]


def test_leaves_stand_last() -> None:
    lines = shown(table(leaf(3.0, 1), node("a", 3.0)))
    assert lines[-1].startswith("  x  leaf")


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("sample", [chain_rule, two_paths, layer])
def test_the_table_is_never_wider_than_the_page(sample: object, width: int) -> None:
    (chain,) = sample().recording.chains  # type: ignore[operator]
    lines = shown(chain, width)
    assert max(map(cell_len, lines)) <= width


def test_slopes_keep_their_values_when_names_are_long() -> None:
    long = "+".join("abcdefgh" for _ in range(12))
    row = ChainRow(long, long, "F", None, (), 1.0, ((long, 0.97783),), 1.0, ((long, 2.5),))
    lines = shown(table(row, leaf(2.5, 1)))
    assert "= 0.97783" in lines[1]
    assert max(map(cell_len, lines)) <= 80


def test_a_long_table_is_cut_and_says_so() -> None:
    lines = shown(table(*(node(f"n{i}", 1.0) for i in range(MOST_NODES + 7)), leaf(37.0, 37)))
    assert len(lines) == 1 + MOST_NODES + 1 + 1
    assert lines[-2].strip() == "and 7 more nodes"


def test_a_program_with_modules_shows_the_tree_and_the_table() -> None:
    whole = gan()
    (chain,) = chain_rule().recording.chains
    both = text(replace(whole, recording=replace(whole.recording, chains=(chain,))))
    assert both.index("generator (Sequential)") < both.index("chain rule of examples/chain_rule.py:5")


def test_two_graphs_of_one_line_are_two_tables() -> None:
    whole = chain_rule()
    (chain,) = whole.recording.chains
    twice = text(
        replace(whole, recording=replace(whole.recording, chains=(chain, replace(chain, value=-3.0))))
    )
    assert "c = 49" in twice
    assert "c = -3" in twice


def test_tables_beyond_the_fourth_are_counted() -> None:
    whole = chain_rule()
    (chain,) = whole.recording.chains
    many = text(replace(whole, recording=replace(whole.recording, chains=(chain,) * 6)))
    assert many.count("local gradient") == 4
    assert "2 more backwards with a chain-rule table" in many


def test_long_tables_crowd_out_the_next_ones() -> None:
    whole = chain_rule()
    (chain,) = whole.recording.chains
    long = replace(chain, rows=tuple(node(f"n{i}", 1.0) for i in range(50)))
    crowded = text(replace(whole, recording=replace(whole.recording, chains=(long, chain))))
    assert crowded.count("local gradient") == 1
    assert "1 more backward with a chain-rule table" in crowded


def test_a_long_statement_is_clipped_in_the_head() -> None:
    whole = chain_rule()
    (path,) = whole.recording.sources
    lines = (*whole.recording.sources[path][:4], "torch.stack([" + "c.backward(), " * 20 + "])")
    head = text(replace(whole, recording=replace(whole.recording, sources={path: lines}))).splitlines()[0]
    assert head.startswith("backward at examples/chain_rule.py:5: torch.stack([")
    assert head.endswith("...")
    assert len(head) == 80
