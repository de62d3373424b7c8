"""A finding and a trouble in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.finding import Finding
from gradscope.outcomes import Trouble
from gradscope.report import Report
from gradscope.reporters.markdown_page.escaping import code, fenced, paragraph, prose
from gradscope.reporters.screen.findings import finding_rows
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.plain import code_text

_DETAILS = 60  # lines of a trouble; the last ones say the most


def finding_blocks(finding: Finding, report: Report, page: Page) -> list[str]:
    """What, where, the code, why, and what to do about it; blocks between which a blank line stands."""
    at = finding.location
    place = f" at {code(page.line_at(at))}" if at is not None else ""
    frame = code_text(finding, report.recording, page)
    return [
        f"#### {finding.severity} {finding.code} {finding.rule}{place}",
        paragraph(page.text(finding.message)),
        *([fenced(frame)] if frame else []),
        *_rows(finding, report, page),
    ]


def _rows(finding: Finding, report: Report, page: Page) -> Iterator[str]:
    """A list item a row; rows of several lines, such as a profile, as they stand in the terminal."""
    items: list[str] = []
    for heading, text in finding_rows(finding, report.recording, page):
        if heading == "more":  # said once for all findings, below them
            continue
        items.append(f"- **{prose(heading)}**: {'' if chr(10) in text else prose(text)}".rstrip())
        if "\n" in text:
            yield "\n".join(items)
            yield fenced(text)
            items = []
    if items:
        yield "\n".join(items)


def trouble_blocks(trouble: Trouble, page: Page) -> list[str]:
    """What happened, where, and the last lines that tell of it."""
    at = trouble.location
    place = f" at {code(page.line_at(at))}" if at is not None else ""
    message = prose(page.text(page.shortened(trouble.message)))
    lines = [page.text(line.expandtabs(4)) for line in trouble.details]
    left_out = [f"({len(lines) - _DETAILS:,} lines before)"] if len(lines) > _DETAILS else []
    shown = "\n".join([*left_out, *lines[-_DETAILS:]])
    return [f"**{trouble.kind.value}**{place}: {message}", *([fenced(shown)] if shown else [])]
