"""SARIF 2.1.0, which GitHub code scanning, Azure DevOps and editors read: one run, one result a finding."""

from __future__ import annotations

from typing import Final, TextIO

from gradscope.outcomes import GateReport
from gradscope.reporters.sarif_log.log import log_text

ENDINGS: Final = (".sarif", ".sarif.json")


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the log as ASCII; `color` and `width` change nothing. Without dates and times: two runs of an
    unchanged program give the same log.

    Paths below `cwd` are relative to %SRCROOT%, columns count characters. NaN and the infinities are the
    strings "NaN", "Infinity" and "-Infinity".
    """
    out.write(log_text(gate, cwd))
