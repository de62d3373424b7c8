"""The exit statuses, the same for every command and format."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the facts are slow to import, and every error needs this file
    from gradscope.facts import Recording
    from gradscope.finding import Severity
    from gradscope.outcomes import GateReport
    from gradscope.report import Report


class ExitStatus(IntEnum):
    """What the shell is told."""

    OK = 0
    FINDINGS = 1  # a finding at or above --fail-on, also where the program then died; no plan for a budget
    USAGE = 2  # bad usage or configuration, no such target, or nothing was checked
    PROGRAM_FAILED = 3  # an exception or a non-zero sys.exit, with no such finding
    FAULT = 4  # a fault in gradscope
    INTERRUPTED = 130  # Ctrl-C


def nothing_checked(report: Report) -> bool:
    """True where no backward ran or no function could be checked, and no rule had anything to say: silence
    would not mean health. Also where there is no graph to be drawn, and where no memory was looked at.
    """
    if report.command == "memory":
        return report.recording.memory is None
    if report.command == "graph":
        return report.recording.graph is None
    if report.findings or report.suppressed:
        return False
    if report.command == "check":
        recording = report.recording
        functions, models = recording.checked, recording.checked_models
        return not any(each.is_checked for each in functions) and not any(each.is_checked for each in models)
    return report.recording.backward_passes == 0


def of_report(report: Report, fail_on: Severity | None) -> ExitStatus:
    """The status of a finished command; `fail_on` None means that no finding fails it."""
    program = report.recording.program
    if program.interrupted:
        return ExitStatus.INTERRUPTED
    worst = report.worst()
    if fail_on is not None and worst is not None and worst.rank >= fail_on.rank:
        return ExitStatus.FINDINGS
    if program.error is not None or program.exit_status != 0 or _any_died(report.recording):
        return ExitStatus.PROGRAM_FAILED
    if nothing_checked(report):
        return ExitStatus.USAGE
    return ExitStatus.FINDINGS if _nothing_fits(report.recording) else ExitStatus.OK


def of_gate(gate: GateReport) -> ExitStatus:
    """The status of a gate: that of its worst target, where a finding outweighs a program that failed, and
    that outweighs a target that could not be run. A gate without targets has checked nothing.
    """
    from gradscope.outcomes import TroubleKind, Verdict

    kinds = {each.trouble.kind for each in gate.outcomes if each.trouble is not None}
    if TroubleKind.INTERRUPTED in kinds:
        return ExitStatus.INTERRUPTED
    if TroubleKind.FAULT in kinds:
        return ExitStatus.FAULT
    verdicts = {each.verdict for each in gate.outcomes}
    if Verdict.FAILED in verdicts:
        return ExitStatus.FINDINGS
    if Verdict.BROKEN in verdicts:
        unrun = {TroubleKind.NOT_RUN, TroubleKind.NOTHING_CHECKED}
        return ExitStatus.USAGE if kinds <= unrun else ExitStatus.PROGRAM_FAILED
    return ExitStatus.OK if gate.outcomes else ExitStatus.USAGE


def _nothing_fits(recording: Recording) -> bool:
    """Whether a memory budget was asked for that no plan stays within."""
    plan = recording.memory.plan if recording.memory is not None else None
    return plan is not None and plan.strategy is None


def _any_died(recording: Recording) -> bool:
    """Whether the code of a function that was checked crashed or hung."""
    functions, models = recording.checked, recording.checked_models
    return any(each.died for each in functions) or any(each.died for each in models)
