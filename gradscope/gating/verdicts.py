"""What was measured of a target -> its outcome: judged by rules, limits, a baseline and what it should do."""

from __future__ import annotations

from dataclasses import replace

from gradscope.baseline import Known
from gradscope.config import Config
from gradscope.exits import ExitStatus, of_report
from gradscope.facts import Drift, Recording
from gradscope.figures import unjudged
from gradscope.finding import Finding, Note, Severity
from gradscope.gating.processes.endings import PRINTED
from gradscope.gating.processes.running import Ran
from gradscope.gating.settings import GateTarget
from gradscope.judging import judged
from gradscope.outcomes import Outcome, Trouble, TroubleKind, Verdict, trouble_of
from gradscope.policy import Policy, policy
from gradscope.report import Report
from gradscope.rule_names import codes_of
from gradscope.rules import all_rules
from gradscope.silence import by_rule

_LIMITS = "GS9"
"""The rules that hold a run to limits. A configuration that states a limit has selected them."""


_DRIFT = "GS905"


def outcome_of(
    ran: Ran, config: Config, fail_on: str | None, known: Known | None, drift: Drift | None
) -> Outcome:
    """The outcome of one target. `fail_on` is that of the command line, None where it has none.

    `known` silences what a baseline holds of the target, `drift` tells how gradients differ from it.
    """
    target = ran.target
    if ran.recording is None:
        assert ran.trouble is not None
        return _outcome(ran, Verdict.BROKEN, trouble=ran.trouble)
    judging = policy_of(target, config, fail_on)
    report = _report(ran, ran.recording, judging, known, drift)
    trouble = (
        ran.trouble
        or _with_words(trouble_of(report, target.exit_status), ran.output)
        or _missing(report, target)
        or _unjudged(report, target)
    )
    if trouble is not None and trouble.kind is TroubleKind.PROGRAM_FAILED:
        report = _without_drift(report)
    failing = [one for one in report.findings if _is_at_least(one, judging.fail_on)]
    return _outcome(
        ran,
        _verdict(report, trouble, bool(failing)),
        report=report,
        trouble=trouble,
        failing=len(failing),
        new=len(report.findings),
        known=0 if known is None else known.silenced,
        fixed=() if known is None or not is_whole(trouble) else known.gone(codes(target, judging)),
    )


def _without_drift(report: Report) -> Report:
    """Of a program that died on the way: its gradients are not those of a whole run."""
    findings = tuple(one for one in report.findings if one.code != _DRIFT)
    return replace(report, findings=findings, recording=replace(report.recording, drift=None))


def _outcome(
    ran: Ran,
    verdict: Verdict,
    *,
    report: Report | None = None,
    trouble: Trouble | None = None,
    failing: int = 0,
    new: int = 0,
    known: int = 0,
    fixed: tuple[str, ...] = (),
) -> Outcome:
    target = ran.target
    return Outcome(
        name=target.name,
        command=target.command,
        target=target.target,
        verdict=verdict,
        seconds=ran.seconds,
        report=report,
        trouble=trouble,
        failing=failing,
        new=new,
        known=known,
        fixed=fixed,
        stated_at=target.stated_at,
    )


def is_whole(trouble: Trouble | None) -> bool:
    """Whether the run went to its end, so that what it did not find is gone."""
    return trouble is None or trouble.kind is TroubleKind.EXPECTED_MISSING


def _verdict(report: Report, trouble: Trouble | None, failing: bool) -> Verdict:
    over_budget = of_report(replace(report, findings=()), None) is ExitStatus.FINDINGS
    if failing or over_budget or (trouble and trouble.kind is TroubleKind.EXPECTED_MISSING):
        return Verdict.FAILED
    return Verdict.BROKEN if trouble is not None else Verdict.PASSED


# ---------------------------------------------------------------- judging


def codes(target: GateTarget, judging: Policy) -> frozenset[str]:
    """The rules that could find something in this target."""
    command = "check" if target.command == "check" else "trace"
    own = {code for code, rule in all_rules().items() if rule.command in (command, "gate")}
    return judging.judged & own


