"""What a gate hands to a reporter: one outcome a target. A single command's report is a gate of one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from gradscope.endings import is_explained
from gradscope.exits import ExitStatus, nothing_checked, of_report
from gradscope.finding import Location
from gradscope.report import Report


class Verdict(StrEnum):
    """How a target came through."""

    PASSED = "passed"
    FAILED = (
        "failed"  # a finding at or above its --fail-on, of a forbidden rule, or over a limit; one missing
    )
    BROKEN = "broken"  # it could not be judged: it hung, crashed, failed, or nothing of it was checked


class TroubleKind(StrEnum):
    """Why a target could not be judged, or not only by its findings."""

    HUNG = "hung"  # over its time limit
    CRASHED = "crashed"  # ended by a signal, or by os._exit
    OUT_OF_MEMORY = "out of memory"
    PROGRAM_FAILED = "program failed"  # an exception, or another exit status than expected
    NOT_RUN = "not run"  # no such target, a bad input
    NOTHING_CHECKED = "nothing checked"
    EXPECTED_MISSING = "expected finding missing"
    FAULT = "fault in gradscope"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Trouble:
    """`message` is one sentence without a full stop, for the reader of a log. `details` are lines as they are
    to be shown: a trimmed traceback, or the last lines that the program printed. `location` is the line of
    the program where that is known.
    """

    kind: TroubleKind
    message: str
    details: tuple[str, ...] = ()
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One target: `name` is unique in its gate, `command` is "trace", "check" or "memory".

    `report` is None where nothing was measured; it may stand beside a trouble. `new` and `known` count
    findings against the baseline (without one all are new), `fixed` describes those that it holds and that
    did not occur. `failing` counts the findings for which it failed. `stated_at` is its line in the
    configuration.
    """

    name: str
    command: str
    target: str
    verdict: Verdict
    seconds: float = 0.0
    report: Report | None = None
    trouble: Trouble | None = None
    failing: int = 0
    new: int = 0
    known: int = 0
    fixed: tuple[str, ...] = ()
    stated_at: Location | None = None


@dataclass(frozen=True, slots=True)
class GateReport:
    """All outcomes of one gate, in the order of the configuration.

    `is_gate` is False for the report of a single command that is shown in a gate's format. `config` is the
    name of the configuration file, `baseline` of the baseline, "" for none. `seconds` is the whole gate's.
    """

    outcomes: tuple[Outcome, ...]
    environment: dict[str, str] = field(default_factory=dict)
    config: str = ""
    baseline: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    redacted: bool = False
    is_gate: bool = True

    def reports(self) -> tuple[Report, ...]:
        """The reports of all outcomes that have one."""
        return tuple(outcome.report for outcome in self.outcomes if outcome.report is not None)

    def counts(self) -> Counter[Verdict]:
        """How many targets came through in which way."""
        return Counter(outcome.verdict for outcome in self.outcomes)


def single(report: Report) -> GateReport:
    """The report of one command as a gate of one target."""
    status = of_report(report, report.fail_on)
    failing = [f for f in report.findings if report.fail_on and f.severity.rank >= report.fail_on.rank]
    trouble = trouble_of(report)
    verdict = Verdict.FAILED if status is ExitStatus.FINDINGS else Verdict.PASSED
    outcome = Outcome(
        name=report.target,
        command=report.command,
        target=report.target,
        verdict=verdict if status in (ExitStatus.OK, ExitStatus.FINDINGS) else Verdict.BROKEN,
        report=report,
        trouble=trouble,
        failing=len(failing),
        new=len(report.findings),
    )
    return GateReport((outcome,), dict(report.environment), redacted=report.redacted, is_gate=False)


def trouble_of(report: Report, expected_status: int = 0) -> Trouble | None:
    """How the program ended, where that was not as expected and no finding explains it; or that nothing was
    checked.
    """
    recording = report.recording
    program = recording.program
    if program.interrupted:
        return Trouble(TroubleKind.INTERRUPTED, "the program was interrupted")
    as_expected = program.exit_status == expected_status
    if program.error is not None and not as_expected and not is_explained(report):
        where = program.error.frames[-1] if program.error.frames else None
        first = program.error.message.partition("\n")[0]
        said = ": ".join(filter(None, (program.error.type.rpartition(".")[2], first)))
        return Trouble(TroubleKind.PROGRAM_FAILED, said, tuple(program.error.rendered.splitlines()), where)
    if program.error is None and not as_expected:
        ended = f"the program ended with status {program.exit_status}"
        ended += f", and {expected_status} was expected" if expected_status else ""
        return Trouble(TroubleKind.PROGRAM_FAILED, ended)
    died = [each.name for each in recording.checked if each.died]
    died += [each.name for each in recording.checked_models if each.died]
    if died:
        return Trouble(TroubleKind.CRASHED, f"{', '.join(died)} crashed or hung while it was checked")
    if nothing_checked(report):
        return Trouble(TroubleKind.NOTHING_CHECKED, NOTHING_CHECKED[report.command])
    return None


NOTHING_CHECKED = {
    "trace": "no backward was run, so nothing was checked",
    "check": "no function could be checked",
    "graph": "no backward was run, so there is no graph",
    "memory": "no step was run, so no memory was measured",
}
"""What silence means where a command had nothing to look at."""
