"""The exit status of a finished trace."""

from __future__ import annotations

import pytest

from gradscope.exits import ExitStatus, of_report
from gradscope.facts import CheckedFunction, ProgramEnd, ProgramError, Recording, SubjectKind
from gradscope.finding import Finding, Severity
from gradscope.report import Report, Suppressed

DIED = ProgramEnd(exit_status=1, error=ProgramError("ValueError", "no", (), ""))
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def report(
    *severities: Severity, end: ProgramEnd | None = None, backwards: int = 1, silenced: int = 0
) -> Report:
    findings = tuple(Finding("GS101", "no-graph", severity, "") for severity in severities)
    suppressed = (Suppressed(Finding("GS101", "no-graph", ERROR, ""), "--ignore"),) * silenced
    recording = Recording(program=end or ProgramEnd(), backward_passes=backwards)
    return Report("trace", "train.py", findings, recording, suppressed)


@pytest.mark.parametrize(
    ("made", "fail_on", "status"),
    [
        (report(), ERROR, ExitStatus.OK),
        (report(WARNING), ERROR, ExitStatus.OK),
        (report(WARNING), WARNING, ExitStatus.FINDINGS),
        (report(WARNING, ERROR), ERROR, ExitStatus.FINDINGS),
        (report(ERROR), None, ExitStatus.OK),
        (report(ERROR, end=DIED), ERROR, ExitStatus.FINDINGS),
        (report(WARNING, end=DIED), ERROR, ExitStatus.PROGRAM_FAILED),
        (report(ERROR, end=DIED), None, ExitStatus.PROGRAM_FAILED),
        (report(end=ProgramEnd(exit_status=3)), ERROR, ExitStatus.PROGRAM_FAILED),
        (report(end=DIED, backwards=0), ERROR, ExitStatus.PROGRAM_FAILED),
        (report(ERROR, end=ProgramEnd(130, interrupted=True)), ERROR, ExitStatus.INTERRUPTED),
        (report(end=ProgramEnd(stopped_after_steps=3)), ERROR, ExitStatus.OK),
        (report(backwards=0), ERROR, ExitStatus.USAGE),
        (report(backwards=0), None, ExitStatus.USAGE),
        (report(WARNING, backwards=0), ERROR, ExitStatus.OK),
        (report(backwards=0, silenced=1), ERROR, ExitStatus.OK),
    ],
)
def test_the_status_follows_the_table_of_the_design(
    made: Report, fail_on: Severity | None, status: ExitStatus
) -> None:
    assert of_report(made, fail_on) is status


@pytest.mark.parametrize(
    ("functions", "status"),
    [
        ((CheckedFunction("Good", SubjectKind.FUNCTION),), ExitStatus.OK),
        ((CheckedFunction("Silent", SubjectKind.FUNCTION, failure="no inputs"),), ExitStatus.USAGE),
        (
            (
                CheckedFunction("Good", SubjectKind.FUNCTION),
                CheckedFunction("Silent", SubjectKind.FUNCTION, failure="no inputs"),
            ),
            ExitStatus.OK,
        ),
        (
            (
                CheckedFunction("Good", SubjectKind.FUNCTION),
                CheckedFunction("Dead", SubjectKind.FUNCTION, failure="crashed", died=True),
            ),
            ExitStatus.PROGRAM_FAILED,
        ),
    ],
)
def test_the_status_of_a_check(functions: tuple[CheckedFunction, ...], status: ExitStatus) -> None:
    made = Report("check", "ops.py", (), Recording(checked=functions))
    assert of_report(made, ERROR) is status
