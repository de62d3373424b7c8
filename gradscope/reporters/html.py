"""The HTML report: one file that loads nothing, for a colleague who opens it offline."""

from __future__ import annotations

from typing import Final, TextIO

from gradscope.outcomes import GateReport, single
from gradscope.report import Report

ENDINGS: Final = (".html", ".htm")


def render(report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the page of one command's report; memory and graph have pages of their own."""
    if report.command == "memory":
        from gradscope.reporters import memory_page

        out.write(memory_page.render(report, cwd).decode())
    elif report.command == "graph" and report.recording.graph is not None:
        out.write(_graph_page(report, cwd).decode())
    else:
        render_gate(single(report), out, color=color, width=width, cwd=cwd)


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the page of a gate: all targets, each of which opens to its report.

    `color` and `width` change nothing: a page follows the reader's window and colour scheme.
    """
    # what makes pages is loaded here, because every command's --help asks for the names of the formats
    from gradscope.reporters import report_page

    out.write(report_page.render(gate, cwd).decode())


def _graph_page(report: Report, cwd: str) -> bytes:
    from gradscope.autograd_graph.drawing import Subject
    from gradscope.reporters import pictures

    recording = report.recording
    assert recording.graph is not None
    subject = Subject(recording.graph, report.findings, report.target, cwd, recording.severed)
    return pictures.format_named("html").render(subject, report.view)[0].content
