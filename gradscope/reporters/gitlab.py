"""GitLab's code quality report: what a merge request shows beside the lines that it changes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, TextIO

from gradscope.finding import Finding, Location, Severity
from gradscope.fingerprint import fingerprint, portable_path
from gradscope.outcomes import GateReport, Outcome, Verdict
from gradscope.reporters.ascii_json import ascii_json
from gradscope.reporters.distinct_findings import Found, distinct_findings
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.target_files import (
    finding_place,
    path_on_one_line,
    repository,
    repository_path,
    trouble_place,
)

ENDINGS: Final = ("gl-code-quality-report.json", ".codequality.json")

_SEVERITIES: Final = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}
_LONGEST_DESCRIPTION: Final = 1_000  # characters


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the entries as JSON, in ASCII; `color` and `width` change nothing.

    A finding is critical, major or info, a target that could not be judged a blocker. Paths are relative to
    the repository, which is CI_PROJECT_DIR where `cwd` lies in it, else `cwd`; what has no place is on the
    first line of what was run.
    """
    entries = [_of_finding(one, cwd) for one in distinct_findings(gate)]
    entries += [entry for outcome in gate.outcomes for entry in _of_trouble(outcome, cwd)]
    seen = Counter[str]()
    for entry in entries:  # GitLab shows one of those that are alike
        digest = entry["fingerprint"]
        seen[digest] += 1
        if seen[digest] > 1:
            entry["fingerprint"] = f"{digest}:{seen[digest]}"
    out.write(ascii_json(entries))


def _of_finding(one: Found, cwd: str) -> dict[str, Any]:
    finding = one.finding
    assert one.outcome.report is not None
    digest = fingerprint(finding, one.outcome.report.recording.sources, repository(cwd)).digest
    where, severity = finding_place(finding, one.outcome), _SEVERITIES[finding.severity]
    return _entry(_description(finding), finding.code, digest, severity, where, cwd)


def _of_trouble(outcome: Outcome, cwd: str) -> Iterator[dict[str, Any]]:
    trouble = outcome.trouble
    text = trouble.message if trouble is not None else unexplained(outcome)
    if not text:
        return
    kind = trouble.kind.value.replace(" ", "-") if trouble is not None else outcome.verdict.value
    name = f"gradscope {kind}: {outcome.name}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    severity = "blocker" if outcome.verdict is Verdict.BROKEN else "critical"
    yield _entry(f"{outcome.name}: {text}", kind, digest, severity, trouble_place(outcome), cwd)


def _entry(
    description: str, check_name: str, digest: str, severity: str, where: Location, cwd: str
) -> dict[str, Any]:
    begin = max(where.line, 1)
    end = where.end_line if where.end_line is not None and where.end_line > begin else begin
    lines = {"begin": begin, "end": end} if end > begin else {"begin": begin}
    path = portable_path(repository_path(where.path, cwd), repository(cwd))
    text = " ".join(description.split())
    return {
        "description": text if len(text) <= _LONGEST_DESCRIPTION else f"{text[:_LONGEST_DESCRIPTION]} ...",
        "check_name": check_name,
        "fingerprint": digest,
        "severity": severity,
        "location": {"path": path_on_one_line(path) or ".", "lines": lines},
    }


def _description(finding: Finding) -> str:
    text = f"{finding.code}: {finding.message}"
    return f"{text}; fix: {finding.fix}" if finding.fix else text
