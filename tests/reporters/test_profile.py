"""The profile of a finding as a column of bars."""

from __future__ import annotations

import math

from gradscope.finding import Finding, Severity
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.profile import profile_text


def drawn(**evidence: object) -> list[str]:
    finding = Finding("GS404", "vanishing-gradient", Severity.WARNING, "", evidence=evidence)  # type: ignore[arg-type]
    return profile_text(finding, Page()).split("\n")


def test_a_bar_is_as_long_as_the_logarithm() -> None:
    lines = drawn(places=["body.0", "body.1", "head"], gradients=[1e-4, 1e-2, 1.0])
    assert [line.count("█") for line in lines] == [0, 10, 20]
    assert lines[0].startswith("body.0  1.0e-04")


def test_a_long_row_keeps_its_ends() -> None:
    lines = drawn(places=[f"layers.{i}" for i in range(40)], gradients=[10.0**-i for i in range(40)])
    assert len(lines) == 8
    assert lines[4] == "..."
    assert lines[-1].startswith("layers.39  1.0e-39")


def test_strange_names_and_numbers() -> None:
    lines = drawn(places=["a\x1b[31m", "b" * 60, "[/red]"], gradients=[0.0, math.inf, 2.0])
    assert "\x1b" not in "".join(lines)
    assert all(len(line) < 70 for line in lines)


def test_no_profile() -> None:
    assert drawn() == drawn(places=["a"], gradients=[]) == drawn(places="ab", gradients=[1.0, 2.0]) == [""]
