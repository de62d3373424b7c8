"""Code frames: which lines, which marks, which labels, and where."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from gradscope.finding import Location
from gradscope.reporters.screen.frames import Mark, frame, has_source
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.source_line import fit, source_line
from gradscope.reporters.screen.underlines import Span, underline_rows

FILE = [
    "def f(x):",
    "    a = g(x)",
    "    b = h(a)",
    "",
    "    c = k(",
    "        b,  # the long way",
    "    )",
    "    return c",
]


def mark(line: int, column: int | None, end: int | None, label: str = "", **more: object) -> Mark:
    end_line = more.pop("end_line", line)
    primary = more.pop("primary", True)
    return Mark(Location("f.py", line, column, end_line, end), label, bool(primary))  # type: ignore[arg-type]


def drawn(lines: list[str], *marks: Mark, width: int = 80) -> list[str]:
    return [text.plain.rstrip() for text in frame(lines, marks, Page(width), "")]


def rows(*spans: Span, room: int = 60) -> list[str]:
    return [row.plain.rstrip() for row in underline_rows(spans, room, "")]


def test_the_primary_place_stands_in_its_context() -> None:
    assert drawn(FILE, mark(2, 9, 13, "here")) == [
        "    1 | def f(x):",
        "    2 |     a = g(x)",
        "      |         ^^^^ here",
        "    3 |     b = h(a)",
    ]


def test_blank_context_lines_are_left_out() -> None:
    assert drawn(FILE, mark(3, 9, 13)) == [
        "    2 |     a = g(x)",
        "    3 |     b = h(a)",
        "      |         ^^^^",
    ]


def test_the_first_and_the_last_line_have_one_neighbour() -> None:
    assert [line[:5] for line in drawn(FILE, mark(1, 1, 9))] == ["    1", "     ", "    2"]
    assert [line[:5] for line in drawn(FILE, mark(8, 5, 13))] == ["    7", "    8", "     "]


def test_one_missing_line_is_shown_and_more_are_dots() -> None:
    near = drawn(FILE, mark(5, 5, 9, primary=False), mark(8, 5, 13))
    assert [line[:5].strip() for line in near] == ["5", "", "6", "7", "8", ""]
    far = drawn(FILE, mark(1, 1, 9, primary=False), mark(8, 5, 13))
    assert far[2] == "   ..."


def test_an_expression_of_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    shown = drawn(FILE, mark(5, 9, 6, "a call", end_line=7))
    assert shown[:2] == ["    5 |     c = k(", "      |         ^^ a call"]


def test_without_columns_the_statement_is_underlined() -> None:
    assert drawn(FILE, mark(8, None, None))[1:] == ["    8 |     return c", "      |     ^^^^^^^^"]


@pytest.mark.parametrize(("column", "end"), [(40, 50), (13, 13), (5, 4), (9, 400)])
def test_columns_that_do_not_fit_the_line_still_mark_something(column: int, end: int) -> None:
    carets = drawn(FILE, mark(8, column, end))[2]
    assert "^" in carets
    assert len(carets) <= len("      |     return c") + 1


def test_has_source() -> None:
    assert has_source(FILE, Location("f.py", 8))
    assert not has_source(FILE, Location("f.py", 9))
    assert not has_source(FILE, Location("f.py", 0))
    assert not has_source(FILE, Location("f.py", 4))
    assert not has_source((), Location("f.py", 1))


@pytest.mark.parametrize(
    ("raw", "piece"),
    [
        ("\tif x:\ty = f(x)", "f(x)"),
        ("  \tz = f(x)", "f(x)"),
        ("損失 = 入力 + f(x)", "f(x)"),
        ("e\u0301 = f(x)  # combining", "f(x)"),
        ("s = '\x1b[31m' + f(x)", "f(x)"),
        ("a\u200b = f(x)", "f(x)"),
    ],
)
def test_carets_stand_under_their_text(raw: str, piece: str) -> None:
    column = raw.index(piece) + 1
    source, carets = drawn([raw], mark(1, column, column + len(piece)))
    start = carets.index("^")
    assert cell_len(source[: source.index(piece)]) == start
    assert carets[start:] == "^" * len(piece)


# ---------------------------------------------------------------- long lines


def test_a_long_line_is_cut_around_its_mark() -> None:
    raw = "    y = " + " + ".join(f"term_{i:02}" for i in range(30))
    for number in (0, 7, 15, 29):
        column = raw.index(f"term_{number:02}") + 1
        source, carets = drawn([raw], mark(1, column, column + 7), width=60)
        assert cell_len(source) <= 60
        start = carets.index("^")
        assert source[start : start + 7] == f"term_{number:02}"
        assert carets.count("^") == 7


def test_a_mark_longer_than_the_window_is_cut_itself() -> None:
    raw = "x = " + "y" * 200 + " + z"
    source, carets = drawn([raw], mark(1, 5, 205), width=60)
    assert cell_len(source) <= 60
    assert cell_len(carets) <= 60
    assert source.endswith("...")
    assert source.index("y") >= carets.index("^")


def test_a_second_mark_out_of_view_is_told_by_its_column() -> None:
    raw = "first(x) + " + "y" * 120 + " + last(x)"
    shown = drawn(
        [raw], mark(1, raw.index("last") + 1, len(raw) + 1, "here"), mark(1, 1, 9, "and there", primary=False)
    )
    assert shown[-1] == "      | column 1: and there"
    assert "first" not in shown[0]


def test_long_lines_lose_their_common_indent_first() -> None:
    lines = [" " * 30 + "a = 1", " " * 30 + "b = " + "c" * 40]
    shown = drawn(lines, mark(2, 31, 32), width=70)
    assert shown == ["    1 | a = 1", "    2 | b = " + "c" * 40, "      | ^"]


def test_tabs_and_blanks_may_share_an_indent() -> None:
    lines = ["  a = 1", "\tb = " + "c" * 70]
    shown = drawn(lines, mark(2, 2, 3), width=80)
    assert shown[1].startswith("    2 |   b = ccc")
    assert shown[2] == "      |   ^"


def test_a_wide_character_on_the_edge_is_left_out_whole() -> None:
    line = source_line("語" * 50, Page())
    for first in range(1, 8):
        text, left = line.window(first, first + 30)
        assert (cell_len(text), left) == (30, first)


def test_fit_keeps_other_spans_in_view_where_it_can() -> None:
    line = source_line("x" * 200, Page())
    assert fit(line, 60, [(100, 110), (120, 130)])[1] in range(76, 98)
    assert fit(line, 60, [(100, 110), (0, 5)])[1] in range(56, 98)
    assert fit(line, 300, [(100, 110)]) == ("x" * 200, 0)
    assert fit(line, 60, []) == ("x" * 57 + "...", 0)


# ---------------------------------------------------------------- labels


def test_nested_spans_hang_their_labels() -> None:
    assert rows(Span(0, 20, "the whole", False), Span(6, 10, "the part", True)) == [
        "------^^^^----------",
        "|     |",
        "|     the part",
        "the whole",
    ]


def test_the_rightmost_label_stands_beside() -> None:
    assert rows(Span(0, 4, "first", False), Span(6, 10, "second", True)) == [
        "----  ^^^^ second",
        "|",
        "first",
    ]


def test_spans_that_begin_together_stack_their_labels() -> None:
    assert rows(Span(2, 6, "one", True), Span(2, 9, "two", False)) == ["  ^^^^---", "  |", "  one", "  two"]


def test_a_label_too_long_for_its_line_goes_below() -> None:
    assert rows(Span(4, 8, "word " * 9 + "end", True), room=54) == ["    ^^^^", "    " + "word " * 9 + "end"]
    assert rows(Span(4, 8, "word " * 9 + "end", True), room=50) == ["    ^^^^", "  " + "word " * 9 + "end"]
    assert rows(Span(4, 8, "word " * 9 + "end", True), room=45) == [
        "    ^^^^",
        "    " + "word " * 7 + "word",
        "    word end",
    ]


def test_labels_that_hang_together_wrap_in_their_columns() -> None:
    assert rows(Span(0, 4, "one", False), Span(2, 8, "word " * 9 + "end", True), room=40) == [
        "--^^^^^^",
        "| |",
        "| word word word word word word word",
        "| word word end",
        "one",
    ]


def test_a_label_at_the_right_edge_moves_left() -> None:
    shown = rows(Span(50, 55, "more than five cells", True), room=56)
    assert shown == [" " * 50 + "^^^^^", " " * 36 + "more than five cells"]


def test_labels_never_leave_their_room() -> None:
    spans = [Span(10 * i, 10 * i + 4, f"label number {i} is quite long", i == 2) for i in range(6)]
    for room in (40, 60, 80):
        inside = [span for span in spans if span.end <= room]
        assert all(cell_len(row) <= room for row in rows(*inside, room=room))


def test_marks_without_labels() -> None:
    assert rows(Span(0, 2, "", False), Span(4, 6, "", True)) == ["--  ^^"]
    assert rows() == []
