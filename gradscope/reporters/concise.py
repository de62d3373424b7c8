"""One line a finding, `train.py:36:13: GS102 message`, for editors and scripts that read a compiler's.

A healthy program gives no line. What kept a target from being judged is a line with `error:` in place of a
code.
"""

from __future__ import annotations

from typing import TextIO

from gradscope.errors import printable
from gradscope.finding import Location
from gradscope.outcomes import GateReport, Outcome
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.paths import short_path
from gradscope.reporters.target_files import finding_place, path_on_one_line, trouble_place


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the lines, in the stream's encoding; `color` and `width` change nothing.

    A finding whose column is not known is at column 1, one without a place at the first line of what was run.
    """
    encoding = getattr(out, "encoding", None) or "utf-8"
    lines = [line for outcome in gate.outcomes for line in _lines(outcome, gate, cwd)]
    for line in dict.fromkeys(lines):  # targets that share a model share its findings
        out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _lines(outcome: Outcome, gate: GateReport, cwd: str) -> list[str]:
    findings = outcome.report.findings if outcome.report is not None else ()
    lines = [
        f"{_place(finding_place(one, outcome), cwd)}: {one.code} {_one_line(one.message)}" for one in findings
    ]
    trouble = outcome.trouble
    wrong = trouble.message if trouble is not None else unexplained(outcome)
    if wrong:
        said = f"{outcome.name}: {wrong}" if gate.is_gate else wrong
        lines.append(f"{_place(trouble_place(outcome), cwd)}: error: {_one_line(said)}")
    return lines


def _place(where: Location, cwd: str) -> str:
    path = path_on_one_line(short_path(where.path, cwd))
    return f"{path}:{max(where.line, 1)}:{max(where.column or 1, 1)}"


def _one_line(text: str) -> str:
    """The text without what would end a line or steer a terminal."""
    return printable(" ".join(text.split()))
