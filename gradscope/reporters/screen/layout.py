"""The order of the terminal report."""

from __future__ import annotations

from rich.text import Text

from gradscope.report import Report
from gradscope.reporters.screen.backwards import backward_lines
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.footer import program_lines, remark_lines, summary_lines
from gradscope.reporters.screen.hooks import hook_lines
from gradscope.reporters.screen.loop import loop_lines
from gradscope.reporters.screen.page import Page


def report_lines(report: Report, page: Page) -> list[Text]:
    """The whole report; a blank line between its blocks, the summary last."""
    blocks = [finding_lines(finding, report.recording, page) for finding in report.findings]
    blocks.append(loop_lines(report, page))
    blocks.append(backward_lines(report.recording, page, values=not report.redacted))
    blocks.append(hook_lines(report.recording, page, values=not report.redacted))
    blocks.append(program_lines(report, page))
    blocks.append([*remark_lines(report, page), *summary_lines(report, page)])
    filled = [block for block in blocks if block]
    return [line for i, block in enumerate(filled) for line in ([Text()] if i else []) + block]
