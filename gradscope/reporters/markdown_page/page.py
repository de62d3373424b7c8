"""The page: the verdict, the targets, what was found, and what the reader should know of how."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gradscope import __version__
from gradscope.outcomes import GateReport, Outcome, Verdict
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.markdown_page.escaping import code, fenced, prose
from gradscope.reporters.markdown_page.room import Room
from gradscope.reporters.markdown_page.sections import folded, section_blocks
from gradscope.reporters.markdown_page.table import MARKS, target_table
from gradscope.reporters.screen.gate.summary import verdict_text
from gradscope.reporters.screen.layout import report_lines
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.plain import plain
from gradscope.reporters.screen.summary import counted
from gradscope.reporters.screen.words import POINT, duration, plural

_WIDTH: Final = 96  # of code frames, in characters
_LISTED: Final = 10  # of what was not seen, and of what silenced findings


def markdown(gate: GateReport, cwd: str, longest: int) -> str:
    """The page in at most `longest` bytes, as long as its first and last lines do not take more."""
    page, room = Page(_WIDTH, cwd), Room(longest)
    heading, footer = _heading(gate, page), _footer(gate, page)
    room.keep([heading, *footer])
    table = _table(gate, page, room.left // 2)
    room.keep(table)
    sections = section_blocks(gate, page, room)
    blocks = [heading, *table, *sections, *_whole(gate, page, room), *footer]
    return "\n\n".join(blocks) + "\n"


def _heading(gate: GateReport, page: Page) -> str:
    passed = bool(gate.outcomes) and gate.counts()[Verdict.PASSED] == len(gate.outcomes)
    mark = MARKS[Verdict.PASSED if passed else Verdict.FAILED]
    if gate.is_gate:
        return f"## {mark} gradscope gate: {verdict_text(gate) if gate.outcomes else 'no target was checked'}"
    (outcome,) = gate.outcomes
    return f"## {mark} gradscope {outcome.command} {code(page.text(outcome.target))}: {_judged(outcome)}"


def _judged(outcome: Outcome) -> str:
    found = counted(outcome.report) if outcome.report is not None else []
    trouble = [outcome.trouble.kind.value] if outcome.trouble is not None else []
    why = unexplained(outcome)
    return ", ".join([*trouble, *found, *([why] if why else [])]) or "no findings"


def _table(gate: GateReport, page: Page, longest: int) -> list[str]:
    if not gate.is_gate or not gate.outcomes:
        return []
    table = target_table(gate, page, longest)
    if gate.counts()[Verdict.PASSED] < len(gate.outcomes):
        return [table]
    return [folded(plural(len(gate.outcomes), "target"), [table])]


def _whole(gate: GateReport, page: Page, room: Room) -> list[str]:
    """The report of a single command as the terminal shows it, where there is room for it."""
    reports = gate.reports()
    if gate.is_gate or not reports:
        return []
    blocks = [folded("the whole report", [fenced(plain(report_lines(reports[0], page)))])]
    return blocks if room.has_taken(blocks) else []


# ---------------------------------------------------------------- the end


def _footer(gate: GateReport, page: Page) -> list[str]:
    items = [
        *(f"note: {prose(page.text(note))}" for note in gate.notes),
        *_silenced(gate, page),
        *_unseen(gate, page),
    ]
    codes = {finding.code for report in gate.reports() for finding in report.findings}
    if codes:
        items.append(f"more: {code(f'gradscope explain {min(codes)}')} tells of a rule")
    # another bullet than that of findings, or it would go on with the list of the last one
    listed = ["\n".join(f"* {item}" for item in items)] if items else []
    return [*listed, _versions(gate, page)]


def _silenced(gate: GateReport, page: Page) -> list[str]:
    by = Counter(page.text(each.by) for report in gate.reports() for each in report.suppressed)
    parts = [f"{count:,} by {prose(name)}" for name, count in by.most_common(_LISTED)]
    rest = by.total() - sum(count for _, count in by.most_common(_LISTED))
    if rest:
        parts.append(f"{rest:,} otherwise")
    return [f"silenced: {', '.join(parts)}"] if parts else []


def _unseen(gate: GateReport, page: Page) -> list[str]:
    unseen = list(dict.fromkeys(page.text(each) for one in gate.reports() for each in one.recording.not_seen))
    more = [f"and {len(unseen) - _LISTED:,} more that was not seen"] if len(unseen) > _LISTED else []
    return [*(f"not seen: {prose(each)}" for each in unseen[:_LISTED]), *more]


def _versions(gate: GateReport, page: Page) -> str:
    """`gradscope 0.1.0 · python 3.11 · torch 2.13.0 · ... · pyproject.toml · 12 s`, in small letters."""
    environment = dict(gate.environment)
    for report in gate.reports():
        environment = environment or dict(report.environment)
    told = {"gradscope": __version__, **environment}
    parts = [f"{name} {code(page.text(value))}" for name, value in told.items()]
    parts += [code(page.text(file)) for file in (gate.config, gate.baseline) if file]
    if gate.seconds:
        parts.append(duration(gate.seconds))
    return f"<sub>{POINT.join(parts)}</sub>"
