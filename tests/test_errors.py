"""How errors are worded and laid out."""

from __future__ import annotations

import pytest

from gradscope.errors import Fault, InputError, UsageError, caret, closest, did_you_mean, render
from gradscope.exits import ExitStatus


def test_an_error_says_what_where_and_what_to_type() -> None:
    error = UsageError(
        "no such file: trian.py",
        where=["--> here", "   ^^"],
        try_next=["gradscope trace train.py", "(or not)"],
    )
    assert render(error) == (
        "error: no such file: trian.py\n"
        "  --> here\n"
        "     ^^\n"
        "  try   gradscope trace train.py\n"
        "        (or not)\n"
    )


def test_sentences_are_wrapped_and_commands_are_not() -> None:
    command = "gradscope trace model.py:Net " + " ".join(["--input 'randn(8, 3, 224, 224)'"] * 3)
    text = render(UsageError("word " * 40, try_next=[command, "advice " * 30]), width=80)
    assert command in text
    lines = [line for line in text.splitlines() if command not in line]
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("  word")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 3, ["--input  abc def", "         ^^^"]),
        (4, 7, ["--input  abc def", "             ^^^"]),
        (7, 8, ["--input  abc def", "                ^"]),  # just behind the end
    ],
)
def test_carets_stand_under_the_offending_part(start: int, end: int, expected: list[str]) -> None:
    assert caret("abc def", start, end, label="--input") == expected


@pytest.mark.parametrize("where", [0, 150, 295])
def test_long_text_is_cut_around_the_carets(where: int) -> None:
    text = "".join(f"{n:03}" for n in range(100))
    shown, marks = caret(text, where, where + 3, label="--input")
    assert len(shown) <= 80
    assert marks.strip() == "^^^"
    start = marks.index("^")
    assert shown[start : start + 3] == text[where : where + 3]


def test_control_characters_are_escaped_and_the_rest_is_as_it_is() -> None:
    error = UsageError("no \x1b[31m [red]日本[/red]", where=["\ta\x07"], try_next="gradscope \u202e")
    assert render(error) == ("error: no \\x1b[31m [red]日本[/red]\n  \ta\\x07\n  try   gradscope \\u202e\n")


def test_names_like_it_are_offered() -> None:
    assert closest("transfomer", ["Transformer", "Encoder"]) == ["Transformer"]
    assert did_you_mean("Nets", ["Net", "Other"]) == "; did you mean Net?"
    assert did_you_mean("zzz", ["Net"]) == ""


def test_every_error_has_the_status_of_the_design() -> None:
    assert UsageError("x").exit_status is InputError("x").exit_status is ExitStatus.USAGE
    assert Fault("x").exit_status is ExitStatus.FAULT
