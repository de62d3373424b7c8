"""All that the page is told of a gate, or of a single command's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gradscope.outcomes import GateReport, Outcome, Trouble, Verdict
from gradscope.reporters.report_page import shapes
from gradscope.reporters.report_page.reports import report_of
from gradscope.reporters.report_page.texts import pairs, place_text, wide
from gradscope.reporters.screen.gate.summary import gate_summary_lines
from gradscope.reporters.screen.gate.targets import STYLE_OF, remark_on, verdict_word
from gradscope.reporters.screen.page import Page

_PASSED: Final = {"error": "errors", "warning": "warnings", "info": "remarks"}
"""What is said of a report that passed although something was found."""


def content_of(gate: GateReport, cwd: str) -> shapes.Content:
    """The outcomes, each with its report; every text is printable."""
    page = wide(cwd)
    compared = bool(gate.baseline)
    drifted = any(_drift(outcome) for outcome in gate.outcomes)
    against = ("new", "known", "fixed") if compared else ()
    outcomes = [_outcome(each, gate, page, compared=compared, drifted=drifted) for each in gate.outcomes]
    word, tone = _verdict(gate, outcomes)
    return shapes.Content(
        title=page.text(page.shortened(_title(gate))),
        is_gate=gate.is_gate,
        word=word,
        tone=tone,
        summary=_summary(gate, outcomes, page),
        heads=("findings", *against, *(("drifted",) if drifted else ()), "time"),
        outcomes=outcomes,
        redacted=gate.redacted,
        notes=[*_files(gate, page), *(page.text(page.shortened(note)) for note in gate.notes)],
        environment=pairs(gate.environment, page) if gate.is_gate else [],
    )


def _title(gate: GateReport) -> str:
    """What the page is called: `gradscope trace train.py`, `gradscope gate`."""
    if gate.is_gate or len(gate.outcomes) != 1:
        return "gradscope gate"
    outcome = gate.outcomes[0]
    return " ".join(f"gradscope {outcome.command} {outcome.target}".split())


def _verdict(gate: GateReport, outcomes: Sequence[shapes.Outcome]) -> tuple[str, str]:
    """How all of it came through, in a word, and its tone."""
    if all(outcome.verdict is Verdict.PASSED for outcome in gate.outcomes) and outcomes:
        report = outcomes[0].report
        if gate.is_gate or report is None:
            return "passed", "good"
        return _PASSED.get(report.tone, "passed"), report.tone
    is_unknown = not gate.is_gate and all(outcome.verdict is Verdict.BROKEN for outcome in gate.outcomes)
    return "not judged" if is_unknown else "failed", "error"


def _summary(gate: GateReport, outcomes: Sequence[shapes.Outcome], page: Page) -> list[str]:
    if gate.is_gate:
        return [line.plain for line in gate_summary_lines(gate, page)]
    return [part for outcome in outcomes if outcome.report is not None for part in outcome.report.summary]


def _files(gate: GateReport, page: Page) -> list[str]:
    named = (("targets and limits are in", gate.config), ("findings are compared with", gate.baseline))
    return [f"{words} {page.text(page.shortened(name))}" for words, name in named if name]


def _outcome(
    outcome: Outcome, gate: GateReport, page: Page, *, compared: bool, drifted: bool
) -> shapes.Outcome:
    report = outcome.report
    if report is not None and gate.is_gate and report.environment == gate.environment:
        report = replace(report, environment={})  # it is told once
    found = "" if report is None else f"{len(report.findings):,}"
    counts = (outcome.new, outcome.known, len(outcome.fixed)) if compared else ()
    told = [f"{count:,}" if report is not None else "" for count in counts]
    drift = (_drift(outcome),) if drifted else ()
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds else ""
    return shapes.Outcome(
        name=page.text(outcome.name),
        target=page.text(page.shortened(outcome.target)),
        command=page.text(outcome.command),
        verdict=outcome.verdict.value,
        word=verdict_word(outcome),
        tone=STYLE_OF[outcome.verdict],
        figures=(found, *told, *drift, seconds),
        remark=page.shortened(remark_on(outcome, page)),
        trouble=None if outcome.trouble is None else _trouble(outcome.trouble, page),
        fixed=[page.text(page.shortened(each)) for each in outcome.fixed],
        stated_at=place_text(outcome.stated_at, page),
        report=None if report is None else report_of(report, page),
    )


def _drift(outcome: Outcome) -> str:
    drift = outcome.report.recording.drift if outcome.report is not None else None
    return "" if drift is None else f"{len(drift.drifts):,} of {drift.compared:,}"


def _trouble(trouble: Trouble, page: Page) -> shapes.Trouble:
    return shapes.Trouble(
        kind=trouble.kind.value,
        message=page.text(page.shortened(trouble.message)),
        at=place_text(trouble.location, page),
        details=[page.text(page.shortened(line.expandtabs(4))) for line in trouble.details],
    )
