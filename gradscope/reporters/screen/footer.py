"""Before the summary: how the program ended, what was not seen, and what was silenced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from gradscope.endings import is_explained
from gradscope.facts import ProgramError, Recording
from gradscope.finding import Finding
from gradscope.report import Report, Suppressed
from gradscope.reporters.screen.findings import row_lines
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import plural

_MOST_SUPPRESSED: Final = 10
_MOST_ALIKE: Final = 3  # findings silenced by one thing that are listed with their places
_MOST_RULES: Final = 5
_LONGEST_MESSAGE: Final = 160
_LONGEST_UNSEEN: Final = 40  # a single thing not seen that is no longer than this stands in the summary


def program_lines(report: Report, page: Page) -> list[Text]:
    """The traceback of the exception that ended the program, empty where a finding explains it."""
    error = report.recording.program.error
    if error is None or is_explained(report):
        return []
    unexplained = "" if report.redacted else ", and no finding explains it"
    lines = error.rendered.rstrip("\n").split("\n")
    return [
        Text(f"the program failed{unexplained}", STYLES["error"]),
        *(Text("  " + page.text(line.expandtabs(4))) for line in lines),
    ]


def last_line(error: ProgramError, page: Page) -> str:
    """The exception that ended the program, as the last line of its traceback."""
    message = error.message.strip().partition("\n")[0]
    text = page.text(f"{error.type}: {message}" if message else error.type)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE].rpartition(" ")[0] + " ..."


# ---------------------------------------------------------------- notes, and what was not seen


def remark_lines(report: Report, page: Page, *more: str) -> list[Text]:
    """The exception that a finding explains, notes (those of `more` first), what was not seen and what was
    silenced, a line each.
    """
    recording = report.recording
    error = recording.program.error
    rows = [("ended by", last_line(error, page))] if error and is_explained(report) else []
    rows += [("note", page.text(note)) for note in (*more, *recording.notes)]
    if unseen_alone(recording, page) is None:
        rows += [("not seen", page.text(item)) for item in recording.not_seen]
    rows += [("silenced", text) for text in _silenced(report.suppressed, page)]
    return row_lines(rows, page)


def unseen_alone(recording: Recording, page: Page) -> str | None:
    """The one thing that was not seen, where it is short enough for the summary."""
    if len(recording.not_seen) != 1:
        return None
    text = page.text(recording.not_seen[0])
    return text if cells(text) <= _LONGEST_UNSEEN else None


def _silenced(suppressed: Sequence[Suppressed], page: Page) -> list[str]:
    """Each finding with its place; a line for all where one thing silenced many."""
    groups: dict[str, list[Finding]] = {}
    for each in suppressed:
        groups.setdefault(each.by, []).append(each.finding)
    lines = [
        f"{text}, by {page.text(by)}"
        for by, findings in groups.items()
        for text in (
            [_counted(findings)] if len(findings) > _MOST_ALIKE else [_placed(one, page) for one in findings]
        )
    ]
    more = len(lines) - _MOST_SUPPRESSED
    return [*lines[:_MOST_SUPPRESSED], f"and {more:,} more"] if more > 0 else lines


def _counted(findings: Sequence[Finding]) -> str:
    counts = sorted(Counter(f"{finding.code} {finding.rule}" for finding in findings).items())
    listed = ", ".join(f"{count:,} {rule}" for rule, count in counts[:_MOST_RULES])
    rest = sum(count for _, count in counts[_MOST_RULES:])
    return f"{plural(len(findings), 'finding')} ({listed}{f' and {rest:,} more' if rest else ''})"


def _placed(finding: Finding, page: Page) -> str:
    at = f" at {page.line_at(finding.location)}" if finding.location else ""
    return f"{finding.code} {finding.rule}{at}"
