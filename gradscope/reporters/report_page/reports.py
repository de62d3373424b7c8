"""One command's report as the page shows it."""

from __future__ import annotations

from gradscope.endings import is_explained
from gradscope.exits import nothing_checked
from gradscope.report import Report
from gradscope.reporters.report_page import shapes
from gradscope.reporters.report_page.checks import subjects_of
from gradscope.reporters.report_page.findings import findings_of, silenced_of
from gradscope.reporters.report_page.gradients import tree_of
from gradscope.reporters.report_page.memory import memory_tables
from gradscope.reporters.report_page.plots import plots_of
from gradscope.reporters.report_page.running import chains_of, phases_of, tables_of
from gradscope.reporters.report_page.shapes import Headed
from gradscope.reporters.report_page.texts import pairs
from gradscope.reporters.screen.check import summary as of_check
from gradscope.reporters.screen.check.late import late_notes
from gradscope.reporters.screen.footer import last_line
from gradscope.reporters.screen.memory import summary as of_memory
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.summary import summary_parts


def report_of(report: Report, page: Page) -> shapes.Report:
    """All of a report; paths below the page's `cwd` are relative to it."""
    recording, values = report.recording, not report.redacted
    error = recording.program.error
    rendered = error.rendered.rstrip("\n").split("\n") if error is not None else []
    return shapes.Report(
        command=report.command,
        target=page.text(page.shortened(report.target)),
        summary=_summary(report, page),
        tone=_tone(report),
        findings=findings_of(report, page),
        silenced=silenced_of(report, page),
        failure=_failure(report, page),
        traceback=[page.text(page.shortened(line.expandtabs(4))) for line in rendered],
        subjects=subjects_of(report, page) if report.command == "check" else [],
        tree=tree_of(recording, page, values=values),
        plots=plots_of(recording, page) if values else [],
        phases=phases_of(report, page),
        chains=chains_of(recording, page),
        tables=[*memory_tables(recording, page), *tables_of(report, page)],
        notes=_notes(report, page),
        environment=pairs(report.environment, page),
    )


def _summary(report: Report, page: Page) -> list[str]:
    """The parts of the screen's last line; several things that were not seen stand in the notes here."""
    of = {"check": of_check.summary_parts, "memory": of_memory.summary_parts}.get(
        report.command, summary_parts
    )
    return [part.replace("listed above", "see the notes") for part in of(report, page)]


def _tone(report: Report) -> str:
    worst = report.worst()
    if worst is not None:
        return worst.value
    return "warning" if nothing_checked(report) else "good"


def _failure(report: Report, page: Page) -> str:
    """How the program ended, where an exception ended it."""
    error = report.recording.program.error
    if error is None:
        return ""
    if is_explained(report):
        return f"The program was ended by {last_line(error, page)}"
    unexplained = "" if report.redacted else ", and no finding explains it"
    return f"The program failed{unexplained}: {last_line(error, page)}"


def _notes(report: Report, page: Page) -> list[Headed]:
    """Explanations that are no findings, and what was not seen."""
    recording = report.recording
    more = late_notes(recording.checked) if report.command == "check" else []
    notes = [("note", page.text(page.shortened(each))) for each in (*more, *recording.notes)]
    return notes + [("not seen", page.text(each)) for each in recording.not_seen]
