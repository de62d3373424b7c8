"""The last line of a gate, where the eye ends."""

from __future__ import annotations

from rich.text import Text

from gradscope.outcomes import GateReport, Verdict
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.summary import pointed_lines
from gradscope.reporters.screen.words import duration, plural


def gate_summary_lines(gate: GateReport, page: Page) -> list[Text]:
    """`2 of 6 targets failed, 1 could not be judged · 3 new findings, 2 known, 1 fixed · 72 s`."""
    passed = gate.counts()[Verdict.PASSED] == len(gate.outcomes)
    parts = [verdict_text(gate), *_against_baseline(gate), duration(gate.seconds)]
    return pointed_lines(parts, STYLES["good" if passed else "error"], page)


def verdict_text(gate: GateReport) -> str:
    """`all 6 targets passed`, `2 of 6 targets failed, 1 could not be judged`."""
    counts, total = gate.counts(), len(gate.outcomes)
    if not total:
        return "no target was checked"
    if counts[Verdict.PASSED] == total:
        return f"all {total:,} targets passed" if total > 1 else "the target passed"
    failed, broken = counts[Verdict.FAILED], counts[Verdict.BROKEN]
    if total == 1:
        return "the target failed" if failed else "the target could not be judged"
    if not failed:
        return f"{broken:,} of {plural(total, 'target')} could not be judged"
    words = f"{failed:,} of {plural(total, 'target')} failed"
    return f"{words}, {broken:,} could not be judged" if broken else words


def _against_baseline(gate: GateReport) -> list[str]:
    """How many findings there are, and what the baseline says of them."""
    new, known = sum(each.new for each in gate.outcomes), sum(each.known for each in gate.outcomes)
    fixed = sum(len(each.fixed) for each in gate.outcomes)
    if not gate.baseline:
        return [plural(new, "finding") if new else "no findings"]
    counts = {"new": new, "known": known, "fixed": fixed}
    parts = [f"{count:,} {word}" for word, count in counts.items() if count]
    return [f"{plural(new + known, 'finding')}: {', '.join(parts)}" if parts else "no findings"]
