"""The findings of a report as the page shows them."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding
from gradscope.report import Report
from gradscope.reporters.report_page import shapes
from gradscope.reporters.report_page.frames import frames_of
from gradscope.reporters.report_page.shapes import Headed
from gradscope.reporters.report_page.texts import evidence_rows, place_text
from gradscope.reporters.screen.findings import paragraphs, subjects_text
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.profile import profile_rows
from gradscope.reporters.screen.words import scientific


def findings_of(report: Report, page: Page) -> list[shapes.Finding]:
    """The findings in the order of the report: the worst first."""
    return [finding_of(each, report.recording, page) for each in report.findings]


def silenced_of(report: Report, page: Page) -> list[shapes.Finding]:
    """The findings that were silenced, each with what did."""
    return [finding_of(each.finding, report.recording, page, by=each.by) for each in report.suppressed]


def finding_of(finding: Finding, recording: Recording, page: Page, by: str = "") -> shapes.Finding:
    """One finding with its frames, reasons and fix."""
    return shapes.Finding(
        severity=finding.severity.value,
        code=finding.code,
        rule=finding.rule,
        message=page.text(finding.message),
        at=place_text(finding.location, page),
        frames=frames_of(finding, recording, page),
        rows=list(_rows(finding, recording, page)),
        profile=[(page.text(name), scientific(size), share) for name, size, share in profile_rows(finding)],
        also=[_consequence(each, page) for each in finding.consequences],
        fix=paragraphs(page.shortened(finding.fix), page),
        evidence=evidence_rows(finding.evidence, page),
        silenced_by=page.text(by),
    )


def _rows(finding: Finding, recording: Recording, page: Page) -> Iterator[Headed]:
    if subjects := subjects_text(finding, recording):
        yield "which", page.text(subjects)
    for note in finding.notes:
        yield page.text(note.heading), paragraphs(note.text, page)
    if finding.confidence is Confidence.PROBABLE:
        yield "probable", "a step of this was inferred rather than seen"
    if finding.count > 1 and all(note.heading != "seen" for note in finding.notes):
        yield "seen", f"{finding.count:,} times"


def _consequence(finding: Finding, page: Page) -> shapes.Consequence:
    return shapes.Consequence(
        severity=finding.severity.value,
        code=finding.code,
        rule=finding.rule,
        at=place_text(finding.location, page),
        message=page.text(finding.message),
    )
