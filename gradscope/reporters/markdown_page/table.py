"""The targets of a gate as a table."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gradscope.outcomes import GateReport, Outcome, Verdict
from gradscope.reporters.markdown_page.escaping import cell
from gradscope.reporters.markdown_page.room import size
from gradscope.reporters.screen.gate.targets import verdict_word
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.summary import counted
from gradscope.reporters.screen.words import duration, plural

MARKS: Final = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.BROKEN: "❌"}

_UNBROKEN: Final = "\N{NO-BREAK SPACE}"


def target_table(gate: GateReport, page: Page, longest: int) -> str:
    """A row a target, in the order of the configuration; new, known and fixed where there is a baseline.

    Where the table would take more than `longest` bytes, rows are left out and counted, those of targets
    that passed first.
    """
    against = bool(gate.baseline)
    names = ["", "target", "command", "findings", *(["new", "known", "fixed"] if against else []), "time"]
    lines = [_line(names), _line(["---"] * 4 + ["---:"] * (len(names) - 4))]
    rows = [_line(_cells(each, page, against=against)) for each in gate.outcomes]
    left = longest - sum(map(size, lines))
    kept: set[int] = set()
    by_need = sorted(range(len(rows)), key=lambda index: gate.outcomes[index].verdict is Verdict.PASSED)
    for index in by_need:
        left -= size(rows[index])
        if left >= 0:
            kept.add(index)
    table = "\n".join([*lines, *(row for index, row in enumerate(rows) if index in kept)])
    rest = Counter(gate.outcomes[index].verdict.value for index in range(len(rows)) if index not in kept)
    if not rest:
        return table
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(rest.items()))
    return f"{table}\n\nand {plural(rest.total(), 'more target')}: {counts}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(outcome: Outcome, page: Page, *, against: bool) -> list[str]:
    mark = f"{MARKS[outcome.verdict]} {verdict_word(outcome)}".replace(" ", _UNBROKEN)
    findings, counts = "", ["", "", ""]
    if outcome.report is not None:
        counts = [str(each) for each in (outcome.new, outcome.known, len(outcome.fixed))]
        codes = dict.fromkeys(finding.code for finding in outcome.report.findings)
        findings = f"{', '.join(counted(outcome.report))}: {', '.join(codes)}" if codes else "none"
    name = cell(page.text(outcome.name))
    compared = counts if against else []
    return [mark, name, outcome.command, findings, *compared, duration(outcome.seconds)]
