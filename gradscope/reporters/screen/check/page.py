"""The page of `gradscope check`."""

from __future__ import annotations

from rich.text import Text

from gradscope.facts import CheckedFunction
from gradscope.finding import Finding
from gradscope.report import Report
from gradscope.reporters.screen.check.functions import function_row, inferred_elsewhere
from gradscope.reporters.screen.check.late import late_notes
from gradscope.reporters.screen.check.models import model_row
from gradscope.reporters.screen.check.owners import Subject, owners
from gradscope.reporters.screen.check.rows import Row, file_blocks
from gradscope.reporters.screen.check.summary import summary_lines
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.footer import program_lines, remark_lines
from gradscope.reporters.screen.page import Page


def check_blocks(report: Report, page: Page) -> list[list[Text]]:
    """Findings about none of the functions, the functions and models by file, the end and the summary."""
    rows = subject_rows(report, page)
    below = {id(finding) for row in rows for finding in row.findings}
    others = [finding for finding in report.findings if id(finding) not in below]
    more = [*inferred_elsewhere(report), *late_notes(report.recording.checked)]
    remarks = remark_lines(report, page, *more)
    return [
        *(finding_lines(finding, report.recording, page) for finding in others),
        *file_blocks(rows, report, page),
        program_lines(report, page),
        [*remarks, *summary_lines(report, page)],
    ]


def subject_rows(report: Report, page: Page) -> list[Row]:
    """Every finding stands below the first subject that it is about, and is named at the others."""
    subjects: list[Subject] = [*report.recording.checked, *report.recording.checked_models]
    own: list[list[Finding]] = [[] for _ in subjects]
    elsewhere: list[dict[str, Finding]] = [{} for _ in subjects]
    silenced: list[list[Finding]] = [[] for _ in subjects]
    for finding in report.findings:
        about = owners(finding, subjects)
        for index in about[:1]:
            own[index].append(finding)
        for index in about[1:]:
            elsewhere[index][f"{finding.code} as {subjects[about[0]].name}"] = finding
    for suppressed in report.suppressed:
        for index in owners(suppressed.finding, subjects):
            silenced[index].append(suppressed.finding)
    rows = []
    for subject, findings, named, quiet in zip(subjects, own, elsewhere, silenced, strict=True):
        if isinstance(subject, CheckedFunction):
            rows.append(function_row(subject, findings, named, quiet, report, page))
        else:
            rows.append(model_row(subject, findings, named, quiet, report, page))
    return rows
