"""The exit statuses, the same for every command and format."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the facts are slow to import, and every error needs this file
    from gradscope.finding import Severity
    from gradscope.report import Report


class ExitStatus(IntEnum):
    """What the shell is told."""

    OK = 0
    FINDINGS = 1  # a finding at or above --fail-on, also where the program then died
    USAGE = 2  # bad usage or configuration, no such target, or nothing was checked
    PROGRAM_FAILED = 3  # an exception or a non-zero sys.exit, with no such finding
    FAULT = 4  # a fault in gradscope
    INTERRUPTED = 130  # Ctrl-C


def nothing_checked(report: Report) -> bool:
    """True where no backward ran and no rule had anything to say: silence would not mean health."""
    return report.recording.backward_passes == 0 and not report.findings and not report.suppressed


def of_report(report: Report, fail_on: Severity | None) -> ExitStatus:
    """The status of a finished `trace`; `fail_on` None means that no finding fails it."""
    program = report.recording.program
    if program.interrupted:
        return ExitStatus.INTERRUPTED
    worst = report.worst()
    if fail_on is not None and worst is not None and worst.rank >= fail_on.rank:
        return ExitStatus.FINDINGS
    if program.error is not None or program.exit_status != 0:
        return ExitStatus.PROGRAM_FAILED
    return ExitStatus.USAGE if nothing_checked(report) else ExitStatus.OK
