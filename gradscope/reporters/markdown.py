"""Markdown for the comment of a pull request and for the summary of a job; readable as plain text too.

Names, source and messages show letter for letter: no markup, links, mentions, HTML or images come of them.
"""

from __future__ import annotations

from typing import Final, TextIO

from gradscope.outcomes import GateReport

ENDINGS = (".md",)

LONGEST_COMMENT: Final = 65_000
"""Bytes; GitHub takes 65,536 characters, and whoever posts it may want to add a line."""

LONGEST_SUMMARY: Final = 1_000_000
"""Bytes; GitHub takes 1,048,576 from a step, and shows nothing of a summary that is longer."""


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the outcomes as a comment; findings for which there is no room are counted.

    `color` and `width` change nothing.
    """
    from gradscope.reporters.markdown_page.page import markdown

    out.write(markdown(gate, cwd, LONGEST_COMMENT))


def job_summary(gate: GateReport, cwd: str) -> str:
    """The outcomes for the summary of a GitHub job; `cwd` is what paths are relative to."""
    from gradscope.reporters.markdown_page.page import markdown

    return markdown(gate, cwd, LONGEST_SUMMARY)


def write_job_summary(path: str, text: str) -> None:
    """Appends the text to the file that GITHUB_STEP_SUMMARY names; OSError where it cannot be written."""
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write(text)
