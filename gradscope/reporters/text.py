"""The terminal report: findings first, then what every backward did, and the summary where the eye ends."""

from __future__ import annotations

from typing import TextIO

from gradscope.outcomes import GateReport
from gradscope.report import Report

ENDINGS = (".txt",)


def render(report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the report as text, at the stream's width (80 where it has none) and in its encoding."""
    # rich is loaded here, because every command's --help asks for the names of the formats
    from gradscope.reporters.screen import page
    from gradscope.reporters.screen.layout import report_lines

    encoding = page.encoding_of(out)
    lines = report_lines(report, page.Page(page.width_of(out, width), cwd, encoding))
    page.write(lines, out, color=page.has_color(out, color), encoding=encoding)


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the outcomes of a gate as text, likewise."""
    from gradscope.reporters.screen import page
    from gradscope.reporters.screen.gate.page import gate_lines

    encoding = page.encoding_of(out)
    lines = gate_lines(gate, page.Page(page.width_of(out, width), cwd, encoding))
    page.write(lines, out, color=page.has_color(out, color), encoding=encoding)
