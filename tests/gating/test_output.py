from __future__ import annotations

import os

import pytest

from gradscope.gating.processes.output import Output, shown


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("bell \x07 and \x9b31m", "bell \\x07 and \\x9b31m"),
        ("10%\r50%\r100% done", "100% done"),
        ("100% done\r", "100% done"),
        ("::error::no \u202e", "::error::no \\u202e"),
        ("x" * 600, "x" * 497 + "..."),
    ],
)
def test_a_line_is_harmless_to_show(line: str, expected: str) -> None:
    assert shown(line) == expected


def test_the_last_lines_are_kept_of_much_output() -> None:
    output = Output()
    for number in range(40_000):
        os.write(output.other, f"line {number}\n".encode())
    os.write(output.other, b"no \xff text\n\n\n")
    lines = output.lines()
    assert len(lines) == 40
    assert lines[0] == "line 39961"
    assert lines[-2:] == ("line 39999", "no \ufffd text")


def test_a_line_that_never_ends_is_cut() -> None:
    output = Output()
    for _ in range(40):
        os.write(output.other, b"." * 10_000)
    assert output.lines() == ("." * 497 + "...",)


def test_what_somebody_keeps_open_is_not_waited_for() -> None:
    output = Output()
    kept = os.dup(output.other)
    os.write(kept, b"so far\n")
    assert output.lines(0.2) == ("so far",)
    os.close(kept)
