"""Numbers, names and wrapped text."""

from __future__ import annotations

import math

import pytest

from gradscope.reporters.screen.words import (
    clip,
    clip_end,
    group_names,
    number,
    percent,
    plural,
    scientific,
    short_count,
    wrap,
)


def test_plural() -> None:
    assert plural(1, "error") == "1 error"
    assert plural(2_214, "node") == "2,214 nodes"
    assert plural(0, "leaf", "leaves") == "0 leaves"
    assert plural(1, "leaf", "leaves") == "1 leaf"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1k"),
        (1_536, "1.5k"),
        (99_949, "99.9k"),
        (99_960, "100k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (38_597_376, "38.6M"),
        (124_439_808, "124M"),
        (6_738_415_616, "6.7G"),
        (10**12, "1T"),
    ],
)
def test_short_count(count: int, text: str) -> None:
    assert short_count(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (49.0, "49"),
        (-0.0, "0"),
        (4.60517, "4.6052"),
        (0.3631949, "0.36319"),
        (-4.968, "-4.968"),
        (1.2345e-9, "1.2345e-09"),
        (2e20, "2e+20"),
        (123456.0, "123456"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_scientific() -> None:
    assert [scientific(value) for value in (1.83, 0.0, 3e-42, math.nan, math.inf)] == [
        "1.8e+00",
        "0",
        "3.0e-42",
        "nan",
        "inf",
    ]


def test_percent_is_round_only_where_it_is_exact() -> None:
    shares = (0.0, 1e-9, 0.0006, 0.971, 0.9994, 0.99999, 1.0)
    assert [percent(share) for share in shares] == ["0%", "<0.1%", "0.1%", "97.1%", "99.9%", ">99.9%", "100%"]


def test_clip() -> None:
    assert clip("transformer.h.0", 15) == "transformer.h.0"
    assert clip("transformer.h.0", 11) == "tran....h.0"
    assert clip("語語語語語語", 9) == "語...語"
    assert clip("abcdef", 2) == ".."
    assert clip_end("abcdef", 5) == "ab..."
    assert clip_end("ab cdef", 6) == "ab..."
    assert clip_end("abc", 3) == "abc"


def test_wrap_keeps_newlines_and_leading_blanks() -> None:
    assert wrap("one two three\n  four  five", 9) == ["one two", "three", "  four", "  five"]
    assert wrap("  four  five", 12) == ["  four  five"]
    assert wrap("", 9) == [""]


def test_wrap_leaves_long_words_whole() -> None:
    assert wrap("see /a/very/long/path now", 8) == ["see", "/a/very/long/path", "now"]


def test_wrap_counts_cells() -> None:
    assert wrap("語語 語語", 8) == ["語語", "語語"]


def test_a_chain_is_broken_before_its_arrows() -> None:
    text = "encoder.weight (35) -> linear -> detach (36) -> mse_loss (52)"
    assert wrap(text, 30) == ["encoder.weight (35) -> linear", "-> detach (36)", "-> mse_loss (52)"]


BLOCKS = [f"h.{i}.attn.{kind}" for i in range(12) for kind in ("weight", "bias")]
ENCODER = [f"encoder.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.weight"], "a.weight"),
        (["a", "b", "a"], "a, b"),
        (ENCODER, "encoder.* (6 parameters)"),
        ([*ENCODER, "head.weight"], "encoder.* (6 parameters), head.weight"),
        (BLOCKS[::2], "h.*.attn.weight (12 parameters)"),
        (BLOCKS, "h.*.attn.* (24 parameters)"),
        (
            [f"net.{name}" for name in (*ENCODER, "head.weight")],
            "net.encoder.* (6 parameters), net.head.weight",
        ),
        ([f"net.m{i}.weight" for i in range(9)], "net.* (9 parameters)"),
        ([f"m{i}" for i in range(9)], "m0, m1, m2, m3 and 5 more"),
        (
            [f"m{i}.{k}" for i in range(6) for k in "wb"],
            "m0.* (2 parameters), m1.* (2 parameters), m2.* (2 parameters), m3.* (2 parameters) and 4 more",
        ),
        (["w", "w.a", "w.b", "w.c", "w.d"], "w.* (5 parameters)"),
        ([str(i) for i in range(7)], "* (7 parameters)"),
    ],
)
def test_group_names(names: list[str], text: str) -> None:
    assert group_names(names, 4, "parameter") == text


def test_group_names_without_a_noun_or_with_another_limit() -> None:
    assert group_names(ENCODER) == "encoder.* (6)"
    assert group_names(["a", "b", "c"], 2) == "a, b and 1 more"
    assert group_names([]) == ""


def test_code_in_backticks_is_not_broken() -> None:
    text = "declare it: `# gradscope: approximate[x]` above the class"
    assert wrap(text, 40) == ["declare it:", "`# gradscope: approximate[x]` above the", "class"]
    assert wrap("an `open one that nobody closes", 14) == ["an `open one", "that nobody", "closes"]
    assert wrap("`a b` and `c d`, `e f`", 9) == ["`a b` and", "`c d`,", "`e f`"]
    long = "`" + "word " * 12 + "`"
    assert max(map(len, wrap(long, 30))) <= 30
