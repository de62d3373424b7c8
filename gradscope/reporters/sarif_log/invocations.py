"""SARIF's account of the run itself: its exit status, targets that could not be judged, and remarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gradscope.exits import ExitStatus, of_gate, of_report
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.sarif_log.places import Places, file_uri
from gradscope.reporters.sarif_log.rules import trouble_id
from gradscope.reporters.target_files import trouble_place

_PROGRAMS_OWN: Final = (TroubleKind.PROGRAM_FAILED, TroubleKind.EXPECTED_MISSING)
_MOST_DETAILS: Final = 40  # lines of a traceback, the last ones


def invocation(gate: GateReport, cwd: str) -> dict[str, Any]:
    """The `invocation` of a whole gate, or of a single command. It tells no times: two runs of an unchanged
    program give the same log.
    """
    status = _status(gate)
    made: dict[str, Any] = {
        "executionSuccessful": not any(map(_is_cut_short, gate.outcomes)),
        "exitCode": int(status),
        "exitCodeDescription": status.name.lower().replace("_", " "),
    }
    if not gate.redacted:
        made["workingDirectory"] = {"uri": f"{file_uri(cwd).rstrip('/')}/"}
    notifications = list(_notifications(gate, cwd))
    if notifications:
        made["toolExecutionNotifications"] = notifications
    made["properties"] = {"targets": [_target(each) for each in gate.outcomes]}
    return made


def _status(gate: GateReport) -> ExitStatus:
    if gate.is_gate:
        return of_gate(gate)
    (report,) = gate.reports()
    return of_report(report, report.fail_on)


def _is_cut_short(outcome: Outcome) -> bool:
    """Whether not all of the target was looked at."""
    trouble = outcome.trouble
    return outcome.verdict is Verdict.BROKEN or (trouble is not None and trouble.kind not in _PROGRAMS_OWN)


def _target(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "command": outcome.command,
        "target": outcome.target,
        "verdict": outcome.verdict.value,
        "fixed": list(outcome.fixed),
    }


def _notifications(gate: GateReport, cwd: str) -> Iterator[dict[str, Any]]:
    for outcome in gate.outcomes:
        if outcome.trouble is not None:
            yield _trouble(outcome, outcome.trouble, cwd)
        elif text := unexplained(outcome):
            yield {"level": "error", "message": {"text": f"{outcome.name}: {text}"}}
        recording = outcome.report.recording if outcome.report is not None else None
        lead = f"{outcome.name}: " if gate.is_gate else ""
        for text in recording.notes if recording is not None else ():
            yield _remark(f"{lead}{text}")
        for text in recording.not_seen if recording is not None else ():
            yield _remark(f"{lead}not seen: {text}")
    for text in gate.notes:
        yield _remark(text)


def _remark(text: str) -> dict[str, Any]:
    return {"level": "note", "message": {"text": text}}


def _trouble(outcome: Outcome, trouble: Trouble, cwd: str) -> dict[str, Any]:
    lines = [f"{outcome.name}: {trouble.message}", *trouble.details[-_MOST_DETAILS:]]
    sources = outcome.report.recording.sources if outcome.report is not None else {}
    return {
        "descriptor": {"id": trouble_id(trouble.kind)},
        "level": "error",
        "message": {"text": "\n".join(lines)},
        "locations": [Places(cwd, sources).location(trouble_place(outcome))],
        "properties": {"target": outcome.target, "command": outcome.command},
    }
