"""The page of `gradscope trace`."""

from __future__ import annotations

from rich.text import Text

from gradscope.report import Report
from gradscope.reporters.screen.backwards import backward_lines
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.footer import program_lines, remark_lines
from gradscope.reporters.screen.hooks import hook_lines
from gradscope.reporters.screen.loop import loop_lines
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.summary import summary_lines


def trace_blocks(report: Report, page: Page) -> list[list[Text]]:
    """Findings first, then the step, what every backward did, and the summary where the eye ends."""
    values = not report.redacted
    return [
        *(finding_lines(finding, report.recording, page) for finding in report.findings),
        loop_lines(report, page),
        backward_lines(report.recording, page, values=values),
        hook_lines(report.recording, page, values=values),
        program_lines(report, page),
        [*remark_lines(report, page), *summary_lines(report, page)],
    ]
