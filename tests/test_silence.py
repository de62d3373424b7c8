"""Comments that are to silence and do not; the other silencers are tested with the engine and the policy."""

from __future__ import annotations

import pytest

from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.silence import by_comment, mistyped_comments

PATH = "/home/ada/project/train.py"


def finding(line: int = 1, end_line: int | None = None) -> Finding:
    place = Location(PATH, line, end_line=end_line)
    return Finding("GS102", "severed-gradient", Severity.ERROR, "m", place)


def recording(*lines: str) -> Recording:
    return Recording(sources={PATH: lines})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "x  # gradscope: ignore[severed]",
            ["severed] silences nothing: no such rule; did you mean severed-gr"],
        ),
        (
            "x  # gradscope: ignore[GS102, GS1O3]",
            ["train.py:1: ignore[GS1O3] silences nothing: no such rule; "],
        ),
        ("x  # gradscope: ignore[a] # gradscope: ignore[b]", ["ignore[a]", "ignore[b]"]),
        ("x  # gradscope: ignore[GS103]", []),
        ("x  # gradscope: ignore[]", []),
        ("x  # gradscope: ignore", []),
        ("x  # ignore[severed]", []),
    ],
)
def test_a_comment_that_names_no_rule_is_told(line: str, said: list[str]) -> None:
    found = mistyped_comments([finding(), finding()], recording(line))
    assert len(found) == len(said)
    assert all(part in text for part, text in zip(said, found, strict=True))


def test_only_lines_of_findings_are_read() -> None:
    lines = recording("x", "y  # gradscope: ignore[nothing]")
    assert mistyped_comments([finding(1)], lines) == []
    assert mistyped_comments([finding(1, end_line=2)], lines) != []
    assert mistyped_comments([Finding("GS102", "a-rule", Severity.ERROR, "m")], lines) == []
    assert mistyped_comments([finding(7)], lines) == []


def test_a_comment_silences_on_every_line_of_the_finding() -> None:
    lines = recording("f(", "  x)  # gradscope: ignore[GS102]", "z")
    assert by_comment(finding(1, end_line=2), lines) == "inline comment"
    assert by_comment(finding(1), lines) is None
    related = Finding("GS102", "a-rule", Severity.ERROR, "m", related=(Related(Location(PATH, 2), "here"),))
    assert by_comment(related, lines) == "inline comment"
