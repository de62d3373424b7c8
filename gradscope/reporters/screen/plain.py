"""Pieces of the screen as plain text, for formats that hold text: no colour, and what is strange escaped."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from gradscope.facts import Recording
from gradscope.finding import Finding
from gradscope.reporters.screen.findings import finding_lines, place_lines
from gradscope.reporters.screen.page import Page


def plain(lines: Iterable[Text]) -> str:
    """The lines without their styles and trailing blanks, and without a newline at the end."""
    return "\n".join(line.plain.rstrip() for line in lines)


def finding_text(finding: Finding, recording: Recording, page: Page) -> str:
    """The whole block of a finding: what, where, the code, why, and what to do about it."""
    return plain(finding_lines(finding, recording, page))


def code_text(finding: Finding, recording: Recording, page: Page) -> str:
    """The places of a finding with their code frames, empty where none is known."""
    return plain(place_lines(finding, recording, page, ""))
