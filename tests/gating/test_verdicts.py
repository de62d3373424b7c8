"""How a target that was measured is judged: findings, forbidden and expected rules, limits, how it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.config import Config
from gradscope.exits import ExitStatus, of_gate
from gradscope.facts import Drift, Limits, MissingGraph, ProgramEnd, ProgramError, Recording
from gradscope.finding import Location
from gradscope.gating.processes.running import Ran
from gradscope.gating.settings import GateTarget
from gradscope.gating.verdicts import outcome_of, still_fails
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict
from tests.reporters.samples import cut, inplace
from tests.rules.facts_samples import got, modules, optimizer, registered

HERE = Location("/project/pyproject.toml", 4)
HEALTHY = Recording(backward_passes=3, steps=3)
TARGET = GateTarget(name="train.py", command="trace", target="train.py", stated_at=HERE)


def judged(
    recording: Recording | None,
    *,
    trouble: Trouble | None = None,
    fail_on: str | None = None,
    config: Config | None = None,
    output: tuple[str, ...] = (),
    **target: object,
) -> Outcome:
    ran = Ran(replace(TARGET, **target), recording, {}, trouble, 1.5, output)  # type: ignore[arg-type]
    return outcome_of(ran, config or Config(), fail_on, None, None)


def status(*outcomes: Outcome) -> ExitStatus:
    return of_gate(GateReport(outcomes))


def lost_graph(*, ended_program: bool = True) -> Recording:
    """A recording in which GS101 is certain."""
    where = Location("/project/train.py", 2, 1, 2, 5)
    lost = MissingGraph(where, "backward", (), (), None, ended_program=ended_program)
    return replace(HEALTHY, missing_graphs=(lost,), sources={where.path: ("x = 1", "loss.backward()")})


def failed_program(message: str = "no such file") -> Recording:
    error = ProgramError("builtins.OSError", message, (Location("/project/train.py", 9),), "Traceback ...\n")
    return replace(HEALTHY, program=ProgramEnd(exit_status=1, error=error))


def test_a_healthy_target_passes() -> None:
    outcome = judged(HEALTHY)
    assert (outcome.verdict, outcome.trouble, outcome.seconds) == (Verdict.PASSED, None, 1.5)
    assert outcome.stated_at == HERE
    assert status(outcome) is ExitStatus.OK


def test_what_was_not_measured_is_broken() -> None:
    hung = Trouble(TroubleKind.HUNG, "stopped after 60 s")
    outcome = judged(None, trouble=hung)
    assert (outcome.verdict, outcome.report, outcome.trouble) == (Verdict.BROKEN, None, hung)
    assert status(outcome) is ExitStatus.PROGRAM_FAILED


def test_nothing_checked_is_no_pass() -> None:
    outcome = judged(Recording())
    assert outcome.trouble is not None
    assert outcome.trouble.kind is TroubleKind.NOTHING_CHECKED
    assert (outcome.verdict, status(outcome)) == (Verdict.BROKEN, ExitStatus.USAGE)


def test_a_gate_without_targets_checked_nothing() -> None:
    assert status() is ExitStatus.USAGE


def test_an_error_fails_and_a_warning_does_not() -> None:
    assert judged(lost_graph()).verdict is Verdict.FAILED
    warned = judged(cut_recording(), select=("GS103",))
    assert [one.severity.value for one in (warned.report.findings if warned.report else ())] == ["warning"]
    assert warned.verdict is Verdict.PASSED
    assert judged(cut_recording(), select=("GS103",), fail_on="warning").verdict is Verdict.FAILED
    assert judged(cut_recording(), select=("GS103",)).failing == 0


def cut_recording() -> Recording:
    """One with an unused parameter."""
    used = registered("net", "used.weight", got(), optimizers=(0,))
    unused = registered("net", "unused.weight", optimizers=(0,), module_called=False, unused_module="unused")
    owner = optimizer("used.weight", "unused.weight")
    parts = modules("net", "used", "unused")
    return replace(HEALTHY, leaves=(used, unused), optimizers=(owner,), modules=parts)


def test_the_command_line_decides_before_the_target() -> None:
    assert judged(lost_graph(), fail_on="never").verdict is Verdict.PASSED
    assert judged(lost_graph(), fail_on="error").failing == 1


def test_a_forbidden_rule_fails_whatever_its_severity() -> None:
    outcome = judged(cut_recording(), forbid=("GS1",))
    assert outcome.report is not None
    (finding,) = outcome.report.findings
    assert (finding.code, finding.severity.value, outcome.verdict) == ("GS103", "error", Verdict.FAILED)
    assert "forbid in pyproject.toml" in finding.notes[-1].text


def test_what_is_expected_is_no_fault() -> None:
    outcome = judged(lost_graph(), expect=("no-graph",))
    assert (outcome.verdict, outcome.trouble) == (Verdict.PASSED, None)
    assert outcome.report is not None
    assert [each.by for each in outcome.report.suppressed] == ["expect in pyproject.toml"]


def test_what_is_expected_and_missing_fails() -> None:
    outcome = judged(HEALTHY, expect=("GS101", "GS2"))
    assert outcome.trouble is not None
    assert outcome.trouble.message == "GS101, GS2 was expected and not found"
    assert (outcome.verdict, status(outcome)) == (Verdict.FAILED, ExitStatus.FINDINGS)
    assert still_fails(outcome)


def test_a_program_that_died_is_broken_unless_that_is_expected() -> None:
    outcome = judged(failed_program())
    assert outcome.trouble is not None
    assert (outcome.trouble.kind, outcome.trouble.message) == (
        TroubleKind.PROGRAM_FAILED,
        "OSError: no such file",
    )
    assert outcome.trouble.location == Location("/project/train.py", 9)
    assert status(outcome) is ExitStatus.PROGRAM_FAILED
    assert judged(failed_program(), exit_status=1).verdict is Verdict.PASSED
    assert judged(HEALTHY, exit_status=1).verdict is Verdict.BROKEN


def test_a_status_alone_is_told_with_what_the_program_printed() -> None:
    ended = replace(HEALTHY, program=ProgramEnd(exit_status=2))
    said = tuple(f"line {number}" for number in range(20))
    trouble = judged(ended, output=said).trouble
    assert trouble is not None
    assert (trouble.message, trouble.details) == ("the program ended with status 2", said[-10:])
    failed = judged(failed_program(), output=said).trouble
    assert failed is not None
    assert failed.details == ("Traceback ...",)
    fine = judged(HEALTHY, exit_status=1).trouble
    assert fine is not None
    assert fine.message == "the program ended with status 0, and 1 was expected"


def test_an_end_that_a_finding_explains_is_no_other_trouble() -> None:
    ended = replace(lost_graph(ended_program=True), program=failed_program("needs a graph").program)
    outcome = judged(ended)
    assert (outcome.verdict, outcome.trouble) == (Verdict.FAILED, None)
    assert judged(ended, expect=("GS101",)).verdict is Verdict.PASSED


def test_a_program_that_died_is_not_said_to_have_drifted() -> None:
    drift = Drift("base.json", 0.001, 0, vanished=("weight",))
    ran = Ran(TARGET, HEALTHY, {}, None, 1.5, ())
    of_whole = outcome_of(ran, Config(), None, None, drift)
    of_part = outcome_of(replace(ran, recording=failed_program()), Config(), None, None, drift)
    assert [(each.report and [one.code for one in each.report.findings]) for each in (of_whole, of_part)] == [
        ["GS905"],
        [],
    ]


def test_ignored_rules_do_not_fail() -> None:
    assert judged(lost_graph(), ignore=("GS101",)).verdict is Verdict.PASSED
    assert judged(lost_graph(), config=Config(ignore=("GS101",))).verdict is Verdict.PASSED


def test_a_selection_does_not_leave_out_limits() -> None:
    limits = Limits(min_gradient_share=1.0, stated_at=HERE)
    outcome = judged(cut_recording(), select=("GS3",), limits=limits)
    assert outcome.report is not None
    assert {finding.code for finding in outcome.report.findings} == {"GS902"}
    assert still_fails(outcome)
    assert not still_fails(judged(lost_graph()))


def test_findings_of_a_program_that_died_are_not_accepted() -> None:
    died = replace(lost_graph(), program=ProgramEnd(exit_status=3))
    assert still_fails(judged(died))
    hung = Trouble(TroubleKind.HUNG, "stopped")
    assert still_fails(judged(lost_graph(), trouble=hung))


def test_a_limit_that_was_not_looked_at_is_no_pass() -> None:
    outcome = judged(HEALTHY, limits=Limits(max_saved=1 << 20, stated_at=HERE))
    assert outcome.trouble is not None
    assert outcome.trouble.message == "max-saved was not judged: no memory was measured"
    assert (outcome.verdict, status(outcome)) == (Verdict.BROKEN, ExitStatus.USAGE)


def test_a_finding_outweighs_what_could_not_be_run() -> None:
    broken = judged(None, trouble=Trouble(TroubleKind.NOT_RUN, "no such file"))
    hung = judged(None, trouble=Trouble(TroubleKind.HUNG, "stopped"))
    fault = judged(None, trouble=Trouble(TroubleKind.FAULT, "ours"))
    assert status(broken, judged(HEALTHY)) is ExitStatus.USAGE
    assert status(broken, hung) is ExitStatus.PROGRAM_FAILED
    assert status(broken, hung, judged(lost_graph())) is ExitStatus.FINDINGS
    assert status(fault, judged(lost_graph())) is ExitStatus.FAULT


@pytest.mark.parametrize("sample", [cut, inplace])
def test_a_single_report_is_a_gate_of_one(sample: object) -> None:
    from gradscope.outcomes import single

    report = sample()  # type: ignore[operator]
    (outcome,) = single(report).outcomes
    assert (outcome.verdict, outcome.failing) == (Verdict.FAILED, 1)
    assert single(replace(report, fail_on=None)).outcomes[0].failing == 0
