"""A finding on the screen: its head, its places, and its paragraphs."""

from __future__ import annotations

from dataclasses import replace

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.reporters.screen.findings import finding_lines, row_lines
from gradscope.reporters.screen.page import Page

from .samples import HOME, cut, nan_birth, parameter

PLAIN = Finding("GS103", "unused-parameter", Severity.WARNING, "the message")


def shown(finding: Finding, recording: Recording | None = None, width: int = 80) -> list[str]:
    lines = finding_lines(finding, recording or Recording(), Page(width, HOME))
    return [line.plain.rstrip() for line in lines]


def test_the_least_a_finding_says() -> None:
    assert shown(PLAIN) == ["warning[GS103] unused-parameter: the message", "  more  gradscope explain GS103"]


def test_without_source_the_place_and_the_label_remain() -> None:
    finding = replace(
        PLAIN,
        location=Location(f"{HOME}/a.py", 3, 5, 3, 9, "Net.<locals>.forward", "encoder.0"),
        label="here",
        related=(Related(Location("/lib/b.py", 7), "there"),),
    )
    assert shown(finding)[1:4] == [
        "  --> a.py:3:5  in Net.forward (encoder.0)",
        "      here",
        "  ::: /lib/b.py:7  there",
    ]


def test_related_places_without_a_primary_one() -> None:
    finding = replace(PLAIN, related=(Related(Location(f"{HOME}/a.py", 3), "there"),))
    assert shown(finding)[1] == "  ::: a.py:3  there"


def test_module_level_and_root_module_are_not_named() -> None:
    for function, module in (("<module>", None), (None, "")):
        finding = replace(PLAIN, location=Location(f"{HOME}/a.py", 3, 5, 3, 9, function, module))
        assert shown(finding)[1] == "  --> a.py:3:5"


def test_subjects_are_listed_where_the_message_does_not_name_them() -> None:
    names = tuple(f"encoder.{i}.weight" for i in range(9))
    leaves = tuple(parameter(name, (2,), None) for name in names)
    finding = replace(PLAIN, subjects=names)
    assert "  which  encoder.*.weight (9 parameters)" in shown(finding, Recording(leaves=leaves))
    assert "  which  encoder.*.weight (9)" in shown(finding)
    assert "  which  w" in shown(replace(PLAIN, subjects=("w",)))
    for message in ("encoder.*.weight (9 parameters) gets nothing", "encoder.* (9 parameters) gets nothing"):
        assert not any("which" in line for line in shown(replace(finding, message=message)))
    assert not any(
        "which" in line for line in shown(replace(PLAIN, subjects=("msg",), message="`msg` is lost"))
    )


def test_certainty_and_count_are_said_in_words() -> None:
    finding = replace(PLAIN, confidence=Confidence.PROBABLE, count=1_200)
    assert shown(finding)[1:3] == [
        "  probable  a step of this was inferred rather than seen",
        "  seen      1,200 times",
    ]
    assert not any("seen" in line for line in shown(PLAIN))


def test_consequences_are_limited() -> None:
    others = tuple(replace(PLAIN, location=Location(f"{HOME}/a.py", i)) for i in range(1, 9))
    lines = shown(replace(PLAIN, consequences=others))
    assert lines[1] == "  also  explained by this:"
    assert lines[2] == "        warning[GS103] unused-parameter at a.py:1: the message"
    assert "        and 3 more findings" in lines


def test_paragraphs_begin_in_one_column() -> None:
    rows = [("because", "one\ntwo"), ("path of the value", "word " * 15), ("fix", "x")]
    lines = [line.plain for line in row_lines(rows, Page(60))]
    assert lines[:2] == ["  because  one", "           two"]
    assert lines[2].startswith("  path of the value  word")
    assert lines[3].startswith(" " * 21 + "word")
    assert lines[-1] == "  fix      x"


def test_a_heading_that_is_too_long_stands_alone() -> None:
    lines = [line.plain for line in row_lines([("h" * 50, "text"), ("fix", "x")], Page(60))]
    assert lines == ["  " + "h" * 50, "       text", "  fix  x"]


def test_a_long_message_is_wrapped_under_itself() -> None:
    lines = shown(replace(PLAIN, message="word " * 40))
    assert all(line.startswith("  word") for line in lines[1:-1])
    assert all(len(line) <= 80 for line in lines)


def test_every_finding_ends_with_a_next_step() -> None:
    for sample in (cut(), nan_birth()):
        for finding in sample.findings:
            assert shown(finding)[-1].split() == ["more", "gradscope", "explain", finding.code]


def test_notes_keep_their_lines_and_tabs() -> None:
    lines = shown(replace(PLAIN, notes=(Note("because", "a\tb\n  indented"),)))
    assert lines[1:3] == ["  because  a   b", "             indented"]
