"""The findings of a run in a line each, above its graph; their whole text is `gradscope trace`'s."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from gradscope.finding import Finding
from gradscope.report import Report
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip_end, plural

MOST: Final = 8
_FEWEST_CELLS: Final = 24  # of a message


def finding_rows(report: Report, page: Page) -> list[Text]:
    """`error[GS102] train.py:28  encoder.* (4 parameters) gets no gradient ...`, and where there is more."""
    lines = [_row(finding, page) for finding in report.findings[:MOST]]
    if len(report.findings) > MOST:
        lines.append(Text(f"and {plural(len(report.findings) - MOST, 'more finding')}"))
    if lines:
        lines.append(Text.assemble(("  more", STYLES["heading"]), f"  {page.text(_more(report))}"))
    return lines


def _row(finding: Finding, page: Page) -> Text:
    label = f"{finding.severity}[{finding.code}]"
    at = f" {page.line_at(finding.location)}" if finding.location is not None else ""
    room = max(page.width - cells(label) - cells(at) - 2, _FEWEST_CELLS)
    message = clip_end(page.text(" ".join(finding.message.split())), room)
    return Text.assemble((label, STYLES[finding.severity]), at, "  ", message)


def _more(report: Report) -> str:
    """The command that says everything. Without a target to run it is the pages of the rules."""
    if is_from_python(report):
        return f"gradscope explain {report.findings[0].code}"
    return f"gradscope trace {report.target}"


def is_from_python(report: Report) -> bool:
    """Whether the report is that of `gradscope.graph()`, and has no target that a command could run."""
    return report.target.partition("(")[0] == "gradscope.graph"
