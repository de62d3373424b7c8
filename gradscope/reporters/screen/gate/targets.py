"""All targets of a gate, a line each: how it came through, what it is, how long it took, and why."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from gradscope.outcomes import GateReport, Outcome, TroubleKind, Verdict
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.summary import counted
from gradscope.reporters.screen.words import clip_end, plural

STYLE_OF: Final = {Verdict.PASSED: "good", Verdict.FAILED: "error", Verdict.BROKEN: "error"}
NEUTRAL: Final = ""

_WORDS: Final = {
    TroubleKind.HUNG: "HUNG",
    TroubleKind.CRASHED: "CRASHED",
    TroubleKind.OUT_OF_MEMORY: "NO MEMORY",
    TroubleKind.PROGRAM_FAILED: "DIED",
    TroubleKind.NOT_RUN: "NOT RUN",
    TroubleKind.NOTHING_CHECKED: "UNCHECKED",
    TroubleKind.EXPECTED_MISSING: "FAILED",
    TroubleKind.FAULT: "FAULT",
    TroubleKind.INTERRUPTED: "STOPPED",
}
_LONGEST_NAME: Final = 40


def verdict_word(outcome: Outcome) -> str:
    """`passed`, `FAILED`, or what happened to it: one word in capitals that a log can be searched for."""
    if outcome.verdict is Verdict.PASSED:
        return "passed"
    if outcome.verdict is Verdict.FAILED or outcome.trouble is None:
        return "FAILED"
    return _WORDS[outcome.trouble.kind]


def target_lines(gate: GateReport, page: Page) -> list[Text]:
    """The table, in the order of the configuration."""
    rows = [(verdict_word(each), _named(each, page), f"{each.seconds:.1f} s", each) for each in gate.outcomes]
    widths = [max(map(cells, column), default=0) for column in list(zip(*rows, strict=True))[:3]]
    widths[1] = min(widths[1], max(_LONGEST_NAME, page.width - 40))
    return [_row(word, name, seconds, each, widths, page) for word, name, seconds, each in rows]


def _named(outcome: Outcome, page: Page) -> str:
    return f"{outcome.command:<6} {page.text(outcome.name)}"


def _row(word: str, name: str, seconds: str, outcome: Outcome, widths: list[int], page: Page) -> Text:
    shown = clip_end(name, widths[1])
    text = Text("  ")
    text.append(f"{word:<{widths[0]}}", STYLES[STYLE_OF[outcome.verdict]])
    text.append(f"  {shown}{' ' * (widths[1] - cells(shown))}  {seconds:>{widths[2]}}")
    remark = remark_on(outcome, page)
    room = page.width - text.cell_len - 2
    return text.append(f"  {clip_end(remark, room)}", STYLES["faint"]) if remark and room > 0 else text


def remark_on(outcome: Outcome, page: Page) -> str:
    """Why it did not pass, or what is worth a word although it did."""
    parts = []
    if outcome.trouble is not None:
        parts.append(page.text(outcome.trouble.message))
    if outcome.report is not None and outcome.report.findings:
        codes = dict.fromkeys(finding.code for finding in outcome.report.findings)
        parts.append(f"{', '.join(counted(outcome.report))}: {', '.join(codes)}")
    if words := unexplained(outcome):
        parts.append(words)
    if outcome.known:
        parts.append(f"{outcome.known:,} known")
    if outcome.fixed:
        parts.append(f"{len(outcome.fixed):,} fixed")
    silenced = len(outcome.report.suppressed) - outcome.known if outcome.report is not None else 0
    if silenced > 0:
        parts.append(f"{silenced:,} silenced")
    return "; ".join(parts) or _looked_at(outcome)


def _looked_at(outcome: Outcome) -> str:
    """What was looked at, so that a pass is known not to be an empty one."""
    if outcome.report is None:
        return ""
    recording = outcome.report.recording
    checked = sum(each.is_checked for each in recording.checked)
    checked += sum(each.is_checked for each in recording.checked_models)
    if checked:
        return plural(checked, "function")
    return plural(recording.backward_passes, "backward") if recording.backward_passes else ""
