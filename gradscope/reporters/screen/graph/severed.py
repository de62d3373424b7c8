"""What lies behind a cut: parameters that the graph does not lead to, and where their gradient stops."""

from __future__ import annotations

from gradscope.autograd_graph.marked import DRAWN_AS_CUT, all_of
from gradscope.facts import Recording
from gradscope.finding import Finding
from gradscope.report import Report
from gradscope.reporters.screen.graph.table import Line
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import group_names


def severed_rows(report: Report, page: Page) -> list[Line]:
    """`encoder.* (4 parameters)  no gradient: stops at detach (train.py:28)`, for every such finding."""
    found = [finding for finding in all_of(report.findings) if finding.code == DRAWN_AS_CUT]
    return [line for finding in found if (line := _row(finding, report.recording, page)) is not None]


def _row(finding: Finding, recording: Recording, page: Page) -> Line | None:
    here = recording.graph.backward if recording.graph is not None else None
    facts = [fact for fact in recording.severed if fact.leaf in finding.subjects and fact.cuts]
    of_this = [fact for fact in facts if fact.backward is None or here is None or fact.backward.at == here.at]
    if facts and not of_this:
        return None
    first = of_this[0].cuts[0] if of_this else None
    where = (first.location if first is not None else None) or finding.location
    op = page.text(first.op if first is not None else str(finding.evidence.get("op", "")))
    at = page.near(where) if where is not None else ""
    stop = f"{op} ({at})" if op and at else op or at
    name = page.text(group_names(finding.subjects, 2, "parameter"))
    remark = f"no gradient: stops at {stop}" if stop else "no gradient"
    return Line(name, remark=remark, style=STYLES["warning"])