def policy_of(target: GateTarget, config: Config, fail_on: str | None) -> Policy:
    """How the target is judged: by its own words, then by those of the command line and configuration."""
    found = policy(config, target.select, target.ignore, fail_on or target.fail_on)
    limits = codes_of(_LIMITS) - {code for name in target.ignore for code in codes_of(name)}
    select = (*found.select, _LIMITS) if found.select else ()
    return replace(found, select=select, judged=found.judged | limits)


def _report(
    ran: Ran, recording: Recording, judging: Policy, known: Known | None, drift: Drift | None
) -> Report:
    target = ran.target
    held = replace(recording, limits=target.limits, drift=drift)
    expected = by_rule(target.expect, f"expect in {_name_of(target)}")
    silencers = (expected, *judging.silencers, *(() if known is None else (known,)))
    report = judged(target.command, target.target, held, ran.environment, judging.select, silencers)
    findings = [_forbidden(one, target) for one in report.findings]
    findings.sort(key=lambda one: -one.severity.rank)
    notes = (*report.recording.notes, *judging.remarks)
    return replace(
        report,
        findings=tuple(findings),
        recording=replace(report.recording, notes=notes),
        fail_on=judging.fail_on,
    )


def _forbidden(finding: Finding, target: GateTarget) -> Finding:
    """The finding as an error, where its rule, or that of one it explains, is forbidden."""
    forbidden = {code for name in target.forbid for code in codes_of(name)}
    found = [one.code for one in (finding, *finding.consequences) if one.code in forbidden]
    if not found:
        return finding
    note = Note("forbidden", f"{found[0]} is forbidden here: forbid in {_name_of(target)}")
    return replace(finding, severity=Severity.ERROR, notes=(*finding.notes, note))


def _name_of(target: GateTarget) -> str:
    return target.stated_at.path.replace("\\", "/").rpartition("/")[2]


def _is_at_least(finding: Finding, fail_on: Severity | None) -> bool:
    return fail_on is not None and finding.severity.rank >= fail_on.rank


# ---------------------------------------------------------------- what it was to find


def _with_words(trouble: Trouble | None, output: tuple[str, ...]) -> Trouble | None:
    """The trouble with the last lines that the program printed, where nothing else tells why it failed."""
    if trouble is None or trouble.kind is not TroubleKind.PROGRAM_FAILED or trouble.details:
        return trouble
    return replace(trouble, details=output[-PRINTED:])


def _missing(report: Report, target: GateTarget) -> Trouble | None:
    """What the configuration expects and the run did not show."""
    missing = [name for name in target.expect if not codes_of(name) & _found(report)]
    if not missing:
        return None
    message = f"{', '.join(missing)} was expected and not found"
    return Trouble(TroubleKind.EXPECTED_MISSING, message, location=target.stated_at)


def _unjudged(report: Report, target: GateTarget) -> Trouble | None:
    """The limits that are set and were not looked at: a run that measured nothing has not kept them."""
    reasons = unjudged(report.recording)
    if not reasons:
        return None
    return Trouble(TroubleKind.NOTHING_CHECKED, "; ".join(reasons), location=target.stated_at)


def _found(report: Report) -> frozenset[str]:
    findings = [*report.findings, *(each.finding for each in report.suppressed)]
    return frozenset(one.code for finding in findings for one in (finding, *finding.consequences))


def still_fails(outcome: Outcome) -> bool:
    """Whether a target fails for what no baseline accepts: a limit, a budget, something expected; or what one
    did not accept, since the run did not go to its end.
    """
    report = outcome.report
    if outcome.verdict is not Verdict.FAILED or report is None:
        return False
    if not is_whole(outcome.trouble):
        return True
    limits = tuple(one for one in report.findings if one.code.startswith(_LIMITS))
    failing = any(_is_at_least(one, report.fail_on) for one in limits)
    return _verdict(report, outcome.trouble, failing) is Verdict.FAILED
